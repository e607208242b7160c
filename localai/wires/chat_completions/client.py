"""Requests to a server that speaks Chat Completions, and the meaning of its answers. No I/O.

The format serves llama.cpp, MLX, LM Studio and any compatible server. llama.cpp adds `timings`; the
answers of other servers are timed from outside.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace
from typing import Any, Final

from localai.dataclass import dataclass
from localai.errors import (
    Unreachable,
)
from localai.events import (
    Done,
    Event,
    FinishReason,
    Loading,
    Locality,
    ReasoningDelta,
    TokenLogprobs,
    Usage,
)
from localai.loops import Looping
from localai.sampling_options import wire_options
from localai.types import ChatRequest, Message, NamedTool, Tool, ToolCall, ToolChoice
from localai.wires.clock import AnswerClock, ServerTimes
from localai.wires.finish_reasons import finish_reason
from localai.wires.loose import (
    Halves,
    arguments_text,
    count_of,
    logprobs_of,
    number_of,
    object_of,
    objects_of,
    text_of,
)
from localai.wires.parts import data_url
from localai.wires.reasoning.splitter import ReasoningSplitter

# vLLM and SGLang know the second field, too; other servers ignore unknown fields.
LLAMA_SERVER_MEASURED: Final[Mapping[str, Any]] = {"cache_prompt": False, "ignore_eos": True}
"""With these llama.cpp's server computes a whole prompt, and an answer to its limit of tokens."""


