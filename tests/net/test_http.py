from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from localai.errors import PolicyRefused, Unreachable
from localai.net import framing
from localai.net.framing import ServerRefused
from localai.net.http import JsonServer
from localai.net.target import client_target
from tests.support.clock import within
from tests.support.processes import free_port
from tests.support.scripted_server import (
    Drop,
    Pause,
    Reply,
    ScriptedServer,
    Step,
    UntilClosed,
    json_reply,
)


def client(server: ScriptedServer, path: str = "") -> JsonServer:
    return JsonServer("Ollama", client_target(server.url + path, 1), {"hint": "ollama serve"})


def test_a_call_sends_and_returns_json() -> None:
    with ScriptedServer({"POST /api/x": json_reply({"ok": "ß"})}) as server:
        assert client(server).call("POST", "/api/x", {"a": 1}) == {"ok": "ß"}
        assert server.asked[0].json == {"a": 1}


def test_the_path_of_the_target_comes_first() -> None:
    with ScriptedServer({"GET /below/api/x": json_reply(1)}) as server:
        assert client(server, "/below/").call("GET", "/api/x") == 1


@pytest.mark.parametrize(
    ("reply", "document"),
    [
        (json_reply({"error": "no"}, 404), {"error": "no"}),
        (Reply([b"plain text"], 500), "plain text"),
    ],
)
def test_a_refusal_carries_its_document(reply: Reply, document: object) -> None:
    with ScriptedServer({"GET /x": reply}) as server, pytest.raises(ServerRefused) as caught:
        client(server).call("GET", "/x")
    assert caught.value.status == reply.status
    assert caught.value.document == document


def test_nobody_listening_is_told_with_what_mends_it() -> None:
    target = client_target(f"127.0.0.1:{free_port()}", 1)
    with pytest.raises(Unreachable) as caught:
        JsonServer("Ollama", target, {"command": "ollama serve"}).call("GET", "/x")
    assert target.address in caught.value.message
    assert "not running" in caught.value.message
    assert caught.value.command == "ollama serve"


@pytest.mark.parametrize(
    "steps",
    [[Drop()], [b'{"half":', Drop()], [b'{"half":'], [b"<html>"], []],
    ids=["no answer", "reset", "half a document", "no JSON", "empty"],
)
def test_half_an_answer_is_unreachable(steps: list[Step]) -> None:
    with ScriptedServer({"GET /x": Reply(steps)}) as server, pytest.raises(Unreachable):
        client(server).call("GET", "/x")


def test_silence_ends_after_the_time_given() -> None:
    silent = ScriptedServer({"GET /x": Reply([Pause(5)])})
    with silent as server, pytest.raises(Unreachable) as caught:
        client(server).call("GET", "/x", timeout_s=0.2)
    assert "has not answered" in caught.value.message


def test_lines_come_one_by_one_however_they_are_cut() -> None:
    body = '{"a": "東京"}\n\n{"a": "🦙"}\n'.encode()
    steps: list[Step] = [body[i : i + 1] for i in range(len(body))]
    with (
        ScriptedServer({"GET /x": Reply(steps)}) as server,
        client(server).send("GET", "/x") as asked,
    ):
        assert list(asked.json_lines()) == [{"a": "東京"}, {"a": "🦙"}]


@pytest.mark.clock
def test_a_line_of_twenty_megabytes_is_put_together_once() -> None:
    piece = b"x" * 50_000
    steps: list[Step] = [b'{"a": "', *[piece] * 400, b'"}\n']
    with (
        ScriptedServer({"GET /x": Reply(steps)}) as server,
        client(server).send("GET", "/x") as asked,
        within(3),
    ):
        assert [len(line["a"]) for line in asked.json_lines()] == [20_000_000]


def test_a_line_without_an_end_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "_LONGEST_BODY_BYTES", 1 << 20)
    with (
        ScriptedServer({"GET /x": Reply([UntilClosed(b"x" * 10_000)])}) as server,
        pytest.raises(Unreachable, match="a line of the answer is longer than 1,048,576 bytes"),
        client(server).send("GET", "/x") as asked,
    ):
        list(asked.json_lines())


def test_of_a_refusal_without_an_end_the_beginning_is_read() -> None:
    endless = Reply([UntilClosed(b"no. " * 10_000)], 500)
    with ScriptedServer({"GET /x": endless}) as server, pytest.raises(ServerRefused) as caught:
        client(server).call("GET", "/x")
    assert str(caught.value.document).startswith("no. no. ")
    assert len(str(caught.value.document)) == 2000


def test_an_answer_without_an_end_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "_LONGEST_BODY_BYTES", 1 << 20)
    with (
        ScriptedServer({"GET /x": Reply([UntilClosed(b" " * 10_000)])}) as server,
        pytest.raises(Unreachable, match="the answer is longer than"),
    ):
        client(server).call("GET", "/x")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html><title>Log in</title><style>p{}</style><p>to the WiFi", "Log in to the WiFi"),
        (b"[" * 200_000, r"\[\[\["),
    ],
    ids=["a page", "deep"],
)
def test_what_came_instead_of_json_is_said(body: bytes, said: str) -> None:
    with (
        ScriptedServer({"GET /x": Reply([body])}) as server,
        pytest.raises(Unreachable, match=f"not JSON: .*{said}"),
    ):
        client(server).call("GET", "/x")


def test_leaving_the_block_closes_the_connection() -> None:
    with ScriptedServer({"GET /x": Reply([UntilClosed(b'{"a": 1}\n')])}) as server:
        with client(server).send("GET", "/x") as asked:
            assert next(asked.json_lines()) == {"a": 1}
        assert server.client_closed.wait(3)


@pytest.mark.parametrize(("silence_s", "begun"), [(0.0, True), (1.0, False)])
def test_whether_an_answer_has_begun(silence_s: float, begun: bool) -> None:
    reply = Reply([b"1"], silence_s=silence_s)
    with ScriptedServer({"GET /x": reply}) as server, client(server).send("GET", "/x") as asked:
        assert asked.answers_within(0.3) is begun


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_sees_nothing(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer() as proxy, ScriptedServer({"GET /x": json_reply(1)}) as server:
        monkeypatch.setenv(variable, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        assert client(server).call("GET", "/x") == 1
        assert proxy.asked == []


def test_without_permission_nothing_is_sent() -> None:
    @contextmanager
    def refuse() -> Iterator[None]:
        if server.port:
            raise PolicyRefused("no")
        yield

    with ScriptedServer({"GET /x": json_reply(1)}) as server:
        unpermitted = JsonServer("Ollama", client_target(server.url, 1), {}, permit=refuse)
        with pytest.raises(PolicyRefused):
            unpermitted.call("GET", "/x")
        assert server.asked == []
