"""Gathering an answer from its events: what is whole, what came before a failure, what stops it."""

from __future__ import annotations

import pytest

from localai.answers import PartialAnswer, gather
from localai.errors import Unreachable
from localai.events import (
    Answering,
    Done,
    Event,
    Events,
    Loading,
    Locality,
    ReasoningDelta,
    TextDelta,
    Timings,
    TokenLogprobs,
    Usage,
)
from localai.types import ResolvedModel, ToolCall, Zone

ASKED = ResolvedModel("llamacpp", "small", Zone.DEVICE, "a file")
OTHER = ResolvedModel("openai", "large", Zone.CLOUD, "a cloud")
DONE = Done("length", Usage(3, 2), Timings(), Locality(Zone.DEVICE, "this process"))


def test_an_answer_has_everything_that_its_events_said() -> None:
    odds = TokenLogprobs("a", -0.1, (("b", -2.0),))
    call = ToolCall("1", "weather", '{"city": "Paris"}')
    events: list[Event] = [
        Loading("loading"),
        ReasoningDelta("hm"),
        ReasoningDelta("m"),
        TextDelta("a"),
        odds,
        TextDelta("b"),
        call,
        DONE,
    ]
    seen: list[Event] = []

    answer = gather(iter_closing(events), PartialAnswer(ASKED), seen.append)

    assert (answer.text, answer.reasoning) == ("ab", "hmm")
    assert (answer.logprobs, answer.tool_calls) == ((odds,), (call,))
    assert answer.model is ASKED
    assert answer.done is DONE
    assert answer.is_cut
    assert seen == events


def test_who_stepped_in_is_who_answered() -> None:
    answer = gather(iter_closing([Answering(ASKED), Answering(OTHER), TextDelta("x"), DONE]))

    assert answer.model is OTHER


def test_a_stream_without_an_end_is_no_answer() -> None:
    partial = PartialAnswer(ASKED)

    with pytest.raises(Unreachable, match="llamacpp ended without an answer"):
        gather(iter_closing([TextDelta("half")]), partial)

    assert (partial.text, partial.done) == ("half", None)


def test_what_came_before_a_failure_is_there_and_the_stream_is_closed() -> None:
    closed = False

    def stream() -> Events:
        nonlocal closed
        try:
            yield TextDelta("one ")
            yield TextDelta("two")
        finally:
            closed = True

    def stop(event: Event) -> None:
        if event == TextDelta("two"):
            raise KeyboardInterrupt

    partial = PartialAnswer(ASKED)
    with pytest.raises(KeyboardInterrupt):
        gather(stream(), partial, stop)

    assert partial.text == "one two"
    assert closed


def iter_closing(events: list[Event]) -> Events:
    yield from events
