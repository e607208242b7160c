"""What OpenAI's Responses API and Anthropic's Messages API send, as their documentation records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.scripted_server import Reply, Step, json_reply
from tests.support.wires import Finish


def sse(event: dict[str, Any]) -> bytes:
    """A server-sent event that is named after its `type`, as both APIs send them."""
    data = json.dumps(event, ensure_ascii=False)
    return f"event: {event['type']}\ndata: {data}\n\n".encode()


class ResponsesWire:
    """`/v1/responses` of OpenAI: six of its ten tokens are reasoning."""

    visible_tokens = 4

    def routes(self, chat: Reply) -> dict[str, Reply | list[Reply]]:
        model = {"id": "scripted", "object": "model", "created": 1, "owned_by": "openai"}
        models = json_reply({"object": "list", "data": [model]})
        return {"GET /v1/models": models, "POST /v1/responses": chat}

    def answer(
        self, text: Sequence[str], reasoning: Sequence[str] = (), finish: Finish = "stop"
    ) -> list[bytes]:
        thoughts = [
            sse(
                {
                    "type": "response.reasoning_summary_text.delta",
                    "delta": piece,
                    "item_id": "rs_1",
                    "output_index": 0,
                    "summary_index": 0,
                    "sequence_number": 2,
                }
            )
            for piece in reasoning
        ]
        created, *pieces = self.begun(text)
        return [created, *thoughts, *pieces, self.end(finish)]

    def calls(self, call_id: str, name: str, arguments: Mapping[str, Any]) -> list[bytes]:
        created, *_ = self.begun([])
        whole = json.dumps(arguments)
        item = {"type": "function_call", "id": "fc_1", "call_id": call_id, "name": name}
        begun = {**item, "arguments": "", "status": "in_progress"}
        done = {**item, "arguments": whole, "status": "completed"}
        where = {"output_index": 0, "sequence_number": 3}
        delta = {"type": "response.function_call_arguments.delta", "item_id": "fc_1"}
        return [
            created,
            sse({"type": "response.output_item.added", "item": begun, **where}),
            sse({**delta, "delta": whole, **where}),
            sse({"type": "response.output_item.done", "item": done, **where}),
            self.end(),
        ]

    def begun(self, text: Sequence[str]) -> list[bytes]:
        created = {"type": "response.created", "response": response("in_progress")}
        return [sse({**created, "sequence_number": 0}), *(self.delta(piece) for piece in text)]

    def delta(self, text: str, kind: str = "output_text") -> bytes:
        """A piece of text, or of a refusal (`kind="refusal"`)."""
        event: dict[str, Any] = {"type": f"response.{kind}.delta", "delta": text}
        event |= {"item_id": "msg_1"}
        event |= {"output_index": 1, "content_index": 0, "sequence_number": 5, "logprobs": []}
        return sse(event)

    def end(self, finish: str = "stop") -> bytes:
        """What ends an answer: `stop`, `length`, or the reason of an incomplete one."""
        if finish == "stop":
            return self._end("completed", response("completed"))
        reason = {"length": "max_output_tokens"}.get(finish, finish)
        details = {"incomplete_details": {"reason": reason}}
        return self._end("incomplete", {**response("incomplete"), **details})

    def failed(self, code: str, message: str) -> bytes:
        """The response object says that it failed."""
        error = {"error": {"code": code, "message": message}}
        return self._end("failed", {**response("failed"), **error})

    def stream(self, steps: Sequence[Step]) -> Reply:
        return Reply(steps, content_type="text/event-stream")

    def failure_in_stream(self) -> bytes:
        error = {"type": "error", "code": "server_error", "message": "the model has crashed"}
        return sse({**error, "param": None, "sequence_number": 6})

    def failure(self) -> Reply:
        return self.refusal(500, "server_error", None, "the model has crashed")

    def overflow(self) -> Reply:
        message = "Your input exceeds the context window of this model. Please adjust your input."
        return self.refusal(400, "invalid_request_error", "context_length_exceeded", message)

    def refusal(
        self,
        status: int,
        kind: str,
        code: str | None,
        message: str,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """An error instead of an answer."""
        error = {"message": message, "type": kind, "param": None, "code": code}
        return Reply([json.dumps({"error": error}).encode()], status, headers=headers or {})

    def _end(self, kind: str, document: dict[str, Any]) -> bytes:
        return sse({"type": f"response.{kind}", "response": document, "sequence_number": 9})


def response(status: str) -> dict[str, Any]:
    """A response object of the Responses API."""
    usage = {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 4},
        "output_tokens": 10,
        "output_tokens_details": {"reasoning_tokens": 6},
        "total_tokens": 30,
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": "scripted",
        "output": [],
        "usage": None if status == "in_progress" else usage,
    }


class MessagesWire:
    """`/v1/messages` of Anthropic."""

    visible_tokens = 10

    def routes(self, chat: Reply) -> dict[str, Reply | list[Reply]]:
        return {
            "GET /v1/models/scripted": json_reply(model_info("scripted")),
            "GET /v1/models": json_reply({"data": [model_info("scripted")], "has_more": False}),
            "POST /v1/messages": chat,
        }

    def answer(
        self, text: Sequence[str], reasoning: Sequence[str] = (), finish: Finish = "stop"
    ) -> list[bytes]:
        start, *pieces = self.begun(text)
        thoughts = [self._delta("thinking_delta", "thinking", piece) for piece in reasoning]
        return [start, *thoughts, *pieces, *self.end({"length": "max_tokens"}.get(finish, ""))]

    def calls(self, call_id: str, name: str, arguments: Mapping[str, Any]) -> list[bytes]:
        start, *_ = self.begun([])
        whole = json.dumps(arguments)
        block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
        return [
            start,
            sse({"type": "content_block_start", "index": 0, "content_block": block}),
            self._delta("input_json_delta", "partial_json", whole[:3]),
            self._delta("input_json_delta", "partial_json", whole[3:]),
            sse({"type": "content_block_stop", "index": 0}),
            *self.end("tool_use"),
        ]

    def begun(self, text: Sequence[str]) -> list[bytes]:
        usage = {"input_tokens": 5, "output_tokens": 1}
        usage |= {"cache_creation_input_tokens": 4, "cache_read_input_tokens": 11}
        message: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant"}
        message |= {"model": "scripted"}
        message |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        pieces = [self._delta("text_delta", "text", piece) for piece in text]
        return [sse({"type": "message_start", "message": message}), *pieces]

    def end(self, stop_reason: str = "", **usage: Any) -> list[bytes]:
        """What ends an answer. The usage is cumulative: it repeats what the start said."""
        counts = {"input_tokens": 5, "cache_creation_input_tokens": 4, "output_tokens": 10}
        counts |= {"cache_read_input_tokens": 11, **usage}
        delta = {"stop_reason": stop_reason or "end_turn", "stop_sequence": None}
        return [
            sse({"type": "message_delta", "delta": delta, "usage": counts}),
            sse({"type": "message_stop"}),
        ]

    def stream(self, steps: Sequence[Step]) -> Reply:
        return Reply(steps, content_type="text/event-stream")

    def failure_in_stream(self) -> bytes:
        error = {"type": "overloaded_error", "message": "Overloaded"}
        return sse({"type": "error", "error": error})

    def failure(self) -> Reply:
        return self.refusal(500, "api_error", "Internal server error")

    def overflow(self) -> Reply:
        message = "prompt is too long: 5000 tokens > 4096 maximum"
        return self.refusal(400, "invalid_request_error", message)

    def refusal(
        self, status: int, kind: str, message: str, headers: dict[str, str] | None = None
    ) -> Reply:
        """An error instead of an answer."""
        document = {"type": "error", "error": {"type": kind, "message": message}}
        return Reply([json.dumps(document).encode()], status, headers=headers or {})

    def _delta(self, kind: str, field: str, piece: str) -> bytes:
        delta = {"type": kind, field: piece}
        return sse({"type": "content_block_delta", "index": 0, "delta": delta})


def model_info(name: str, *, thinking: Sequence[str] = ("adaptive", "disabled")) -> dict[str, Any]:
    """What Anthropic's Models API says of a model; `thinking` are the kinds that it takes."""
    kinds = ("adaptive", "between_tools", "disabled", "enabled")
    takes = {kind: {"supported": kind in thinking} for kind in kinds}
    levels = {level: {"supported": True} for level in ("low", "medium", "high", "max")}
    return {
        "id": name,
        "type": "model",
        "display_name": name,
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 4096,
        "max_tokens": 64_000,
        "capabilities": {
            "image_input": {"supported": True},
            "structured_outputs": {"supported": True},
            "effort": {"supported": "adaptive" in thinking, **levels},
            "thinking": {
                "supported": bool({"adaptive", "enabled"} & set(thinking)),
                "types": takes,
            },
        },
    }
