"""Requests to the Responses API, and the meaning of its events. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from localai.errors import Unreachable
from localai.events import (
    Done,
    Event,
    FinishReason,
    Locality,
    ReasoningDelta,
    TextDelta,
    TokenLogprobs,
    Usage,
)
from localai.sampling_options import wire_options
from localai.types import ChatRequest, Message, NamedTool, Tool, ToolCall
from localai.wires.clock import AnswerClock
from localai.wires.finish_reasons import finish_reason
from localai.wires.loose import Halves, count_of
from localai.wires.parts import data_url, split_system
from localai.wires.refusals import failure, final_error

_EFFORT = {"off": "none", "on": "medium", "low": "low", "medium": "medium", "high": "high"}
_SERVERS_FAULT = {"server_error", "rate_limit_exceeded", "vector_store_timeout"}


def request_body(request: ChatRequest, who: str) -> dict[str, Any]:
    """The arguments of `responses.create`; settings without a value are not sent.

    Raises ProviderRefused for an option that the Responses API does not have, InvalidInput for a
    schema that it does not take.
    """
    options = wire_options(request.options, "responses", who)
    instructions, messages = split_system(request.messages)
    body: dict[str, Any] = {
        "model": request.model.id,
        "input": [item for message in messages for item in _input_items(message)],
        "store": False,
        "truncation": "disabled",
        "stream": True,
    }
    body |= options
    if instructions:
        body["instructions"] = instructions
    if request.think is not None:
        body["reasoning"] = {"effort": _EFFORT[request.think]}
        if request.think != "off":
            body["reasoning"]["summary"] = "auto"
    if request.schema is not None:
        from localai.wires.schemas.clouds import for_openai

        sent = for_openai(request.schema)
        schema = {"type": "json_schema", "name": "answer", "schema": sent.document}
        body["text"] = {"format": {**schema, "strict": sent.strict}}
    if request.logprobs is not None:
        body["include"] = ["message.output_text.logprobs"]
        body["top_logprobs"] = request.logprobs
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if isinstance(request.tool_choice, NamedTool):
        body["tool_choice"] = {"type": "function", "name": request.tool_choice.name}
    elif request.tool_choice is not None:
        body["tool_choice"] = request.tool_choice
    if request.options.extra:
        body["extra_body"] = dict(request.options.extra)
    return body


def _tool(tool: Tool) -> dict[str, Any]:
    # Not strict: strict tools would make the API refuse most schemas that other servers take.
    wire = {"type": "function", "name": tool.name, "parameters": dict(tool.parameters)}
    return {**wire, "description": tool.description, "strict": False}


def _input_items(message: Message) -> list[dict[str, Any]]:
    """A message as items: its text, then its calls."""
    if message.role == "tool":
        result = {"call_id": message.tool_call_id or "", "output": message.text}
        return [{"type": "function_call_output", **result}]
    calls = [
        {
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments,
        }
        for call in message.tool_calls
    ]
    if calls and not message.text and not message.pictures:
        return calls
    content: str | list[dict[str, Any]] = message.text
    if message.pictures:
        pictures = [
            {"type": "input_image", "detail": "auto", "image_url": data_url(picture)}
            for picture in message.pictures
        ]
        content = [*pictures, {"type": "input_text", "text": message.text}]
    return [{"type": "message", "role": message.role, "content": content}, *calls]


def read_events(
    events: Iterable[Any], locality: Locality, clock: AnswerClock, who: str
) -> Iterator[Event]:
    """Our events for the events of a Responses stream.

    Raises Unreachable if the stream stops without an end event, and the error for a failure in
    mid-stream (`refusals.failure`).
    """
    refused = called = False
    text, reasoning = Halves(), Halves()
    for event in events:
        match event.type:
            case "response.output_text.delta":
                if whole := text.feed(event.delta or ""):
                    clock.piece(whole)
                    yield TextDelta(whole)
                for token in _logprobs(event):
                    clock.limits.came(0)
                    yield token
            case "response.refusal.delta":
                refused = True
                clock.piece(event.delta or "")
                yield TextDelta(event.delta)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                clock.piece(event.delta or "", reasoning=True)
                if whole := reasoning.feed(event.delta or ""):
                    yield ReasoningDelta(whole)
            case "response.function_call_arguments.delta":
                clock.piece(event.delta or "")
            case "response.output_item.done" if event.item.type == "function_call":
                called = True
                clock.piece(event.item.arguments or "")
                yield ToolCall(event.item.call_id, event.item.name, event.item.arguments)
            case "response.reasoning_summary_part.added" if event.summary_index:
                yield ReasoningDelta("\n\n")
            case "response.completed" | "response.incomplete":
                if half := text.close():
                    yield TextDelta(half)
                usage = _usage(event.response.usage)
                finish, word = _finish(event.response, refused, called, who)
                timings = clock.timings(usage)
                yield Done(finish, usage, timings, locality, server_reason=word)
                return
            case "response.failed":
                raise _failed(who, event.response.error)
            case "error":
                raise _failed(who, event)
    raise Unreachable(f"the answer broke off: {who} closed the connection")


def _failed(who: str, error: Any) -> Exception:
    # All other codes blame the request: its pictures, its content or its question.
    status = 200 if error.code is None or error.code in _SERVERS_FAULT else 400
    return final_error(failure(who, status, {"code": error.code, "message": error.message}, {}))


def _finish(
    response: Any, refused: bool, called: bool, who: str
) -> tuple[FinishReason, str | None]:
    """Why the answer ended, and the server's word for it."""
    if refused:
        return "refusal", None
    details = response.incomplete_details
    if details is not None or getattr(response, "status", None) == "incomplete":
        word = None if details is None else details.reason
        return finish_reason(word, who) or "other", word
    return "tool_calls" if called else "stop", None


def _logprobs(event: Any) -> Iterator[TokenLogprobs]:
    for token in event.logprobs or ():
        others = token.top_logprobs or ()
        yield TokenLogprobs(
            token.token, token.logprob, tuple((o.token or "", o.logprob or 0.0) for o in others)
        )


def _usage(raw: Any) -> Usage:
    if raw is None:
        return Usage()
    # The SDK does not validate: compatible servers leave the details out.
    into, out = raw.input_tokens_details, raw.output_tokens_details
    return Usage(
        input_tokens=count_of(raw.input_tokens),
        output_tokens=count_of(raw.output_tokens),
        cached_tokens=count_of(getattr(into, "cached_tokens", None)),
        reasoning_tokens=count_of(getattr(out, "reasoning_tokens", None)),
        cache_write_tokens=count_of(getattr(into, "cache_write_tokens", None)),
    )
