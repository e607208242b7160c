"""Why an answer ended: what servers say, what each wire says, what is shown; held to one list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import pytest

from localai.answers import Answer
from localai.errors import Unreachable
from localai.events import Done, EarlyEnd, FinishReason, Locality, TextDelta, Timings, Usage
from localai.output import answer_display, conversations
from localai.types import ResolvedModel, ToolCall, Zone
from localai.wires import finish_reasons
from localai.wires.chat_completions.client import read_stream
from localai.wires.clock import AnswerClock
from localai.wires.finish_reasons import finish_reason
from tests.wires.test_round_trips import WIRES

HERE = Locality(Zone.DEVICE, "a test")
EVERY = get_args(FinishReason)


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("eos_token", "stop"),
        ("stop_sequence", "stop"),
        ("end_turn", "stop"),
        ("STOP", "stop"),
        ("COMPLETE", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("max_output_tokens", "length"),
        ("model_length", "context"),
        ("model_context_window_exceeded", "context"),
        ("content_filter", "refusal"),
        ("content-filter", "refusal"),
        ("content_filter: PROHIBITED_CONTENT", "refusal"),
        ("SAFETY", "refusal"),
        ("RECITATION", "refusal"),
        ("sensitive", "refusal"),
        ("refusal", "refusal"),
        ("tool_calls", "tool_calls"),
        ("tool_use", "tool_calls"),
        ("function_call", "tool_calls"),
        # It would go on if it were sent back, so it is not whole.
        ("pause_turn", "other"),
        ("load", "other"),
        ("repetition", "other"),
        (17, "other"),
        ({"type": "stop"}, "other"),
        # DashScope says "null" in every piece before the last.
        ("null", None),
        ("", None),
        (None, None),
    ],
)
def test_what_servers_say(said: object, meaning: str | None) -> None:
    assert finish_reason(said) == meaning


@pytest.mark.parametrize(
    "said", ["abort", "error", "cancelled", "insufficient_system_resource", "network_error"]
)
def test_a_server_that_says_that_it_failed_gave_no_answer(said: str) -> None:
    with pytest.raises(Unreachable, match=said):
        finish_reason(said)


def test_what_came_before_a_failure_is_kept() -> None:
    def chunk(text: str, finish: str | None = None) -> Mapping[str, object]:
        return {"choices": [{"delta": {"content": text}, "finish_reason": finish}]}

    seen = []
    with pytest.raises(Unreachable, match="the server ended it with 'abort'"):
        for event in read_stream([chunk("Par"), chunk("is", "abort")], HERE, AnswerClock()):
            seen.append(event)
    assert seen == [TextDelta("Par"), TextDelta("is")]


@pytest.mark.parametrize(
    "table", ["CHAT_COMPLETIONS", "MESSAGES", "RESPONSES", "OLLAMA"], ids=str.lower
)
def test_every_wire_has_a_word_for_every_reason(table: str) -> None:
    assert set(getattr(finish_reasons, table)) == set(EVERY)


@pytest.mark.parametrize("name", WIRES)
@pytest.mark.parametrize("reason", EVERY)
def test_a_bad_end_stays_one_on_every_wire(name: str, reason: FinishReason) -> None:
    wire = WIRES[name]
    done = Done(reason, Usage(7, 3), Timings(), HERE)
    call = (ToolCall("c1", "f", "{}"),) if reason == "tool_calls" else ()
    *_, end = wire.read(list(wire.write([*call, done])))
    assert isinstance(end, Done)
    if reason in ("stop", "tool_calls", "refusal", "length"):
        assert end.finish_reason == reason
    else:
        # Where the format has no word of its own, it is at least no whole answer.
        assert end.finish_reason in (reason, "length")


def test_every_reason_has_words_for_a_person() -> None:
    assert set(answer_display._FINISH_NOTES) == set(EVERY)
    good = {"stop", "tool_calls"}
    assert set(conversations._NOT_WHOLE) == {*EVERY, *get_args(EarlyEnd), None} - good


def test_a_refusal_is_an_error() -> None:
    def answer(reason: FinishReason) -> Answer:
        model = ResolvedModel("p", "m", None, "")
        return Answer(model, "No.", "", Done(reason, Usage(), Timings(), HERE))

    assert [reason for reason in EVERY if answer(reason).refusal] == ["refusal"]
    refusal = answer("refusal").refusal
    assert refusal is not None and refusal.exit_code == 6
