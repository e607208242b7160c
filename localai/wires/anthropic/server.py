"""The server's side of the Messages API: reading requests and writing answers.

`parse` reads a request's body, `write_stream` writes our events as the API's, and `document` writes
a whole answer. No I/O.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from localai.answers import Answer
from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.events import Done, Event, ReasoningDelta, TextDelta, Usage
from localai.sampling_options import read_wire_options
from localai.types import (
    Message,
    NamedTool,
    Options,
    Picture,
    Role,
    Think,
    Tool,
    ToolCall,
    ToolChoice,
)
from localai.wires.finish_reasons import MESSAGES
from localai.wires.parts import (
    RequestParts,
    arguments_of,
    objects,
    picture_of_base64,
    text_field,
    think_of_effort,
    whole_number,
)

# Older clients still send them, and local models take them.
_SAMPLING = ("temperature", "top_p", "top_k")


# Requests


def parse(body: Mapping[str, Any]) -> RequestParts:
    """The request in `body`.

    Raises InvalidInput if it is malformed, and for pictures by address and for tools that Anthropic
    itself would run.
    """
    if whole_number(body, "max_tokens") is None:
        raise InvalidInput("max_tokens must be given")
    system = _text_of(body.get("system"), "system")
    messages = [Message("system", system)] if system else []
    for entry in objects(body.get("messages"), "messages"):
        messages += _messages(entry)
    output = body.get("output_config") or {}
    return RequestParts(
        model=text_field(body, "model"),
        messages=tuple(messages),
        options=_options(body),
        schema=(output.get("format") or {}).get("schema"),
        think=_think(body.get("thinking") or {}, output.get("effort")),
        tools=tuple(_tool(each) for each in objects(body.get("tools"), "tools")),
        tool_choice=_tool_choice(body.get("tool_choice")),
        stream=bool(body.get("stream")),
    )


def _options(body: Mapping[str, Any]) -> Options:
    common = {name: body.get(name) for name in _SAMPLING}
    return Options(
        **{
            **read_wire_options(common, "chat_completions"),
            **read_wire_options(body, "anthropic"),
        }
    )


def _think(thinking: Mapping[str, Any], effort: Any) -> Think | None:
    kind = thinking.get("type")
    if kind is None:
        return None
    if kind == "disabled":
        return "off"
    return think_of_effort(effort) or "on"


def _text_of(content: Any, what: str) -> str:
    """A text, or the texts of blocks that have nothing else."""
    if content is None or isinstance(content, str):
        return content or ""
    blocks = objects(content, what)
    if any(block.get("type") != "text" for block in blocks):
        raise InvalidInput(f"{what} must hold text only")
    return "\n\n".join(text_field(block, "text") for block in blocks)


def _messages(entry: Mapping[str, Any]) -> list[Message]:
    """One turn as messages: the results of tools first, then the turn's own text and pictures."""
    role: Role = "assistant" if entry.get("role") == "assistant" else "user"
    if entry.get("role") not in ("user", "assistant"):
        raise InvalidInput(f"there is no role {entry.get('role')!r}")
    content = entry.get("content")
    if isinstance(content, str):
        return [Message(role, content)]
    turn = _Turn()
    for block in objects(content, "content"):
        turn.take(block)
    message = Message(
        role,
        "\n\n".join(turn.texts),
        tuple(turn.pictures),
        reasoning="".join(turn.thoughts) or None,
        tool_calls=tuple(turn.calls),
    )
    is_empty = not (message.text or message.pictures or message.tool_calls)
    return [*turn.results, *([] if turn.results and is_empty else [message])]


