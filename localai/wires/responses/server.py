"""The server's side of the Responses API: reading requests and writing answers.

`parse` reads a request's body, `write_stream` writes our events as the API's, and `document` writes
a whole answer. Nothing is stored, so no request can refer to an earlier one. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from localai.answers import Answer
from localai.errors import InvalidInput
from localai.events import Done, Event, ReasoningDelta, TextDelta, TokenLogprobs, Usage
from localai.sampling_options import read_wire_options
from localai.types import Message, Options, Picture, Role, ToolCall
from localai.wires.finish_reasons import RESPONSES
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
}
_LOGPROBS = "message.output_text.logprobs"


# Requests


def parse(body: Mapping[str, Any]) -> RequestParts:
    """The request in `body`.

    Raises InvalidInput if it is malformed, or if it asks for something that only a server with
    stored answers can do (`previous_response_id`, `conversation`, `background`).
    """
    for name in ("previous_response_id", "conversation", "background"):
        if body.get(name):
            raise InvalidInput(f"{name} needs stored answers, and nothing is stored here")
    instructions = body.get("instructions")
    messages = [Message("system", instructions)] if instructions else []
    given = body.get("input")
    if isinstance(given, str):
        messages.append(Message("user", given))
    else:
        for item in objects(given, "input"):
            _take(item, messages)
    wants_logprobs = _LOGPROBS in (body.get("include") or ())
    return RequestParts(
        model=text_field(body, "model"),
        messages=tuple(messages),
        options=Options(**read_wire_options(body, "responses")),
        schema=_schema((body.get("text") or {}).get("format") or {}),
        think=think_of_effort((body.get("reasoning") or {}).get("effort")),
        logprobs=(whole_number(body, "top_logprobs") or 0) if wants_logprobs else None,
        tools=function_tools(body.get("tools")),
        tool_choice=choice_of(body.get("tool_choice")),
        stream=bool(body.get("stream")),
    )


def _schema(wanted: Mapping[str, Any]) -> Mapping[str, Any] | None:
    match wanted.get("type", "text"):
        case "text":
            return None
        case "json_object":
            return {"type": "object"}
        case "json_schema":
            schema: Mapping[str, Any] = wanted.get("schema") or {}
            return schema
        case other:
            raise InvalidInput(f"there is no text format {other!r}")


def _take(item: Mapping[str, Any], messages: list[Message]) -> None:
    """Add an item of the input to `messages`; a call belongs to the assistant's turn before it."""
    match item.get("type", "message"):
        case "message":
            messages.append(_message(item))
        case "function_call":
            call = ToolCall(
                text_field(item, "call_id"), text_field(item, "name"), text_field(item, "arguments")
            )
            if messages and messages[-1].role == "assistant":
                before = messages.pop()
                calls = (*before.tool_calls, call)
                messages.append(
                    Message("assistant", before.text, before.pictures, before.reasoning, calls)
                )
            else:
                messages.append(Message("assistant", "", tool_calls=(call,)))
        case "function_call_output":
            output = item.get("output")
            text = output if isinstance(output, str) else _content(output)[0]
            messages.append(Message("tool", text, tool_call_id=text_field(item, "call_id")))
        case "reasoning":
            # A summary of another server's reasoning; the model does not need it.
            pass
        case other:
            raise InvalidInput(f"an item of the type {other!r} is not understood here")


def _message(item: Mapping[str, Any]) -> Message:
    role = _ROLES.get(text_field(item, "role"))
    if role is None:
        raise InvalidInput(f"there is no role {item.get('role')!r}")
    text, pictures = _content(item.get("content"))
    return Message(role, text, pictures)


def _content(content: Any) -> tuple[str, tuple[Picture, ...]]:
    if content is None or isinstance(content, str):
        return content or "", ()
    texts, pictures = [], []
    for part in objects(content, "content"):
        match part.get("type"):
            case "input_text" | "output_text":
                texts.append(text_field(part, "text"))
            case "refusal":
                texts.append(text_field(part, "refusal"))
            case "input_image":
                pictures.append(picture_of_url(str(part.get("image_url"))))
            case other:
                raise InvalidInput(f"a message's part of the type {other!r} is not understood here")
    return "".join(texts), tuple(pictures)


# Answers


def write_stream(
    events: Iterable[Event], *, model: str, answer_id: str, created: int
) -> Iterator[dict[str, Any]]:
    """The events of the API for the answer that `events` make; each has its `type`.

    `created` is in seconds since the epoch.
    """
    for number, event in enumerate(_events(events, model, answer_id, created)):
        yield {**event, "sequence_number": number}


def _events(
    events: Iterable[Event], model: str, answer_id: str, created: int
) -> Iterator[dict[str, Any]]:
    base = _response(model, answer_id, created)
    yield {"type": "response.created", "response": {**base, "status": "in_progress"}}
    yield {"type": "response.in_progress", "response": {**base, "status": "in_progress"}}
    items = _Items(answer_id)
    for event in events:
        match event:
            case TextDelta(text):
                yield from items.continued("message")
                yield items.piece("response.output_text.delta", text)
            case ReasoningDelta(text):
                yield from items.continued("reasoning")
                yield items.piece("response.reasoning_text.delta", text)
            case TokenLogprobs():
                yield from items.continued("message")
                yield items.odds(event)
            case ToolCall():
                yield from items.call(event)
            case Done():
                yield from items.ended()
                whole = _ended(base, event, items.finished)
                kind = "incomplete" if whole["incomplete_details"] else "completed"
                yield {"type": f"response.{kind}", "response": whole}
            case _:
                pass


