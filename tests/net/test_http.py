from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from localai.errors import PolicyRefused, Unreachable
from localai.net.framing import ServerRefused
from localai.net.http import JsonServer
from localai.net.target import client_target
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
