"""The SDKs limit nothing that a server sends; we do: a line, an event, a body without an end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from localai.errors import LocalaiError, Unreachable
from localai.net.bounded import whole_events
from localai.net.target import client_target
from localai.providers import ollama_models
from localai.types import ChatRequest, Message
from tests.contract.conftest import ROWS, Play
from tests.support.clock import within
from tests.support.scripted_server import Reply, ScriptedServer, UntilClosed

_PIECE = b"x" * 60_000
_STREAM = "text/event-stream"

_ENDLESS = {
    "a line": Reply([b"data: ", UntilClosed(_PIECE)], content_type=_STREAM),
    "an event": Reply([UntilClosed(b"data: " + _PIECE + b"\n")], content_type=_STREAM),
    "names of events": Reply([UntilClosed(b"event: " + _PIECE + b"\r")], content_type=_STREAM),
    "a body": Reply([UntilClosed(_PIECE)]),
    "a refusal": Reply([UntilClosed(_PIECE)], 500),
}


@pytest.fixture(params=["openai", "anthropic"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    return Play(ROWS[request.param], tmp_path)


@pytest.mark.clock
@pytest.mark.parametrize("what", _ENDLESS)
def test_an_answer_without_end_is_an_error(play: Play, what: str) -> None:
    subject = play.reply(_ENDLESS[what])
    with within(20), pytest.raises(LocalaiError) as caught:
        list(subject.provider.stream(ChatRequest(subject.model, (Message("user", "Hi?"),))))
    assert not _is_a_bug(caught.value)
    assert play.server.client_closed.wait(10)


@pytest.mark.clock
def test_a_list_without_end_is_an_error(play: Play) -> None:
    subject = play.reply(play.wire.stream([]))
    for route in [each for each in play.server.routes if each.startswith("GET")]:
        play.server.routes[route] = Reply([UntilClosed(_PIECE)])
    with within(20), pytest.raises(Unreachable, match="longer than"):
        subject.provider.models()


def test_what_is_packed_is_not_unpacked(play: Play) -> None:
    """A kilobyte unfolds to a megabyte, and that to more than there is."""
    packed = Reply([b"\x1f\x8b"], content_type=_STREAM, headers={"content-encoding": "gzip"})
    subject = play.reply(packed)
    with pytest.raises(Unreachable, match="compressed"):
        list(subject.provider.stream(ChatRequest(subject.model, (Message("user", "Hi?"),))))
    sent = dict(play.server.asked[-1].headers)
    assert {key.lower(): value for key, value in sent.items()}["accept-encoding"] == "identity"


def _pull(url: str) -> None:
    list(ollama_models.pull(client_target(url, 11434), "m"))


def _create(url: str) -> None:
    ollama_models.delete(client_target(url, 11434), "m")


@pytest.mark.clock
@pytest.mark.parametrize("act", [_pull, _create])
@pytest.mark.parametrize("status", [200, 500])
def test_ollama_s_sdk_ends_as_well(act: Callable[[str], None], status: int) -> None:
    endless = Reply([UntilClosed(_PIECE)], status)
    routes: dict[str, Reply | list[Reply]] = {"POST /api/*": endless, "DELETE /api/*": endless}
    with ScriptedServer(routes) as server, within(20), pytest.raises(LocalaiError) as caught:
        act(server.url)
    assert not _is_a_bug(caught.value)


@pytest.mark.parametrize(
    "line", [b"no JSON", b"5", b"[]", b"null", b'{"total": "x"}', b"[" * 100_000, b"\xff\xfe"]
)
def test_ollama_s_sdk_reads_nonsense(line: bytes) -> None:
    with (
        ScriptedServer({"POST /api/*": Reply([line + b"\n"])}) as server,
        pytest.raises(Unreachable, match="form of its API"),
    ):
        _pull(server.url)


def test_ollama_s_sdk_follows_nobody() -> None:
    away = Reply([], 307, headers={"location": "http://127.0.0.1:9/x"})
    with ScriptedServer({"POST /api/*": away}) as server, pytest.raises(LocalaiError):
        _pull(server.url)
    assert server.paths() == ["POST /api/pull"]


@pytest.mark.parametrize("end", [b"\n\n", b"\r\r", b"\r\n\r\n"])
@pytest.mark.parametrize("length", [1, 2, 3, 5, 100])
def test_events_come_whole_however_they_are_cut(end: bytes, length: int) -> None:
    body = b"data: a" + end + b"data: b" + end + b"data: c"
    pieces = [body[at : at + length] for at in range(0, len(body), length)]
    joined = list(whole_events(pieces))
    assert b"".join(joined) == body
    assert [each for each in joined if b"data" in each and not each.endswith(end)] == [b"data: c"]


def _is_a_bug(error: LocalaiError) -> bool:
    return type(error) is LocalaiError