@dataclass(slots=True)
class _Turn:
    """The content of one turn's blocks."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    results: list[Message] = field(default_factory=list)

    def take(self, block: Mapping[str, Any]) -> None:
        """Take the next block. Raises InvalidInput for one of an unknown type."""
        match block.get("type"):
            case "text":
                self.texts.append(text_field(block, "text"))
            case "thinking":
                self.thoughts.append(text_field(block, "thinking"))
            case "redacted_thinking":
                pass
            case "image":
                self.pictures.append(_picture(block.get("source") or {}))
            case "tool_use":
                arguments = json.dumps(block.get("input") or {}, ensure_ascii=False)
                call = ToolCall(text_field(block, "id"), text_field(block, "name"), arguments)
                self.calls.append(call)
            case "tool_result":
                text = _text_of(block.get("content"), "the result of a tool")
                call_id = text_field(block, "tool_use_id")
                self.results.append(Message("tool", text, tool_call_id=call_id))
            case other:
                raise InvalidInput(f"a block of the type {other!r} is not understood here")


def _picture(source: Mapping[str, Any]) -> Picture:
    if source.get("type") != "base64":
        raise InvalidInput("pictures must come as base64; nothing is fetched")
    return picture_of_base64(text_field(source, "data"), text_field(source, "media_type"))


def _tool(entry: Mapping[str, Any]) -> Tool:
    if entry.get("type", "custom") != "custom":
        raise InvalidInput(f"the tool {entry.get('type')!r} does not run here")
    return Tool(
        text_field(entry, "name"),
        str(entry.get("description") or ""),
        entry.get("input_schema") or {"type": "object"},
    )


def _tool_choice(value: Any) -> ToolChoice | None:
    if value is None:
        return None
    kinds: Mapping[Any, ToolChoice] = {"auto": "auto", "any": "required", "none": "none"}
    kind = value.get("type")
    if kind == "tool":
        return NamedTool(text_field(value, "name"))
    if kind not in kinds:
        raise InvalidInput(f"there is no tool_choice {kind!r}")
    return kinds[kind]


# Answers


def write_stream(
    events: Iterable[Event], *, model: str, answer_id: str
) -> Iterator[dict[str, Any]]:
    """The events of the API for the answer that `events` make; each has its `type`.

    The prompt's counts are known only at the end, so `message_delta` has them all: they are
    cumulative there.
    """
    start: dict[str, Any] = {"id": answer_id, "type": "message", "role": "assistant"}
    start |= {"model": model, "content": [], "stop_reason": None, "stop_sequence": None}
    start["usage"] = {"input_tokens": 0, "output_tokens": 0}
    yield {"type": "message_start", "message": start}
    blocks = _Blocks()
    for event in events:
        match event:
            case TextDelta(text):
                yield from blocks.continued("text", {"text": ""})
                yield blocks.delta("text_delta", text=text)
            case ReasoningDelta(text):
                yield from blocks.continued("thinking", {"thinking": "", "signature": ""})
                yield blocks.delta("thinking_delta", thinking=text)
            case ToolCall():
                about = {"id": event.id, "name": event.name, "input": {}}
                yield from blocks.begun("tool_use", about)
                yield blocks.delta("input_json_delta", partial_json=event.arguments)
            case Done():
                yield from blocks.ended()
                delta = {"stop_reason": MESSAGES[event.finish_reason], "stop_sequence": None}
                yield {"type": "message_delta", "delta": delta, "usage": _wire_usage(event.usage)}
                yield {"type": "message_stop"}
            case _:
                pass


class _Blocks:
    """The block of the content that is being written."""

    def __init__(self) -> None:
        self._index = -1
        self._kind: str | None = None

    def continued(self, kind: str, empty: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Begin a block unless one of this kind is being written."""
        if self._kind != kind:
            yield from self.begun(kind, empty)

    def begun(self, kind: str, about: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """End the block that is being written, and begin another."""
        yield from self.ended()
        self._index += 1
        self._kind = kind
        block = {"type": kind, **about}
        yield {"type": "content_block_start", "index": self._index, "content_block": block}

    def delta(self, kind: str, **piece: str) -> dict[str, Any]:
        """A piece of the block."""
        delta = {"type": kind, **piece}
        return {"type": "content_block_delta", "index": self._index, "delta": delta}

    def ended(self) -> Iterator[dict[str, Any]]:
        """End the block, if there is one."""
        if self._kind is not None:
            yield {"type": "content_block_stop", "index": self._index}
        self._kind = None


def document(answer: Answer, *, answer_id: str) -> dict[str, Any]:
    """The whole answer as one document."""
    content: list[dict[str, Any]] = []
    if answer.reasoning:
        content.append({"type": "thinking", "thinking": answer.reasoning, "signature": ""})
    if answer.text:
        content.append({"type": "text", "text": answer.text})
    for call in answer.tool_calls:
        arguments = arguments_of(call.arguments)
        content.append({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments})
    return {
        "id": answer_id,
        "type": "message",
        "role": "assistant",
        "model": answer.model.id,
        "content": content,
        "stop_reason": MESSAGES[answer.done.finish_reason],
        "stop_sequence": None,
        "usage": _wire_usage(answer.done.usage),
    }


def _wire_usage(usage: Usage) -> dict[str, Any]:
    """The known counts; `input_tokens` excludes the tokens that were read from or written to a
    cache."""
    fresh = usage.input_tokens
    if fresh is not None:
        fresh -= (usage.cached_tokens or 0) + (usage.cache_write_tokens or 0)
    counts = {
        "input_tokens": fresh,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
    }
    wire: dict[str, Any] = {name: count for name, count in counts.items() if count is not None}
    if usage.reasoning_tokens is not None:
        wire["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return wire
