"""What servers do that real ones do not do on demand, played over a real socket."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from localai.errors import ContextOverflow, LocalaiError, ProviderRefused, Unreachable
from localai.events import Event, TextDelta
from localai.types import ChatRequest, Message, Options, Tool, ToolCall
from tests.campaigns.hostile import scenarios
from tests.contract.conftest import Play
from tests.contract.rows import Subject
from tests.support.answers import end_of, reasoning_of, text_of
from tests.support.clock import becomes
from tests.support.scripted_server import Drop, Held, Pause, Reply, Step, UntilClosed

Player = Callable[[Path], Play]


def events_of(subject: Subject, seen: list[Event] | None = None) -> list[Event]:
    """The events of an answer; `seen` keeps those before an error."""
    seen = [] if seen is None else seen
    question = (Message("user", "What is the capital of France?"),)
    request = ChatRequest(subject.model, question, Options(max_tokens=64))
    for event in subject.provider.stream(request):
        seen.append(event)
    return seen


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_unicode_split_across_packets(play: Player, tmp_path: Path, size: int) -> None:
    scene = play(tmp_path)
    body = b"".join(scene.wire.answer(["Zoë ", "東京", " 🦙", "‍x"]))
    pieces: list[Step] = [body[i : i + size] for i in range(0, len(body), size)]
    assert text_of(events_of(scene.steps(pieces))) == "Zoë 東京 🦙‍x"


def test_everything_in_one_packet(play: Player, tmp_path: Path) -> None:
    scene = play(tmp_path)
    events = events_of(scene.steps([b"".join(scene.wire.answer(["a", "b", "c"]))]))
    assert text_of(events) == "abc"


def test_reasoning_is_kept_apart(play: Player, tmp_path: Path) -> None:
    scene = play(tmp_path)
    events = events_of(scene.steps(scene.wire.answer(["Par", "is"], ["Let me", " think"])))
    assert text_of(events) == "Paris"
    assert reasoning_of(events) == "Let me think"


def test_a_tool_call_is_one_event(play: Player, tmp_path: Path) -> None:
    scene = play(tmp_path)
    subject = scene.steps(scene.wire.calls("c1", "weather", {"city": "Zürich"}))
    question = (
        Message("user", "How is the weather in Rome and in Zürich?"),
        Message("assistant", "", tool_calls=(ToolCall("c0", "weather", '{"city":"Rome"}'),)),
        Message("tool", "It rains.", tool_call_id="c0"),
    )
    tool = Tool("weather", "Tells the weather.", {"type": "object"})
    request = ChatRequest(subject.model, question, Options(max_tokens=64), tools=(tool,))
    events = list(subject.provider.stream(request))
    [call] = [event for event in events if isinstance(event, ToolCall)]
    assert (call.id, call.name) == ("c1", "weather")
    assert json.loads(call.arguments) == {"city": "Zürich"}
    assert end_of(events).finish_reason == "tool_calls"
    # The tool on offer, the call before and its result were asked with.
    sent = next(
        each.content.decode() for each in scene.server.asked if b"It rains." in each.content
    )
    assert sent.count("weather") >= 2 and sent.count("c0") == 2 and "Tells the weather." in sent


def test_an_empty_answer_is_an_answer(play: Player, tmp_path: Path) -> None:
    scene = play(tmp_path)
    events = events_of(scene.steps(scene.wire.answer([])))
    assert text_of(events) == ""
    assert end_of(events).finish_reason == "stop"


def test_the_token_limit_is_told_from_the_end(play: Player, tmp_path: Path) -> None:
    scene = play(tmp_path)
    events = events_of(scene.steps(scene.wire.answer(["cut"], finish="length")))
    assert end_of(events).finish_reason == "length"


def test_an_error_before_the_first_byte(play: Player, tmp_path: Path) -> None:
    scene = play(tmp_path)
    seen: list[Event] = []
    with pytest.raises((Unreachable, ProviderRefused)) as caught:
        events_of(scene.reply(scene.wire.failure()), seen)
    assert text_of(seen) == ""
    assert caught.value.message


def test_an_error_in_mid_stream_keeps_what_came_before(play: Player, tmp_path: Path) -> None:
    scene = play(tmp_path)
    begun = scene.wire.begun(["It ", "is "])
    seen: list[Event] = []
    with pytest.raises(LocalaiError) as caught:
        events_of(scene.steps([*begun, scene.wire.failure_in_stream()]), seen)
    assert type(caught.value) is not LocalaiError
    assert text_of(seen).startswith("It ")


@pytest.mark.parametrize("end", [[Drop()], []], ids=["reset", "closed"])
def test_a_dropped_connection_keeps_what_came_before(
    play: Player, tmp_path: Path, end: list[Step]
) -> None:
    scene = play(tmp_path)
    begun: list[Step] = list(scene.wire.begun(["It ", "is "]))
    seen: list[Event] = []
    with pytest.raises(Unreachable):
        events_of(scene.steps([*begun, Pause(0.05), *end]), seen)
    assert text_of(seen).startswith("It ")


def test_a_slow_first_token_is_waited_for(play: Player, tmp_path: Path) -> None:
    scene = play(tmp_path)
    events = events_of(scene.steps([Pause(1.5), *scene.wire.answer(["late"])]))
    assert text_of(events) == "late"
    waited = end_of(events).timings.time_to_first_token_s
    assert waited is not None and waited >= 1.5


def test_the_first_token_of_a_count_is_not_decoded(play: Player, tmp_path: Path) -> None:
    scene = play(tmp_path)
    packets = scene.wire.answer(["Par", "is", "."])
    # An SDK imports what it needs while the first answer waits, and would find all of it there.
    events_of(scene.steps(packets))
    timings = end_of(paced(scene, packets)).timings
    assert timings.decode_tokens == scene.wire.visible_tokens - 1
    assert timings.decode_s is not None and timings.total_s is not None
    assert 0.02 < timings.decode_s < timings.total_s or timings.clock == "server"


def paced(scene: Play, packets: list[bytes]) -> list[Event]:
    """The events of an answer whose next piece is sent a moment after the one before was read,
    however late that is."""
    read = threading.Semaphore(0)
    steps: list[Step] = []
    for packet in packets:
        if b'"is"' in packet or b'"."' in packet:
            steps.append(Held(read))
        steps.append(packet)
    assert len(steps) == len(packets) + 2
    subject = scene.steps(steps)
    request = ChatRequest(subject.model, (Message("user", "What is the capital of France?"),))
    events = []
    for event in subject.provider.stream(request):
        events.append(event)
        if isinstance(event, TextDelta):
            time.sleep(0.02)
            read.release()
    return events


def test_an_overflowing_prompt_is_an_error_with_the_numbers(play: Player, tmp_path: Path) -> None:
    scene = play(tmp_path)
    with pytest.raises(ContextOverflow) as caught:
        events_of(scene.reply(scene.wire.overflow()))
    assert caught.value.prompt_tokens in (5000, None)
    assert caught.value.context_tokens in (4096, None)


def test_cancel_closes_the_connection(play: Player, tmp_path: Path) -> None:
    scene = play(tmp_path)
    begun = scene.wire.begun(["and "])
    subject = scene.steps([*begun, UntilClosed(begun[-1])])
    request = ChatRequest(subject.model, (Message("user", "Go on for ever."),))
    events = subject.provider.stream(request)
    for event in events:
        if isinstance(event, TextDelta):
            break
    events.close()
    assert becomes(scene.server.client_closed.is_set, within_s=3)


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (
            b'{"error": {"message": "the licence has expired", "type": "x"}}',
            "application/json",
            "the licence has expired",
        ),
        (b"<html><h1>Log in</h1><p>to the WiFi</html>", "text/html", "Log in to the WiFi"),
    ],
    ids=["error", "page"],
)
def test_what_came_with_status_200_instead_of_an_answer_is_said(
    play: Player, tmp_path: Path, body: bytes, content_type: str, words: str
) -> None:
    scene = play(tmp_path)
    with pytest.raises((Unreachable, ProviderRefused)) as caught:
        events_of(scene.reply(Reply([body], content_type=content_type)))
    assert words in caught.value.message


def test_an_answer_in_another_form_is_an_answer_or_an_error_about_the_server(
    play: Player, tmp_path: Path
) -> None:
    scene = play(tmp_path)
    tried = list(scenarios(scene))[::160]
    assert len(tried) >= 5
    for scenario in tried:
        try:
            assert end_of(events_of(scene.reply(scenario.reply)))
        except LocalaiError as error:
            assert type(error) is not LocalaiError, scenario.name
            assert error.message