class _Items:
    """The items of the output: the finished ones, and the one that is being written."""

    def __init__(self, answer_id: str) -> None:
        self.finished: list[dict[str, Any]] = []
        self._answer_id = answer_id
        self._kind: str | None = None
        self._text: list[str] = []

    def continued(self, kind: str) -> Iterator[dict[str, Any]]:
        """Begin an item unless one of this kind is being written."""
        if self._kind == kind:
            return
        yield from self.ended()
        self._kind, self._text = kind, []
        yield self._event("response.output_item.added", item=_item(kind, self._id, None))
        if kind == "message":
            yield self._part("response.content_part.added", part=_output_text(""))

    def piece(self, kind: str, text: str) -> dict[str, Any]:
        """A piece of the item's text."""
        self._text.append(text)
        more: dict[str, Any] = {"logprobs": []} if self._kind == "message" else {}
        return self._part(kind, delta=text, **more)

    def odds(self, token: TokenLogprobs) -> dict[str, Any]:
        """The log probabilities of a token, with a piece that has no text."""
        return self._part("response.output_text.delta", delta="", logprobs=[_wire_logprobs(token)])

    def call(self, call: ToolCall) -> Iterator[dict[str, Any]]:
        """A whole call of a tool as an item of its own."""
        yield from self.ended()
        about = {"type": "function_call", "id": self._id, "call_id": call.id, "name": call.name}
        begun = {**about, "arguments": "", "status": "in_progress"}
        yield self._event("response.output_item.added", item=begun)
        name = "response.function_call_arguments"
        yield self._event(f"{name}.delta", item_id=self._id, delta=call.arguments)
        yield self._event(f"{name}.done", item_id=self._id, arguments=call.arguments)
        yield from self._finish(_call_item(call, self._id))

    def ended(self) -> Iterator[dict[str, Any]]:
        """End the item that is being written, if there is one."""
        kind, self._kind = self._kind, None
        if kind is None:
            return
        text = "".join(self._text)
        if kind == "message":
            yield self._part("response.output_text.done", text=text, logprobs=[])
            yield self._part("response.content_part.done", part=_output_text(text))
        else:
            yield self._part("response.reasoning_text.done", text=text)
        yield from self._finish(_item(kind, self._id, text))

    def _finish(self, item: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield self._event("response.output_item.done", item=item)
        self.finished.append(item)

    @property
    def _id(self) -> str:
        return f"{self._answer_id}_{len(self.finished)}"

    def _part(self, kind: str, **more: Any) -> dict[str, Any]:
        return self._event(kind, item_id=self._id, content_index=0, **more)

    def _event(self, kind: str, **more: Any) -> dict[str, Any]:
        return {"type": kind, "output_index": len(self.finished), **more}


def document(answer: Answer, *, answer_id: str, created: int) -> dict[str, Any]:
    """The whole answer as one response object."""
    items: list[dict[str, Any]] = []
    for kind, text in (("reasoning", answer.reasoning), ("message", answer.text)):
        if text:
            items.append(_item(kind, f"{answer_id}_{len(items)}", text))
    for call in answer.tool_calls:
        items.append(_call_item(call, f"{answer_id}_{len(items)}"))
    return _ended(_response(answer.model.id, answer_id, created), answer.done, items)


def _response(model: str, answer_id: str, created: int) -> dict[str, Any]:
    return {
        "id": answer_id,
        "object": "response",
        "created_at": created,
        "model": model,
        "error": None,
        "incomplete_details": None,
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
    }


def _ended(base: Mapping[str, Any], done: Done, items: list[dict[str, Any]]) -> dict[str, Any]:
    reason = RESPONSES[done.finish_reason]
    return {
        **base,
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": items,
        "usage": _wire_usage(done.usage),
    }


def _item(kind: str, item_id: str, text: str | None) -> dict[str, Any]:
    """An item with all its text, or a new one without."""
    status = "in_progress" if text is None else "completed"
    if kind == "reasoning":
        content = [] if text is None else [{"type": "reasoning_text", "text": text}]
        return {"type": kind, "id": item_id, "summary": [], "content": content, "status": status}
    parts = [] if text is None else [_output_text(text)]
    return {
        "type": kind,
        "id": item_id,
        "role": "assistant",
        "content": parts,
        "status": status,
    }


def _call_item(call: ToolCall, item_id: str) -> dict[str, Any]:
    about = {"type": "function_call", "id": item_id, "call_id": call.id, "name": call.name}
    return {**about, "arguments": call.arguments, "status": "completed"}


def _output_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _wire_logprobs(token: TokenLogprobs) -> dict[str, Any]:
    others = [{"token": text, "logprob": value} for text, value in token.alternatives]
    return {"token": token.token, "logprob": token.logprob, "top_logprobs": others}


def _wire_usage(usage: Usage) -> dict[str, Any]:
    """The counts; null is unknown."""
    known = [count for count in (usage.input_tokens, usage.output_tokens) if count is not None]
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": sum(known) if len(known) == 2 else None,
    }
