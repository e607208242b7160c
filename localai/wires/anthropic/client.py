"""Requests to the Messages API, and the meaning of its events. No I/O.

Current models decide themselves how long to think, and take a level of effort; older models take a
budget of tokens. The API's own description of a model says which of the two it takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from localai.dataclass import dataclass
from localai.errors import Unreachable
from localai.events import Done, Event, FinishReason, Locality, ReasoningDelta, TextDelta, Usage
from localai.sampling_options import wire_options
from localai.types import Capability, ChatRequest, Message, NamedTool, ToolCall, ToolChoice
from localai.wires.anthropic.thinking import budget_for, thinking_for
from localai.wires.clock import AnswerClock
from localai.wires.finish_reasons import finish_reason
from localai.wires.loose import Halves, count_of
from localai.wires.parts import arguments_of, base64_of, split_system

if TYPE_CHECKING:
    from anthropic.types import ModelInfo

# The API caches nothing below 1,024 tokens; fewer bytes than this are surely fewer tokens.
_LEAST_CACHED_BYTES = 4096
_CACHED = {"type": "ephemeral"}


def capabilities(info: ModelInfo) -> frozenset[Capability] | None:
    """The capabilities of a model in the API's description; None if it has none."""
    # The SDK does not validate: compatible servers leave the field out.
    facts = getattr(info, "capabilities", None)
    if facts is None:
        return None
    has: dict[Capability, bool] = {
        "completion": True,
        "tools": True,
        "vision": facts.image_input.supported,
        "thinking": facts.thinking.supported,
        "schema": facts.structured_outputs.supported,
    }
    return frozenset(name for name, supported in has.items() if supported)


def request_body(
    request: ChatRequest, longest_tokens: int, info: ModelInfo | None
) -> dict[str, Any]:
    """The arguments of `messages.create`; settings without a value are not sent.

    `longest_tokens` bounds thinking and answer together; `info` is the API's description of the
    model. Raises ProviderRefused for a setting that the API or the model does not take,
    InvalidInput if the token limit is too small for thinking.
    """
    system, messages = split_system(request.messages)
    body: dict[str, Any] = {
        **wire_options(request.options, "anthropic", "anthropic"),
        "model": request.model.id,
        "max_tokens": longest_tokens,
        "messages": _messages(messages),
        "stream": True,
    }
    if system:
        body["system"] = [_system_block(system)]
    if _will_be_asked_again(messages):
        body["cache_control"] = _CACHED
    output: dict[str, Any] = {}
    if request.schema is not None:
        from localai.wires.schemas.clouds import for_anthropic

        sent = for_anthropic(request.schema)
        output["format"] = {"type": "json_schema", "schema": sent.document}
    if request.think is not None:
        if request.think_tokens is None:
            thinking, effort = thinking_for(request.think, longest_tokens, info)
        else:
            thinking, effort = budget_for(request.think_tokens, longest_tokens, info), None
        body["thinking"] = thinking
        output |= {"effort": effort} if effort else {}
    if output:
        body["output_config"] = output
    if request.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
            for tool in request.tools
        ]
    if request.tool_choice is not None:
        body["tool_choice"] = _tool_choice(request.tool_choice)
    if request.options.extra:
        body["extra_body"] = dict(request.options.extra)
    return body


def _system_block(text: str) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": text}
    # A long system prompt is usually sent again, so it is worth the price of caching.
    if len(text.encode()) >= _LEAST_CACHED_BYTES:
        block["cache_control"] = _CACHED
    return block


def _will_be_asked_again(messages: tuple[Message, ...]) -> bool:
    """Whether caching the conversation so far saves money: tokens written to the cache cost a
    quarter more than others, tokens read from it a tenth.

    A single question, such as a file from a pipe, is mostly never continued; a conversation with an
    answer in it mostly is.
    """
    long = sum(len(message.text.encode()) for message in messages) >= _LEAST_CACHED_BYTES
    return long and any(message.role == "assistant" for message in messages)


def _tool_choice(choice: ToolChoice) -> dict[str, Any]:
    if isinstance(choice, NamedTool):
        return {"type": "tool", "name": choice.name}
    return {"type": {"required": "any"}.get(choice, choice)}


