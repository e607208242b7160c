"""What servers that call themselves compatible send where the format promises something else."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.errors import Unreachable
from localai.events import (
    Done,
    Event,
    Loading,
    Locality,
    ReasoningDelta,
    TextDelta,
    TokenLogprobs,
    Usage,
)
from localai.types import ToolCall, Zone
from localai.wires.chat_completions.client import read_stream
from localai.wires.clock import AnswerClock
from localai.wires.ollama import answer as ollama_answer

HERE = Locality(Zone.DEVICE, "a test")
STOP = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


def read(*chunks: Any) -> list[Event]:
    return list(read_stream(chunks, HERE, AnswerClock()))


def delta(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def said(events: list[Event]) -> tuple[str, str]:
    """The thinking and the text."""
    thoughts = "".join(each.text for each in events if isinstance(each, ReasoningDelta))
    return thoughts, "".join(each.text for each in events if isinstance(each, TextDelta))


@pytest.mark.parametrize(
    ("chunks", "thoughts", "text"),
    [
        # Half a character in one chunk and half in the next; and one that stays alone.
        ([delta(content="a\ud83d"), delta(content="\ude00b")], "", "a😀b"),
        ([delta(content="a\ud83d"), delta(content="b")], "", "a\N{REPLACEMENT CHARACTER}b"),
        ([delta(content="a\ud83d")], "", "a\N{REPLACEMENT CHARACTER}"),
        ([delta(reasoning="\ud83d"), delta(reasoning="\ude00")], "😀", ""),
        # Parts in place of a text: OpenAI's own form, Mistral's thinking.
        ([delta(content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])], "", "ab"),
        ([delta(content=["a", "b"])], "", "ab"),
        (
            [
                delta(
                    content=[
                        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                        {"type": "text", "text": "a"},
                    ]
                )
            ],
            "hm",
            "a",
        ),
        ([delta(reasoning=[{"text": "h"}, {"text": "m"}]), delta(content="a")], "hm", "a"),
        ([delta(reasoning_content={"content": "hm"})], "hm", ""),
        # A whole message from a server that does not stream.
        ([{"choices": [{"message": {"role": "assistant", "content": "a"}}]}], "", "a"),
        # What is not of the type says nothing, and what came is kept.
        ([delta(content="a"), delta(content=7), delta(content={"x": 1})], "", "a"),
        ([{"choices": None}, {"choices": {"delta": {"content": "a"}}}], "", "a"),
        ([{"choices": [None, 7, {"delta": None}]}, {"usage": "none"}, [], None], "", ""),
        ([{"timings": 3, "prompt_progress": "half"}, delta(content="a")], "", "a"),
        ([delta(content="a", tool_calls=None), delta(tool_calls="none")], "", "a"),
    ],
)
def test_what_is_said(chunks: list[Any], thoughts: str, text: str) -> None:
    events = read(*chunks, STOP)
    assert said(events) == (thoughts, text)
    assert isinstance(events[-1], Done) and events[-1].finish_reason == "stop"


@pytest.mark.parametrize(
    ("usage", "known"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 3}, Usage(7, 3)),
        ({"prompt_tokens": "7", "completion_tokens": 3.0}, Usage(7, 3)),
        ({"prompt_tokens": float("nan"), "completion_tokens": float("inf")}, Usage()),
        ({"prompt_tokens": -1, "completion_tokens": 2.5}, Usage()),
        ({"prompt_tokens": True, "completion_tokens": "many"}, Usage()),
        ({"prompt_tokens": 1e300, "completion_tokens": None}, Usage()),
        ({"prompt_tokens": 7, "prompt_tokens_details": [1]}, Usage(7)),
        ({"prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": "2"}}, Usage(7, None, 2)),
        ([7, 3], Usage()),
        ({}, Usage()),
    ],
)
def test_counts(usage: Any, known: Usage) -> None:
    end = read(delta(content="a"), STOP, {"choices": [], "usage": usage})[-1]
    assert isinstance(end, Done) and end.usage == known


def calls(*pieces: Any) -> list[ToolCall]:
    events = read(*(delta(tool_calls=piece) for piece in pieces), STOP)
    assert isinstance(events[-1], Done) and events[-1].finish_reason == "tool_calls"
    return [each for each in events if isinstance(each, ToolCall)]


def test_calls_that_are_not_counted_are_told_apart_by_their_ids() -> None:
    first = {"id": "c1", "function": {"name": "f", "arguments": "{}"}}
    second = {"id": "c2", "function": {"name": "g", "arguments": '{"x": 1}'}}
    assert calls([first], [second]) == [ToolCall("c1", "f", "{}"), ToolCall("c2", "g", '{"x": 1}')]
    assert calls([first, second]) == calls([first], [second])


def test_a_call_whose_name_and_id_are_said_with_every_piece() -> None:
    def piece(arguments: str) -> list[Any]:
        function = {"name": "f", "arguments": arguments}
        return [{"index": 0, "id": "c1", "function": function}]

    assert calls(piece('{"x"'), piece(": 1}")) == [ToolCall("c1", "f", '{"x": 1}')]


def test_arguments_as_an_object_and_a_call_without_an_id() -> None:
    function = {"name": "f", "arguments": {"x": "ü"}}
    assert calls([{"index": 0, "function": function}]) == [ToolCall("call_0", "f", '{"x": "ü"}')]


def stream(*chunks: Any, then: BaseException | bool) -> Generator[Any, None, bool]:
    yield from chunks
    if isinstance(then, BaseException):
        raise then
    return then


def test_a_stream_that_was_ended_without_a_reason_is_perhaps_whole() -> None:
    *_, end = read_stream(stream(delta(content="a"), then=True), HERE, AnswerClock())
    assert isinstance(end, Done) and (end.finish_reason, end.server_reason) == ("other", None)
    with pytest.raises(Unreachable, match="broke off"):
        list(read_stream(stream(delta(content="a"), then=False), HERE, AnswerClock()))


@pytest.mark.parametrize("failure", [TimeoutError(), ConnectionResetError(), ValueError("x")])
def test_what_breaks_after_the_end_takes_nothing_away(failure: Exception) -> None:
    told = []
    events = list(
        read_stream(
            stream(delta(content="a"), STOP, then=failure),
            HERE,
            AnswerClock(),
            on_finish=lambda: told.append(1),
        )
    )
    assert said(events) == ("", "a")
    assert isinstance(events[-1], Done) and events[-1].finish_reason == "stop"
    assert told == [1]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "choices",
                        "delta",
                        "message",
                        "content",
                        "reasoning",
                        "tool_calls",
                        "function",
                    ),
                    *(
                        "name",
                        "arguments",
                        "index",
                        "id",
                        "finish_reason",
                        "usage",
                        "prompt_tokens",
                    ),
                    *(
                        "completion_tokens",
                        "timings",
                        "cache_n",
                        "prompt_ms",
                        "predicted_n",
                        "text",
                    ),
                    *("prompt_progress", "total", "processed", "logprobs", "token", "logprob"),
                    *("top_logprobs", "thinking", "prompt_tokens_details", "cached_tokens"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
deltas = st.builds(
    lambda fields: delta(**fields),
    st.dictionaries(
        st.sampled_from(["content", "reasoning", "reasoning_content", "tool_calls"]), json_values
    ),
)
KINDS = (TextDelta, ReasoningDelta, ToolCall, TokenLogprobs, Loading, Done)


@given(st.lists(deltas | json_values, max_size=6), st.booleans())
def test_no_chunk_is_a_bug_of_ours(chunks: list[Any], ends: bool) -> None:
    with suppress(Unreachable):
        for event in read(*chunks, *([STOP] if ends else ())):
            assert isinstance(event, KINDS)
            if isinstance(event, TextDelta | ReasoningDelta):
                event.text.encode()


@given(st.lists(st.text(max_size=3) | st.sampled_from(["\ud83d", "\ude00", "<thi", "nk>"])))
def test_no_text_is_lost_wherever_it_is_cut(pieces: list[str]) -> None:
    whole = "".join(pieces).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    together = said(read(delta(content=whole), STOP))
    assert said(read(*(delta(content=piece) for piece in pieces), STOP)) == together


def ollama_lines(lines: list[Any]) -> Iterator[Event]:
    reader = ollama_answer.ChunkReader()
    for line in lines:
        yield from reader.events(line)
    yield from reader.held_back()


def test_ollama_s_halves_are_put_together() -> None:
    lines = [{"message": {"content": each}} for each in ("a\ud83d", "\ude00", "\ud83d")]
    assert said(list(ollama_lines(lines))) == ("", "a😀\N{REPLACEMENT CHARACTER}")


@given(st.lists(st.dictionaries(st.sampled_from(["message", "logprobs"]), json_values)))
def test_no_line_of_ollama_s_is_a_bug_of_ours(lines: list[Any]) -> None:
    assert all(isinstance(event, KINDS) for event in ollama_lines(lines))


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "prompt_eval_count",
                "eval_count",
                "done_reason",
                "prompt_eval_cached_count",
                "eval_duration",
                "prompt_eval_duration",
            ]
        ),
        json_values,
    )
)
def test_no_end_of_ollama_s_is_a_bug_of_ours(end: dict[str, Any]) -> None:
    AnswerClock().timings(ollama_answer.usage_of(end), ollama_answer.server_times(end, True))
    with suppress(Unreachable):
        ollama_answer.finish_of(end, 512, tools_called=False)
