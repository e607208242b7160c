from __future__ import annotations

import time
from typing import Any

import pytest

from localai.errors import (
    Unreachable,
)
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
from localai.types import ChatRequest, Message, Options, Picture, ResolvedModel, ToolCall, Zone
from localai.wires.chat_completions.client import read_stream, request_body
from localai.wires.clock import AnswerClock

MODEL = ResolvedModel("endpoint", "m", None, "")
HERE = Locality(Zone.DEVICE, "a test")
Chunk = dict[str, Any]


def delta(finish: str | None = None, **fields: Any) -> Chunk:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def usage(prompt: int, completion: int, **more: Any) -> Chunk:
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, **more}
    return {"choices": [], "usage": counts}


STOP = delta("stop")


def read(*chunks: Chunk, context_tokens: int | None = None) -> list[Event]:
    return list(read_stream(chunks, HERE, AnswerClock(), context_tokens=context_tokens))


def end(*chunks: Chunk, context_tokens: int | None = None) -> Done:
    done = read(*chunks, context_tokens=context_tokens)[-1]
    assert isinstance(done, Done)
    return done


# What is asked


def test_a_plain_request() -> None:
    assert request_body(ChatRequest(MODEL, (Message("user", "hi", reasoning="hm"),))) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_request_with_everything() -> None:
    schema = {"type": "object"}
    options = Options(temperature=0.0, seed=0, max_tokens=7, stop=("a", "b"), extra={"dry": 1})
    picture = Message("user", "what?", (Picture(b"png", "image/png"),))
    sent = request_body(ChatRequest(MODEL, (picture,), options, schema=schema, logprobs=0))
    assert sent["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}},
                {"type": "text", "text": "what?"},
            ],
        }
    ]
    assert sent["response_format"]["json_schema"]["schema"] == schema
    assert (sent["temperature"], sent["seed"], sent["max_tokens"]) == (0.0, 0, 7)
    assert (sent["stop"], sent["dry"]) == (["a", "b"], 1)
    assert (sent["logprobs"], sent["top_logprobs"]) == (True, 0)
    assert "top_p" not in sent


# What is answered


@pytest.mark.parametrize(
    ("chunks", "events"),
    [
        ([delta(role="assistant", content=""), delta(content="a")], [TextDelta("a")]),
        ([delta(content="Hel"), delta(content="lo")], [TextDelta("Hel"), TextDelta("lo")]),
        # llama.cpp and DeepSeek say reasoning_content, LM Studio and vLLM also reasoning.
        (
            [delta(reasoning_content="hm"), delta(content="a")],
            [ReasoningDelta("hm"), TextDelta("a")],
        ),
        ([delta(reasoning="hm"), delta(content="a")], [ReasoningDelta("hm"), TextDelta("a")]),
        # A server that does not know the model's template leaves the tags in the text.
        (
            [delta(content="<thi"), delta(content="nk>hm</think>Hel"), delta(content="lo")],
            [ReasoningDelta("hm"), TextDelta("Hel"), TextDelta("lo")],
        ),
        ([delta(content=None)], []),
        ([{"choices": [{"index": 0, "finish_reason": None}]}], []),
        ([{"object": "chat.completion.chunk"}], []),
        (
            [{"prompt_progress": {"total": 200, "processed": 50}}],
            [Loading("reading the prompt", 0.25)],
        ),
        ([{"prompt_progress": {"total": 0}}], []),
    ],
)
def test_the_events_of_chunks(chunks: list[Chunk], events: list[Event]) -> None:
    assert read(*chunks, STOP)[:-1] == events


