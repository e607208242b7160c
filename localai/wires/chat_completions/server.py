"""The server's side of Chat Completions: reading requests and writing answers.

`parse` reads a request's body; `ChunkWriter` writes our events as the chunks of a stream, and
`document` a whole answer. Also llama.cpp's additions: `prompt_progress` and `timings`. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from localai.answers import Answer
from localai.errors import InvalidInput
from localai.events import Done, Event, ReasoningDelta, TextDelta, TokenLogprobs, Usage
from localai.sampling_options import SAMPLING_OPTIONS, read_wire_options
from localai.types import Message, Options, Picture, Role, Think, ToolCall
from localai.wires.chat_completions.client import wire_tool_call
from localai.wires.finish_reasons import CHAT_COMPLETIONS
from localai.wires.parts import (
    RequestParts,
    choice_of,
    function_tools,
    objects,
    picture_of_url,
    text_field,
    think_of_effort,
    whole_number,
)

_ROLES: Mapping[Any, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
# Fields that `RequestParts` has itself, or that do not change the answer here.
_NO_OPTIONS = {
    *("model", "messages", "stream", "stream_options", "response_format", "n"),
    *("logprobs", "top_logprobs", "tools", "tool_choice", "parallel_tool_calls"),
    *("max_completion_tokens", "reasoning_effort", "chat_template_kwargs", "return_progress"),
    *("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"),
    *(name for each in SAMPLING_OPTIONS if (name := each.wires.get("chat_completions"))),
}


# Requests


def parse(body: Mapping[str, Any]) -> RequestParts:
    """The request in `body`; `model` is empty if it names none.

    A field that the format does not have is an option of the model's own (`Options.extra`). Raises
    InvalidInput if the body is malformed, for several answers at once, and for a picture by
    address.
    """
    if body.get("n") not in (None, 1):
        raise InvalidInput("only one answer a request is given here (n = 1)")
    wants_usage = (body.get("stream_options") or {}).get("include_usage")
    return RequestParts(
        model=str(body.get("model") or ""),
        messages=tuple(_message(each) for each in objects(body.get("messages"), "messages")),
        options=_options(body),
        schema=_schema(body.get("response_format")),
        think=_think(body),
        logprobs=(whole_number(body, "top_logprobs") or 0) if body.get("logprobs") else None,
        tools=function_tools(body.get("tools")),
        tool_choice=choice_of(body.get("tool_choice")),
        stream=bool(body.get("stream")),
        include_usage=bool(wants_usage),
    )


def _options(body: Mapping[str, Any]) -> Options:
    if body.get("max_tokens") is None:
        body = {**body, "max_tokens": body.get("max_completion_tokens")}
    extra = {name: value for name, value in body.items() if name not in _NO_OPTIONS}
    return Options(**read_wire_options(body, "chat_completions"), extra=extra)


def _schema(response_format: Any) -> Mapping[str, Any] | None:
    if response_format is None or response_format.get("type") == "text":
        return None
    if response_format.get("type") == "json_object":
        return {"type": "object"}
    if response_format.get("type") == "json_schema":
        schema: Mapping[str, Any] = (response_format.get("json_schema") or {}).get("schema") or {}
        return schema
    raise InvalidInput(f"there is no response_format {response_format.get('type')!r}")


def _think(body: Mapping[str, Any]) -> Think | None:
    template = body.get("chat_template_kwargs") or {}
    effort = body.get("reasoning_effort") or template.get("reasoning_effort")
    if effort is None and "enable_thinking" in template:
        return "on" if template["enable_thinking"] else "off"
    return think_of_effort(effort)


def _message(entry: Mapping[str, Any]) -> Message:
    role = _ROLES.get(text_field(entry, "role"))
    if role is None:
        raise InvalidInput(f"there is no role {entry.get('role')!r}")
    text, pictures = _content(entry.get("content"))
    return Message(
        role,
        text,
        pictures,
        reasoning=entry.get("reasoning_content") or entry.get("reasoning") or None,
        tool_calls=tuple(_call(each) for each in objects(entry.get("tool_calls"), "tool_calls")),
        tool_call_id=entry.get("tool_call_id"),
    )


def _content(content: Any) -> tuple[str, tuple[Picture, ...]]:
    if content is None or isinstance(content, str):
        return content or "", ()
    texts, pictures = [], []
    for part in objects(content, "content"):
        match part.get("type"):
            case "text":
                texts.append(text_field(part, "text"))
            case "image_url":
                pictures.append(picture_of_url(str((part.get("image_url") or {}).get("url"))))
            case other:
                raise InvalidInput(f"a message's part of the type {other!r} is not understood here")
    return "".join(texts), tuple(pictures)


def _call(entry: Mapping[str, Any]) -> ToolCall:
    function = entry.get("function") or {}
    return ToolCall(
        text_field(entry, "id"), text_field(function, "name"), text_field(function, "arguments")
    )


# Answers


class ChunkWriter:
    """Writes the events of one answer as the chunks of a Chat Completions stream.

    `created` is in seconds since the epoch. `include_usage` ends the stream with the token counts.
    Events that have no place in the format (`Loading`, `Answering`) make no chunk.
    """

    def __init__(
        self, *, model: str, answer_id: str, created: int, include_usage: bool = True
    ) -> None:
        self._head = {"id": answer_id, "object": "chat.completion.chunk", "created": created}
        self._head |= {"model": model}
        self._include_usage = include_usage
        self._calls = 0
        self._begun = False

    def chunks(self, event: Event) -> Iterator[dict[str, Any]]:
        """The chunks of `event`, in order; usually one."""
        match event:
            case TextDelta(text):
                yield self._delta({"content": text})
            case ReasoningDelta(text):
                yield self._delta({"reasoning_content": text})
            case ToolCall():
                yield self._delta({"tool_calls": [{"index": self._calls, **wire_tool_call(event)}]})
                self._calls += 1
            case TokenLogprobs():
                yield self._delta({}, logprobs={"content": [_wire_logprobs(event)]})
            case Done():
                yield self._delta({}, finish_reason=CHAT_COMPLETIONS[event.finish_reason])
                if self._include_usage:
                    yield self._chunk([], usage=_wire_usage(event.usage), **_wire_timings(event))
            case _:
                pass

    def progress(
        self, *, total: int, cached: int, processed: int, seconds: float
    ) -> dict[str, Any]:
        """llama.cpp's chunk about how much of the prompt is computed, in tokens."""
        progress = {"total": total, "cache": cached, "processed": processed}
        return self._chunk([], prompt_progress={**progress, "time_ms": seconds * 1000})

    def _delta(
        self, delta: dict[str, Any], finish_reason: str | None = None, **more: Any
    ) -> dict[str, Any]:
        if not self._begun:
            delta = {"role": "assistant", **delta}
            self._begun = True
        return self._chunk([{"index": 0, "delta": delta, "finish_reason": finish_reason, **more}])

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {**self._head, "choices": choices, **more}


