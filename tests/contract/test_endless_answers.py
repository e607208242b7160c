"""Servers that break no rule of their wire and never come to an end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from localai.answers import PartialAnswer, gather
from localai.errors import Unreachable
from localai.types import ChatRequest, Message, Options
from localai.wires import limits
from tests.contract.conftest import Play
from tests.contract.rows import Subject
from tests.support.clock import within
from tests.support.scripted_server import Reply, Step, UntilClosed
from tests.support.wires import Wire

pytestmark = pytest.mark.clock

Player = Callable[[Path], Play]
_MOST_TOKENS = 16
_PACKETS_AT_ONCE = 300
_ENDS = (b'"stop"', b'"end_turn"', b'"response.completed"')


def _asked(subject: Subject, into: PartialAnswer) -> None:
    into.model = subject.model
    options = Options(max_tokens=_MOST_TOKENS)
    request = ChatRequest(subject.model, (Message("user", "Go on."),), options)
    gather(subject.provider.stream(request), into)


def _text(wire: Wire) -> bytes:
    return wire.begun(["and "])[-1]


def _thoughts(wire: Wire) -> bytes:
    whole = wire.answer(["x"], ["hm "])
    [thought] = [packet for packet in whole if b"hm " in packet]
    return thought


@pytest.mark.parametrize("piece", [_text, _thoughts])
def test_an_answer_far_beyond_its_limit_is_broken_off(
    play: Player, tmp_path: Path, piece: Callable[[Wire], bytes]
) -> None:
    scene = play(tmp_path)
    packets = UntilClosed(piece(scene.wire) * _PACKETS_AT_ONCE)
    kept = PartialAnswer()
    with within(20), pytest.raises(Unreachable, match=r"does not end.*16 tokens"):
        _asked(scene.steps([*scene.wire.begun(["It "]), packets]), kept)
    assert len((kept.text + kept.reasoning).split()) > 4000
    assert scene.server.client_closed.wait(10)


def _empty(wire: Wire) -> bytes:
    return wire.begun([""])[-1]


def _comments(wire: Wire) -> bytes:
    is_lines = wire.stream([]).content_type == "application/x-ndjson"
    return b"\n" if is_lines else b": here\n\n"


@pytest.mark.parametrize("piece", [_empty, _comments])
@pytest.mark.parametrize("begun", [[], ["It "]], ids=["at once", "in the middle"])
def test_what_only_keeps_a_connection_alive_is_no_answer(
    play: Player,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    piece: Callable[[Wire], bytes],
    begun: list[str],
) -> None:
    monkeypatch.setattr(limits, "LONGEST_PAUSE_S", 0.3)
    monkeypatch.setattr(limits, "LONGEST_HIDDEN_PAUSE_S", 0.3)
    scene = play(tmp_path)
    kept = PartialAnswer()
    steps: list[Step] = [*scene.wire.begun(begun), UntilClosed(piece(scene.wire))]
    with within(20), pytest.raises(Unreachable, match="nothing of an answer"):
        _asked(scene.steps(steps), kept)
    assert kept.text == "".join(begun)
    assert scene.server.client_closed.wait(10)


def test_a_server_that_goes_on_after_the_end_is_left(
    play: Player, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_AFTER_THE_END_S", 0.3)
    scene = play(tmp_path)
    whole = scene.wire.answer(["Paris"])
    ends = next(at for at, packet in enumerate(whole) if any(end in packet for end in _ENDS))
    kept = PartialAnswer()
    with within(20):
        _asked(scene.steps([*whole[: ends + 1], UntilClosed(_comments(scene.wire))]), kept)
    assert kept.text == "Paris"
    assert kept.done is not None and kept.done.finish_reason == "stop"


def test_a_list_that_comes_byte_by_byte_is_not_waited_for(
    play: Player, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localai.net.http._LONGEST_S", -29.5)
    monkeypatch.setattr("localai.providers.sdk._LONGEST_BODY_S", 0.5)
    scene = play(tmp_path)
    subject = scene.reply(scene.wire.stream([]))
    for route in [each for each in scene.server.routes if each.startswith("GET")]:
        scene.server.routes[route] = Reply([UntilClosed(b" ")])
    with within(20), pytest.raises(Unreachable, match="not ended"):
        subject.provider.models()