def _messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages. The results of tools form one turn of the user, as the API requires."""
    wire: list[dict[str, Any]] = []
    previous = None
    for message in messages:
        blocks = _blocks(message)
        if not blocks:
            continue
        if message.role == "tool" and previous == "tool":
            wire[-1]["content"].extend(blocks)
        elif message.role == "tool":
            wire.append({"role": "user", "content": blocks})
        elif message.pictures or message.tool_calls:
            wire.append({"role": message.role, "content": blocks})
        else:
            wire.append({"role": message.role, "content": message.text})
        previous = message.role
    return wire


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        result = {"tool_use_id": message.tool_call_id or "", "content": message.text}
        return [{"type": "tool_result", **result}]
    pictures: list[dict[str, Any]] = [
        {
            "type": "image",
            "source": {
                "type": "base64",
                "media_type": picture.media_type,
                "data": base64_of(picture),
            },
        }
        for picture in message.pictures
    ]
    text = [{"type": "text", "text": message.text}] if message.text else []
    calls = [
        {
            "type": "tool_use",
            "id": call.id,
            "name": call.name,
            "input": arguments_of(call.arguments),
        }
        for call in message.tool_calls
    ]
    return [*pictures, *text, *calls]


@dataclass(frozen=True, slots=True)
class _Call:
    """A tool call whose arguments are still coming."""

    id: str
    name: str
    arguments: list[str]


def read_events(
    events: Iterable[Any], locality: Locality, clock: AnswerClock, who: str
) -> Iterator[Event]:
    """Our events for the events of a Messages stream. Raises Unreachable if the stream stops
    without an end event.

    The usage in `message_delta` is cumulative: it replaces the usage in `message_start` and is
    never added to it.
    """
    counts: dict[str, int] = {}
    finish: FinishReason | None = None
    server_reason: str | None = None
    call: _Call | None = None
    text, thinking = Halves(), Halves()
    for event in _until_the_end(events, clock):
        match event.type:
            case "content_block_start" if event.content_block.type == "tool_use":
                clock.piece(event.content_block.name or "")
                call = _Call(event.content_block.id, event.content_block.name, [])
            case "content_block_delta" if event.delta.type == "input_json_delta":
                clock.piece(event.delta.partial_json or "")
                if call is not None:
                    call.arguments.append(event.delta.partial_json)
            case "content_block_stop" if call is not None:
                yield ToolCall(call.id, call.name, "".join(call.arguments) or "{}")
                call = None
            case "message_start":
                counts |= _counts(event.message.usage)
            case "content_block_delta":
                yield from _delta(event.delta, clock, text, thinking)
            case "message_delta":
                counts |= _counts(event.usage)
                if reason := finish_reason(word := event.delta.stop_reason, who):
                    finish, server_reason = reason, str(word)
                    clock.limits.ended()
            case "message_stop":
                break
    if half := text.close():
        yield TextDelta(half)
    if finish is None:
        raise Unreachable(f"the answer broke off: {who} closed the connection")
    usage = _usage(counts)
    yield Done(finish, usage, clock.timings(usage), locality, server_reason=server_reason)


def _until_the_end(events: Iterable[Any], clock: AnswerClock) -> Iterator[Any]:
    """The events; once the answer has ended it is enough if no more come in time."""
    try:
        yield from events
    except TimeoutError:
        if not clock.limits.have_ended:
            raise


def _delta(delta: Any, clock: AnswerClock, text: Halves, thinking: Halves) -> Iterator[Event]:
    match delta.type:
        case "text_delta" if whole := text.feed(delta.text or ""):
            clock.piece(whole)
            yield TextDelta(whole)
        case "thinking_delta" if whole := thinking.feed(delta.thinking or ""):
            clock.piece(whole, reasoning=True)
            yield ReasoningDelta(whole)


def _counts(raw: Any) -> dict[str, int]:
    """The counts that a usage object has."""
    names = (
        "input_tokens",
        "output_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
    )
    found = {name: count_of(getattr(raw, name, None)) for name in names}
    details = getattr(raw, "output_tokens_details", None)
    found["thinking_tokens"] = count_of(getattr(details, "thinking_tokens", None))
    return {name: count for name, count in found.items() if count is not None}


def _usage(counts: dict[str, int]) -> Usage:
    read = counts.get("cache_read_input_tokens")
    written = counts.get("cache_creation_input_tokens")
    fresh = counts.get("input_tokens")
    return Usage(
        input_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
        output_tokens=counts.get("output_tokens"),
        cached_tokens=read,
        reasoning_tokens=counts.get("thinking_tokens"),
        cache_write_tokens=written,
    )