def write_stream(
    events: Iterable[Event],
    *,
    model: str,
    answer_id: str,
    created: int,
    include_usage: bool = True,
) -> Iterator[dict[str, Any]]:
    """The chunks of the answer that `events` make. The server sends `[DONE]` after them."""
    writer = ChunkWriter(
        model=model, answer_id=answer_id, created=created, include_usage=include_usage
    )
    for event in events:
        yield from writer.chunks(event)


def document(answer: Answer, *, answer_id: str, created: int) -> dict[str, Any]:
    """The whole answer as one document."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.tool_calls:
        message["tool_calls"] = [wire_tool_call(call) for call in answer.tool_calls]
    choice: dict[str, Any] = {"index": 0, "message": message}
    choice["finish_reason"] = CHAT_COMPLETIONS[answer.done.finish_reason]
    if answer.logprobs:
        choice["logprobs"] = {"content": [_wire_logprobs(each) for each in answer.logprobs]}
    return {
        "id": answer_id,
        "object": "chat.completion",
        "created": created,
        "model": answer.model.id,
        "choices": [choice],
        "usage": _wire_usage(answer.done.usage),
        **_wire_timings(answer.done),
    }


def _wire_logprobs(token: TokenLogprobs) -> dict[str, Any]:
    others = [{"token": text, "logprob": value} for text, value in token.alternatives]
    return {"token": token.token, "logprob": token.logprob, "top_logprobs": others}


def _wire_usage(usage: Usage) -> dict[str, Any]:
    counts = (usage.input_tokens, usage.output_tokens)
    wire: dict[str, Any] = {"prompt_tokens": counts[0], "completion_tokens": counts[1]}
    wire["total_tokens"] = None if None in counts else sum(count or 0 for count in counts)
    if usage.cached_tokens is not None:
        wire["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens is not None:
        wire["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return wire


def _wire_timings(done: Done) -> dict[str, Any]:
    """llama.cpp's `timings`, if a server measured; `predicted_n` counts the first token."""
    timings = done.timings
    if timings.clock != "server":
        return {}
    decoded = timings.decode_tokens
    return {
        "timings": {
            "cache_n": done.usage.cached_tokens,
            "prompt_n": timings.prefill_tokens,
            "prompt_ms": _milliseconds(timings.prefill_s),
            "predicted_n": None if decoded is None else decoded + 1,
            "predicted_ms": _milliseconds(timings.decode_s),
        }
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
