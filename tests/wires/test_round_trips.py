"""What a client writes, a server reads as the same; what a server writes, a client reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.events import (
    Done,
    Event,
    FinishReason,
    Locality,
    ReasoningDelta,
    TextDelta,
    Timings,
    TokenLogprobs,
    Usage,
)
from localai.types import (
    ChatRequest,
    Message,
    NamedTool,
    Options,
    Picture,
    ResolvedModel,
    Tool,
    ToolCall,
    Zone,
)
from localai.wires.anthropic import client as anthropic_client
from localai.wires.anthropic import server as anthropic_server
from localai.wires.chat_completions import client as chat_client
from localai.wires.chat_completions import server as chat_server
from localai.wires.clock import AnswerClock
from localai.wires.ollama import answer as ollama_answer
from localai.wires.ollama import request as ollama_request
from localai.wires.ollama import server as ollama_server
from localai.wires.parts import RequestParts
from localai.wires.responses import client as responses_client
from localai.wires.responses import server as responses_server

MODEL = ResolvedModel("test", "m", None, "")
HERE = Locality(Zone.DEVICE, "a test")
PICTURE = Picture(b"\x89PNG rest", "image/png")


@dataclass(frozen=True)
class Wire:
    """Both sides of a format. `options` are those that the format has."""

    body: Callable[[ChatRequest], dict[str, Any]]
    parse: Callable[[dict[str, Any]], RequestParts]
    write: Callable[[Iterable[Event]], Iterator[dict[str, Any]]]
    read: Callable[[list[dict[str, Any]]], list[Event]]
    options: tuple[str, ...]
    has_choice: bool = True
    has_logprobs: bool = True


def of_attributes(document: dict[str, Any]) -> Any:
    """`document` as an SDK gives it: fields are attributes."""
    return json.loads(json.dumps(document), object_hook=lambda each: SimpleNamespace(**each))


def ollama_read(lines: list[dict[str, Any]]) -> list[Event]:
    reader = ollama_answer.ChunkReader()
    events = [event for line in lines for event in reader.events(line)]
    end = lines[-1]
    called = any(isinstance(event, ToolCall) for event in events)
    usage = ollama_answer.usage_of(end)
    times = ollama_answer.server_times(end, True)
    finish = ollama_answer.finish_of(end, 1 << 30, called)
    return [*events, Done(finish, usage, AnswerClock().timings(usage, times), HERE)]


ALL = (
    *("temperature", "top_p", "top_k", "min_p", "repeat_penalty", "presence_penalty"),
    *("frequency_penalty", "seed", "max_tokens", "stop"),
)
WIRES = {
    "chat_completions": Wire(
        chat_client.request_body,
        chat_server.parse,
        lambda events: chat_server.write_stream(events, model="m", answer_id="a", created=1),
        lambda chunks: list(chat_client.read_stream(chunks, HERE, AnswerClock())),
        ALL,
    ),
    "ollama": Wire(
        lambda request: ollama_request.chat_body(
            request, context_tokens=4096, think=None, keep_alive=None, may_shift=False
        ),
        ollama_server.parse,
        lambda events: ollama_server.write_stream(events, model="m", created_at="2026-01-01"),
        ollama_read,
        ALL,
        has_choice=False,
    ),
    "anthropic": Wire(
        lambda request: anthropic_client.request_body(
            request, request.options.max_tokens or 1000, None
        ),
        anthropic_server.parse,
        lambda events: anthropic_server.write_stream(events, model="m", answer_id="a"),
        lambda events: list(
            anthropic_client.read_events(
                map(of_attributes, events), HERE, AnswerClock(streams_reasoning=False), "x"
            )
        ),
        ("max_tokens", "stop"),
        has_logprobs=False,
    ),
    "responses": Wire(
        lambda request: responses_client.request_body(request, "x"),
        responses_server.parse,
        lambda events: responses_server.write_stream(events, model="m", answer_id="a", created=1),
        lambda events: list(
            responses_client.read_events(
                map(of_attributes, events), HERE, AnswerClock(streams_reasoning=False), "x"
            )
        ),
        ("temperature", "top_p", "max_tokens"),
    ),
}
EVERY_WIRE = pytest.mark.parametrize("name", WIRES)

texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20
)
names = st.from_regex(r"[a-z][a-z_]{0,10}", fullmatch=True)
json_objects = st.dictionaries(names, st.one_of(texts, st.integers(), st.booleans()), max_size=3)
tools = st.builds(Tool, names, texts, st.just({"type": "object", "properties": {}}))
options = st.builds(
    Options,
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    top_k=st.none() | st.integers(0, 100),
    min_p=st.none() | st.floats(0, 1),
    repeat_penalty=st.none() | st.floats(0, 2),
    presence_penalty=st.none() | st.floats(-2, 2),
    frequency_penalty=st.none() | st.floats(-2, 2),
    seed=st.none() | st.integers(0, 2**32 - 1),
    max_tokens=st.integers(1, 10_000),
    stop=st.lists(texts, max_size=2).map(tuple),
)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    messages = [Message("system", draw(texts))] if draw(st.booleans()) else []
    for turn in range(draw(st.integers(0, 3))):
        messages.append(Message("user", draw(texts), draw(st.sampled_from([(), (PICTURE,)]))))
        calls = tuple(
            ToolCall(f"c{turn}_{number}", draw(names), json.dumps(draw(json_objects)))
            for number in range(draw(st.integers(0, 2)))
        )
        messages.append(Message("assistant", draw(texts), tool_calls=calls))
        messages += [Message("tool", draw(texts), tool_call_id=call.id) for call in calls]
    messages.append(Message("user", draw(texts)))
    return tuple(messages)


@st.composite
def requests(draw: st.DrawFn) -> ChatRequest:
    offered = tuple(draw(st.lists(tools, max_size=2)))
    choices = ["auto", "required", *(NamedTool(tool.name) for tool in offered)]
    return ChatRequest(
        MODEL,
        draw(conversations()),
        draw(options),
        schema=draw(st.none() | st.just({"type": "object"})),
        logprobs=draw(st.none() | st.integers(0, 5)),
        tools=offered,
        tool_choice=draw(st.none() | st.sampled_from(choices)) if offered else None,
    )


def parsed_calls(messages: tuple[Message, ...]) -> list[Any]:
    """The messages with the arguments of calls as values: a format may write them anew."""
    return [
        (
            replace(message, tool_calls=()),
            [(call.id, call.name, json.loads(call.arguments)) for call in message.tool_calls],
        )
        for message in messages
    ]


@EVERY_WIRE
def test_a_character_that_comes_in_halves_is_whole(name: str) -> None:
    # No writer of ours sends halves: they are put into what it wrote.
    done = Done("stop", Usage(10, 10), Timings(), HERE)
    written = list(WIRES[name].write([TextDelta("a<1>"), TextDelta("<2>b"), done]))
    text = json.dumps(written).replace("<1>", "\\ud83d").replace("<2>", "\\ude00")
    events = WIRES[name].read(json.loads(text))
    assert "".join(each.text for each in events if isinstance(each, TextDelta)) == "a😀b"


@EVERY_WIRE
@given(request=requests())
def test_a_request_survives_the_way_to_a_server(name: str, request: ChatRequest) -> None:
    wire = WIRES[name]
    unset = Options()
    known = {each: getattr(request.options, each) for each in wire.options}
    request = replace(request, options=replace(unset, **known))
    if not wire.has_choice:
        request = replace(request, tool_choice=None)
    if not wire.has_logprobs:
        request = replace(request, logprobs=None)
    parts = wire.parse(json.loads(json.dumps(wire.body(request))))
    assert parts.model == "m" and parts.stream
    assert parsed_calls(parts.messages) == parsed_calls(request.messages)
    assert parts.options == request.options
    assert parts.schema == request.schema
    assert parts.logprobs == request.logprobs
    assert parts.tools == request.tools
    assert parts.tool_choice == request.tool_choice


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    plain = st.from_regex(r"[A-Z][a-z ]{0,10}", fullmatch=True)
    thoughts = [ReasoningDelta(text) for text in draw(st.lists(plain, max_size=3))]
    said = [TextDelta(text) for text in draw(st.lists(plain, max_size=4))]
    calls = [
        ToolCall(f"c{number}", draw(names), json.dumps(draw(json_objects)))
        for number in range(draw(st.integers(0, 2)))
    ]
    ends: list[FinishReason] = ["tool_calls"] if calls else ["stop", "length"]
    finish = draw(st.sampled_from(ends))
    usage = Usage(draw(st.integers(10, 99)), draw(st.integers(10, 99)), cached_tokens=4)
    timings = Timings(
        prefill_tokens=(usage.input_tokens or 0) - 4,
        prefill_s=0.5,
        decode_tokens=(usage.output_tokens or 0) - 1,
        decode_s=2.0,
        clock="server",
    )
    return [*thoughts, *said, *calls, Done(finish, usage, timings, HERE)]


@EVERY_WIRE
@given(events=answers())
def test_an_answer_survives_the_way_to_a_client(name: str, events: list[Event]) -> None:
    wire = WIRES[name]
    *given_events, end = events
    *read, done = wire.read(json.loads(json.dumps(list(wire.write(events)))))
    assert isinstance(end, Done) and isinstance(done, Done)
    assert gathered(read) == gathered(given_events)
    assert done.finish_reason == end.finish_reason
    counts = (done.usage.input_tokens, done.usage.output_tokens, done.usage.cached_tokens)
    assert counts == (end.usage.input_tokens, end.usage.output_tokens, 4)
    if done.timings.clock == "server":
        assert done.timings.decode_tokens_per_s == pytest.approx(end.timings.decode_tokens_per_s)
        assert done.timings.prefill_tokens_per_s == pytest.approx(end.timings.prefill_tokens_per_s)


def gathered(events: list[Event]) -> tuple[str, str, list[Any]]:
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    thoughts = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    calls = [
        (event.id, event.name, json.loads(event.arguments))
        for event in events
        if isinstance(event, ToolCall)
    ]
    return text, thoughts, calls


@pytest.mark.parametrize("name", ["chat_completions", "ollama", "responses"])
def test_log_probabilities_survive_the_way_to_a_client(name: str) -> None:
    token = TokenLogprobs("a", -0.5, (("b", -2.0),))
    done = Done("stop", Usage(1, 1), Timings(), HERE)
    read = WIRES[name].read(list(WIRES[name].write([TextDelta("a"), token, done])))
    assert [event for event in read if isinstance(event, TokenLogprobs)] == [token]
