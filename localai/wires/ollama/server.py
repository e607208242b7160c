"""The server's side of Ollama's `/api/chat`: reading requests and writing answers.

`parse` reads a request's body, `write_stream` writes our events as lines, `document` a whole
answer. No I/O.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from localai.answers import Answer
from localai.errors import InvalidInput
from localai.events import Done, Event, ReasoningDelta, TextDelta, TokenLogprobs
from localai.sampling_options import SAMPLING_OPTIONS, read_wire_options
from localai.types import Message, Options, Role, Think, ToolCall
from localai.wires.finish_reasons import OLLAMA
from localai.wires.ollama.request import wire_tool_call
from localai.wires.parts import (
    RequestParts,
    function_tools,
    objects,
    picture_of_base64,
    text_field,
    whole_number,
)

_ROLES: tuple[Role, ...] = ("system", "user", "assistant", "tool")
_OUR_OPTIONS = {
    "num_ctx",
    *(name for each in SAMPLING_OPTIONS if (name := each.wires.get("ollama"))),
}
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
# Go's durations, as in `keep_alive`: "5m", "1h30m".
_DURATION = re.compile(r"(?<![\d.])(\d+(?:\.\d*)?|\.\d+)(ms|s|m|h)")
_FOR_EVER_S = 1e10


# Requests


def parse(body: Mapping[str, Any]) -> RequestParts:
    """The request in `body`. Without a `stream` field, Ollama streams.

    Raises InvalidInput if it is malformed.
    """
    options = body.get("options") or {}
    if not isinstance(options, dict):
        raise InvalidInput("options must be an object")
    return RequestParts(
        model=text_field(body, "model"),
        messages=_messages(objects(body.get("messages"), "messages")),
        options=_options(options),
        schema=_schema(body.get("format")),
        think=_think(body.get("think")),
        context_tokens=whole_number(options, "num_ctx"),
        keep_alive_s=keep_alive_s(body.get("keep_alive")),
        logprobs=(whole_number(body, "top_logprobs") or 0) if body.get("logprobs") else None,
        tools=function_tools(body.get("tools")),
        stream=body.get("stream") is not False,
    )


def keep_alive_s(value: Any) -> float | None:
    """The seconds of a `keep_alive`: a number, or a duration such as `5m`; negative is for ever.

    Raises InvalidInput.
    """
    if value is None:
        return None
    if isinstance(value, str):
        parts = _DURATION.findall(value.removeprefix("-"))
        if not parts or "".join(map("".join, parts)) != value.removeprefix("-"):
            raise InvalidInput(f"keep_alive is {value!r}, and that is no duration")
        seconds = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
        return float("inf") if value.startswith("-") else seconds
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise InvalidInput("keep_alive must be a number or a duration")
    # JSON has integers that no float can hold.
    return float(value) if 0 <= value < _FOR_EVER_S else float("inf")


def _options(options: Mapping[str, Any]) -> Options:
    limit = options.get("num_predict")
    if isinstance(limit, int) and limit < 0:
        # A negative value means no limit.
        options = {**options, "num_predict": None}
    extra = {name: value for name, value in options.items() if name not in _OUR_OPTIONS}
    return Options(**read_wire_options(options, "ollama"), extra=extra)


def _schema(wanted: Any) -> Mapping[str, Any] | None:
    if wanted in (None, ""):
        return None
    if wanted == "json":
        return {"type": "object"}
    if isinstance(wanted, dict):
        return wanted
    raise InvalidInput("format must be json or a JSON schema")


def _think(value: Any) -> Think | None:
    levels: Mapping[Any, Think] = {
        True: "on",
        False: "off",
        "low": "low",
        "medium": "medium",
        "high": "high",
        "max": "high",
    }
    if value is None:
        return None
    if not isinstance(value, bool | str) or value not in levels:
        raise InvalidInput(f"think is {value!r}, and not true, false or a level")
    return levels[value]


def _messages(entries: list[Mapping[str, Any]]) -> tuple[Message, ...]:
    """The messages. A tool's result that names no call belongs to the last call of that tool."""
    messages: list[Message] = []
    last_call: dict[str, str] = {}
    for entry in entries:
        role = next((role for role in _ROLES if role == entry.get("role")), None)
        if role is None:
            raise InvalidInput(f"there is no role {entry.get('role')!r}")
        calls = tuple(
            _call(each, len(last_call) + number)
            for number, each in enumerate(objects(entry.get("tool_calls"), "tool_calls"))
        )
        last_call |= {call.name: call.id for call in calls}
        result_of = entry.get("tool_call_id")
        if role == "tool" and result_of is None:
            result_of = last_call.get(str(entry.get("tool_name") or ""))
        messages.append(
            Message(
                role,
                str(entry.get("content") or ""),
                tuple(picture_of_base64(str(each)) for each in entry.get("images") or ()),
                reasoning=entry.get("thinking") or None,
                tool_calls=calls,
                tool_call_id=result_of,
            )
        )
    return tuple(messages)