def test_a_tool_call_in_pieces_is_one_event_with_the_text_of_its_arguments() -> None:
    def call(index: int, **function: str) -> dict[str, Any]:
        return {"index": index, "function": function}

    chunks = [
        delta(tool_calls=[{**call(0, name="weather", arguments=""), "id": "c1"}]),
        delta(tool_calls=[call(0, arguments='{"city":')]),
        delta(tool_calls=[{**call(1, name="time", arguments="{}"), "id": "c2"}]),
        delta(tool_calls=[call(0, arguments=' "Rome"}')]),
        delta("tool_calls"),
    ]
    events = read(*chunks)
    assert events[:-1] == [
        ToolCall("c1", "weather", '{"city": "Rome"}'),
        ToolCall("c2", "time", "{}"),
    ]
    assert end(*chunks).finish_reason == "tool_calls"


def test_log_probabilities() -> None:
    other = {"token": "b", "logprob": -2.0}
    token = {"token": "a", "logprob": -0.5, "top_logprobs": [other]}
    chunk = {"choices": [{"index": 0, "delta": {}, "logprobs": {"content": [token]}}]}
    assert read(chunk, STOP)[0] == TokenLogprobs("a", -0.5, (("b", -2.0),))


@pytest.mark.parametrize(
    ("said", "finish"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("content_filter", "refusal"),
        ("function_call", "tool_calls"),
        ("something new", "other"),
    ],
)
def test_why_an_answer_ended(said: str, finish: str) -> None:
    assert end(delta(content="a"), delta(said)).finish_reason == finish


@pytest.mark.parametrize(
    ("prompt", "completion", "finish"),
    [(100, 50, "length"), (500, 11, "context"), (500, 12, "context"), (500, 10, "length")],
)
def test_a_full_context_is_told_from_the_token_limit(
    prompt: int, completion: int, finish: str
) -> None:
    assert (
        end(delta("length"), usage(prompt, completion), context_tokens=512).finish_reason == finish
    )


def test_usage_is_what_the_server_says_and_unknown_otherwise() -> None:
    assert end(STOP).usage == Usage()
    assert end(STOP, usage(5, 3)).usage == Usage(5, 3)
    details = {
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert end(STOP, usage(5, 3, **details)).usage == Usage(5, 3, 4, 2)


def test_llama_cpp_adds_its_own_clock() -> None:
    timings = {
        "cache_n": 90,
        "prompt_n": 10,
        "prompt_ms": 100.0,
        "predicted_n": 20,
        "predicted_ms": 400.0,
    }
    done = end(delta(content="a"), {**STOP, "timings": timings}, usage(100, 20))
    assert done.timings.clock == "server"
    # The first of the 20 comes out of the prefill: 19 in 0.4 s.
    # Cached tokens were not computed, so they do not count as speed.
    assert done.timings.prefill_tokens_per_s == 100.0
    assert done.timings.decode_tokens_per_s == 47.5
    assert done.usage.cached_tokens == 90


def test_another_server_is_timed_from_outside() -> None:
    def slowly() -> Any:
        for text in "abcde":
            time.sleep(0.02)
            yield delta(content=text)
        yield STOP
        # One chunk may hold several tokens: the server's count is what counts.
        yield usage(7, 9)

    done = list(read_stream(slowly(), HERE, AnswerClock()))[-1]
    assert isinstance(done, Done)
    assert done.timings.clock == "client"
    assert done.timings.time_to_first_token_s is not None
    assert 0.02 <= done.timings.time_to_first_token_s < 1
    assert done.timings.decode_tokens_per_s == pytest.approx(8 / 0.08, rel=0.5)
    assert done.timings.prefill_tokens_per_s is None


def test_without_a_token_there_is_no_first_token() -> None:
    timings = end(STOP).timings
    assert timings.time_to_first_token_s is None
    assert timings.decode_tokens_per_s is None


@pytest.mark.parametrize("text", ["Hello", "<thi"])
def test_a_stream_without_an_end_broke_off_and_keeps_its_text(text: str) -> None:
    seen: list[Event] = []
    with pytest.raises(Unreachable):
        for event in read_stream([delta(content=text)], HERE, AnswerClock()):
            seen.append(event)
    assert seen == [TextDelta(text)]