def request_body(request: ChatRequest) -> dict[str, Any]:
    """The body of a streaming `/v1/chat/completions` request."""
    body: dict[str, Any] = {
        # The provider's own options come first, so that none can replace a later field.
        **wire_options(request.options, "chat_completions", request.model.provider),
        **request.options.extra,
        "model": request.model.id,
        "messages": [wire_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": request.schema, "strict": True},
        }
    if request.logprobs is not None:
        body["logprobs"] = True
        body["top_logprobs"] = request.logprobs
    if request.tools:
        body["tools"] = [wire_tool(tool) for tool in request.tools]
    if request.tool_choice is not None:
        body["tool_choice"] = wire_tool_choice(request.tool_choice)
    return body


def with_held_schema(request: ChatRequest) -> ChatRequest:
    """The request to a server made of llama.cpp, whose grammar knows a part of JSON Schema."""
    if request.schema is None:
        return request
    from localai.wires.schemas.grammar import held_by_grammar

    return replace(request, schema=held_by_grammar(request.schema).document)


def wire_tool(tool: Tool) -> dict[str, Any]:
    """A tool that the model may call."""
    function: dict[str, Any] = {"name": tool.name, "parameters": dict(tool.parameters)}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def wire_tool_choice(choice: ToolChoice) -> str | dict[str, Any]:
    """The wire's value for which tool the model may or must call."""
    if isinstance(choice, NamedTool):
        return {"type": "function", "function": {"name": choice.name}}
    return choice


def wire_message(message: Message) -> dict[str, Any]:
    """One message; pictures become data URLs."""
    wire: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.pictures:
        pictures = [
            {"type": "image_url", "image_url": {"url": data_url(picture)}}
            for picture in message.pictures
        ]
        wire["content"] = [*pictures, {"type": "text", "text": message.text}]
    if message.tool_calls:
        wire["tool_calls"] = [wire_tool_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def wire_tool_call(call: ToolCall) -> dict[str, Any]:
    """A call that the model made."""
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def read_stream(
    chunks: Iterable[Mapping[str, Any]],
    locality: Locality,
    clock: AnswerClock,
    *,
    load_s: float | None = None,
    context_tokens: int | None = None,
    on_finish: Callable[[], None] = lambda: None,
) -> Iterator[Event]:
    """The events of a Chat Completions stream.

    `on_finish` is called when the server has said why the answer ended. Only its counts may follow
    then, so a broken connection loses nothing of the answer. Raises Unreachable for a stream that
    has neither such a reason nor `[DONE]`, and if the server says that it failed.
    """
    stream = _Stream(clock)
    remaining = iter(chunks)
    was_ended = is_looping = False
    try:
        while True:
            try:
                chunk = next(remaining)
            except StopIteration as end:
                was_ended = end.value is True
                break
            except (OSError, http.client.HTTPException, ValueError):
                if stream.finish is None:
                    raise
                break
            had_finished = stream.finish is not None
            yield from stream.events(chunk)
            if stream.finish is not None and not had_finished:
                clock.limits.ended()
                on_finish()
    except Looping:
        is_looping = True
    except Exception:
        yield from stream.held_back()
        raise
    if is_looping:
        usage = stream.usage_with_cache()
        yield Done("loop", usage, clock.timings(usage, None, load_s), locality, context_tokens)
        return
    yield from stream.held_back()
    if stream.finish is None and not was_ended:
        raise Unreachable("the answer broke off: the server closed the connection")
    calls = stream.calls()
    yield from calls
    finish, usage = stream.finish or "other", stream.usage_with_cache()
    if calls and finish in ("stop", "other"):
        # OpenAI says `stop` for a call that was demanded by name.
        finish = "tool_calls"
    if finish == "length" and _filled(usage, context_tokens):
        finish = "context"
    times = None if stream.server is None else _server_times(stream.server)
    timings = clock.timings(usage, times, load_s)
    yield Done(finish, usage, timings, locality, context_tokens, stream.server_reason)


class _Stream:
    """The state of one answer's chunks so far."""

    def __init__(self, clock: AnswerClock) -> None:
        self.finish: FinishReason | None = None
        self.server_reason: str | None = None
        self.server: Mapping[str, Any] | None = None
        self._clock = clock
        self._usage = Usage()
        self._tools: list[_Call] = []
        self._splitter = ReasoningSplitter()
        self._text, self._reasoning = Halves(), Halves()

    def events(self, chunk: Any) -> Iterator[Event]:
        """The events that `chunk` makes certain. Raises Unreachable if it says that the server
        failed."""
        chunk = object_of(chunk)
        if usage := object_of(chunk.get("usage")):
            self._usage = _usage(usage)
        self.server = object_of(chunk.get("timings")) or self.server
        progress = object_of(chunk.get("prompt_progress"))
        if total := number_of(progress.get("total")):
            share = (number_of(progress.get("processed")) or 0) / total
            self._clock.limits.read_prompt(share)
            yield Loading("reading the prompt", min(1.0, share))
        for choice in objects_of(chunk.get("choices")):
            yield from self._choice(choice)

    def _choice(self, choice: Mapping[str, Any]) -> Iterator[Event]:
        # A server that does not stream sends the whole message.
        delta = object_of(choice.get("delta")) or object_of(choice.get("message"))
        thoughts, text = _texts_of(delta)
        if thoughts := self._reasoning.feed(thoughts):
            self._clock.piece(thoughts, reasoning=True)
            yield ReasoningDelta(thoughts)
        if text := self._text.feed(text):
            self._clock.piece(text)
            yield from self._splitter.feed(text)
        for call in objects_of(delta.get("tool_calls")):
            self._clock.piece(self._add_call(call))
        if choice.get("logprobs"):
            for token in _logprobs(choice):
                self._clock.limits.came(0)
                yield token
        word = choice.get("finish_reason")
        if reason := finish_reason(word):
            self.finish, self.server_reason = reason, str(word)

    def _add_call(self, piece: Mapping[str, Any]) -> str:
        """Add a piece of a call; returns what is new in it.

        Some servers do not number calls: there, a new id begins a new call.
        """
        index, call_id = piece.get("index"), text_of(piece.get("id"))
        found = next((each for each in reversed(self._tools) if each.index == index), None)
        if found is None or (call_id and found.id and call_id != found.id):
            found = _Call(index)
            self._tools.append(found)
        function = object_of(piece.get("function"))
        found.id = call_id or found.id
        # Some servers repeat the whole name with every piece.
        name = text_of(function.get("name"))
        name = "" if name == found.name else name
        arguments = arguments_text(function.get("arguments"))
        found.name += name
        found.arguments.append(arguments)
        return name + arguments

    def held_back(self) -> Iterator[Event]:
        """The text that was held back as a possible part of a character or a tag, and was none."""
        if thoughts := self._reasoning.close():
            yield ReasoningDelta(thoughts)
        if half := self._text.close():
            yield from self._splitter.feed(half)
        yield from self._splitter.close()

    def calls(self) -> list[ToolCall]:
        """The calls, once they are whole."""
        return [
            ToolCall(each.id or f"call_{number}", each.name, "".join(each.arguments))
            for number, each in enumerate(self._tools)
        ]

    def usage_with_cache(self) -> Usage:
        """The counts; llama.cpp has the cached ones in its timings."""
        cached = None if self.server is None else count_of(self.server.get("cache_n"))
        known = self._usage
        if cached is None or known == Usage():
            return known
        return replace(known, cached_tokens=cached)


@dataclass(slots=True)
class _Call:
    """A call whose pieces are still coming; `index` is the server's number of it."""

    index: Any
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


def _texts_of(delta: Mapping[str, Any]) -> tuple[str, str]:
    """The reasoning and the text. `content` may be a list of parts, some of which are reasoning."""
    thoughts = text_of(delta.get("reasoning_content") or delta.get("reasoning"))
    content = delta.get("content")
    if not isinstance(content, list):
        return thoughts, text_of(content)
    texts: list[str] = []
    for part in content:
        thinking = part.get("thinking") if isinstance(part, dict) else None
        if thinking is None:
            texts.append(text_of(part))
        else:
            thoughts += text_of(thinking)
    return thoughts, "".join(texts)


def _logprobs(choice: Mapping[str, Any]) -> Iterator[TokenLogprobs]:
    yield from logprobs_of(object_of(choice.get("logprobs")).get("content"))


def _filled(usage: Usage, context_tokens: int | None) -> bool:
    if context_tokens is None:
        return False
    return (usage.input_tokens or 0) + (usage.output_tokens or 0) >= context_tokens - 1


def _server_times(timings: Mapping[str, Any]) -> ServerTimes:
    """llama.cpp's `timings`: milliseconds; `predicted_n` counts the first token, and `predicted_ms`
    begins with it."""
    return ServerTimes(
        count_of(timings.get("prompt_n")),
        _seconds(timings.get("prompt_ms")),
        count_of(timings.get("predicted_n")),
        _seconds(timings.get("predicted_ms")),
    )


def _seconds(milliseconds: Any) -> float | None:
    number = number_of(milliseconds)
    return None if number is None else number / 1000


def _usage(raw: Mapping[str, Any]) -> Usage:
    into, out = (object_of(raw.get(f"{each}_tokens_details")) for each in ("prompt", "completion"))
    return Usage(
        input_tokens=count_of(raw.get("prompt_tokens")),
        output_tokens=count_of(raw.get("completion_tokens")),
        cached_tokens=count_of(into.get("cached_tokens")),
        reasoning_tokens=count_of(out.get("reasoning_tokens")),
    )