def _call(entry: Mapping[str, Any], number: int) -> ToolCall:
    function = entry.get("function") or {}
    arguments = function.get("arguments") or {}
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return ToolCall(str(entry.get("id") or f"call_{number}"), text_field(function, "name"), written)


# Answers


def write_stream(
    events: Iterable[Event], *, model: str, created_at: str
) -> Iterator[dict[str, Any]]:
    """The lines of the answer that `events` make; `created_at` is an ISO time."""
    head = {"model": model, "created_at": created_at}
    for event in events:
        match event:
            case TextDelta(text):
                yield {**head, "message": _message(text), "done": False}
            case ReasoningDelta(text):
                yield {**head, "message": {**_message(""), "thinking": text}, "done": False}
            case ToolCall():
                calls = {"tool_calls": [wire_tool_call(event)]}
                yield {**head, "message": {**_message(""), **calls}, "done": False}
            case TokenLogprobs():
                logprobs = [_wire_logprobs(event)]
                yield {**head, "message": _message(""), "logprobs": logprobs, "done": False}
            case Done():
                yield {**head, "message": _message(""), **_end(event)}
            case _:
                pass


def document(answer: Answer, *, created_at: str) -> dict[str, Any]:
    """The whole answer as one document."""
    message = _message(answer.text)
    if answer.reasoning:
        message["thinking"] = answer.reasoning
    if answer.tool_calls:
        message["tool_calls"] = [wire_tool_call(call) for call in answer.tool_calls]
    whole: dict[str, Any] = {"model": answer.model.id, "created_at": created_at}
    whole["message"] = message
    if answer.logprobs:
        whole["logprobs"] = [_wire_logprobs(each) for each in answer.logprobs]
    return {**whole, **_end(answer.done)}


def _message(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def _wire_logprobs(token: TokenLogprobs) -> dict[str, Any]:
    others = [{"token": text, "logprob": value} for text, value in token.alternatives]
    return {"token": token.token, "logprob": token.logprob, "top_logprobs": others}


def _end(done: Done) -> dict[str, Any]:
    """The fields of the last line. Unknown ones are left out, as Ollama leaves out a zero."""
    usage, timings = done.usage, done.timings
    counts = {
        "total_duration": _nanoseconds(timings.total_s),
        "load_duration": _nanoseconds(timings.load_s),
        "prompt_eval_count": usage.input_tokens,
        "prompt_eval_cached_count": usage.cached_tokens,
        "prompt_eval_duration": _nanoseconds(timings.prefill_s),
        "eval_count": usage.output_tokens,
        "eval_duration": _nanoseconds(timings.decode_s),
    }
    known = {name: count for name, count in counts.items() if count is not None}
    return {"done": True, "done_reason": OLLAMA[done.finish_reason], **known}


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e9)
