"""What servers of each kind send, as their documentation records it, for the scripted server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol

from tests.support.scripted_server import Reply, Step, json_reply

Finish = Literal["stop", "length"]


class Wire(Protocol):
    """A server's dialect. Bodies are lists of packets, so that a test can cut them anywhere.

    `visible_tokens` are the tokens that the usage counts for an answer without hidden reasoning.
    """

    @property
    def visible_tokens(self) -> int:
        """See above."""
        ...

    def routes(self, chat: Reply) -> dict[str, Reply | list[Reply]]:
        """The routes of a server that answers a question with `chat`."""
        ...

    def answer(
        self, text: Sequence[str], reasoning: Sequence[str] = (), finish: Finish = "stop"
    ) -> list[bytes]:
        """A whole answer: a packet a piece, then what ends it."""
        ...

    def calls(self, call_id: str, name: str, arguments: Mapping[str, Any]) -> list[bytes]:
        """A whole answer that is one call of a tool."""
        ...

    def begun(self, text: Sequence[str]) -> list[bytes]:
        """The same without its end: the last packet is the last piece of text."""
        ...

    def stream(self, steps: Sequence[Step]) -> Reply:
        """`steps` as the streaming reply to a question."""
        ...

    def failure_in_stream(self) -> bytes:
        """The packet that says that something went wrong after the answer had begun."""
        ...

    def failure(self) -> Reply:
        """The server fails before the first byte of an answer."""
        ...

    def overflow(self) -> Reply:
        """The server says that a prompt of 5000 tokens does not fit 4096."""
        ...


class OllamaWire:
    """`/api/chat`: a JSON document a line."""

    visible_tokens = 10

    def __init__(self, show: dict[str, Any] | None = None) -> None:
        self.show = show or {
            "details": {"format": "gguf", "family": "llama"},
            "model_info": {"general.architecture": "llama", "llama.context_length": 8192},
            "capabilities": ["completion", "thinking"],
        }

    def routes(self, chat: Reply) -> dict[str, Reply | list[Reply]]:
        loaded = {"name": "scripted:latest", "model": "scripted:latest", "context_length": 4096}
        return {
            "GET /api/version": json_reply({"version": "0.0.0"}),
            "GET /api/ps": json_reply({"models": [{**loaded, "size": 2, "size_vram": 1}]}),
            "GET /api/tags": json_reply({"models": [{"name": "scripted:latest"}]}),
            "POST /api/show": json_reply(self.show),
            "POST /api/chat": chat,
        }

    def answer(
        self, text: Sequence[str], reasoning: Sequence[str] = (), finish: Finish = "stop"
    ) -> list[bytes]:
        end = {
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": finish,
            "total_duration": 300_000_000,
            "load_duration": 50_000_000,
            "prompt_eval_count": 20,
            "prompt_eval_duration": 100_000_000,
            "eval_count": 10,
            "eval_duration": 100_000_000,
        }
        thoughts = [self._line(thinking=piece) for piece in reasoning]
        return [*thoughts, *self.begun(text), _json_line(end)]

    def calls(self, call_id: str, name: str, arguments: Mapping[str, Any]) -> list[bytes]:
        call = {"id": call_id, "function": {"index": 0, "name": name, "arguments": arguments}}
        message = {"role": "assistant", "content": "", "tool_calls": [call]}
        line = _json_line({"model": "scripted", "message": message, "done": False})
        return [line, *self.answer([])]

    def begun(self, text: Sequence[str]) -> list[bytes]:
        return [self._line(content=piece) for piece in text]

    def stream(self, steps: Sequence[Step]) -> Reply:
        return Reply(steps, content_type="application/x-ndjson")

    def failure_in_stream(self) -> bytes:
        return _json_line({"error": "an error was encountered while running the model"})

    def failure(self) -> Reply:
        return json_reply({"error": "llama runner process has terminated"}, 500)

    def overflow(self) -> Reply:
        # The runner's own JSON, as text, within Ollama's.
        inner = {"code": 400, "message": "the request exceeds the available context size"}
        inner |= {"type": "exceed_context_size_error", "n_prompt_tokens": 5000, "n_ctx": 4096}
        return json_reply({"error": json.dumps({"error": inner})}, 400)

    def _line(self, content: str = "", thinking: str | None = None) -> bytes:
        message = {"role": "assistant", "content": content}
        if thinking is not None:
            message["thinking"] = thinking
        return _json_line({"model": "scripted", "message": message, "done": False})


class NewerOllamaWire(OllamaWire):
    """The same as 0.33.0 sends it, with more of each model, and of what was cached."""

    _DETAILS: ClassVar[dict[str, Any]] = {
        "parent_model": "",
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "134.52M",
        "quantization_level": "Q4_1",
    }
    _INFO: ClassVar[dict[str, Any]] = {
        "general.architecture": "llama",
        "general.basename": "smollm2",
        "general.file_type": 3,
        "general.languages": None,
        "general.parameter_count": 134515008,
        "llama.block_count": 30,
        "llama.context_length": 8192,
        "llama.embedding_length": 576,
        "llama.vocab_size": 49152,
    }

    def __init__(self) -> None:
        super().__init__(
            {
                "modelfile": "FROM /blobs/sha256-9\nPARAMETER num_thread 1\n",
                "parameters": 'num_thread          1\nstop          "<|im_end|>"',
                "template": "{{- range .Messages }}{{ .Content }}{{ end }}",
                "system": "You are a helpful assistant.",
                "details": self._DETAILS,
                "model_info": self._INFO,
                "capabilities": ["completion", "thinking"],
                "modified_at": "2026-11-27T12:43:48.538909227Z",
            }
        )

    def routes(self, chat: Reply) -> dict[str, Reply | list[Reply]]:
        named = {"name": "scripted:latest", "model": "scripted:latest", "digest": "f80f9269cf3a"}
        listed = {
            **named,
            "modified_at": "2026-11-27T12:43:48.538909227Z",
            "size": 98362788,
            "details": {**self._DETAILS, "context_length": 8192, "embedding_length": 576},
            "capabilities": ["completion", "thinking"],
        }
        loaded = {
            **named,
            "size": 123260107,
            "details": self._DETAILS,
            "expires_at": "2026-11-27T12:48:51.96094389Z",
            "size_vram": 0,
            "context_length": 4096,
        }
        return super().routes(chat) | {
            "GET /api/version": json_reply({"version": "0.33.0"}),
            "GET /api/status": json_reply({"cloud": {"disabled": True, "source": "none"}}),
            "GET /api/ps": json_reply({"models": [loaded]}),
            "GET /api/tags": json_reply({"models": [listed]}),
        }

    def answer(
        self, text: Sequence[str], reasoning: Sequence[str] = (), finish: Finish = "stop"
    ) -> list[bytes]:
        *pieces, end = super().answer(text, reasoning, finish)
        more = {"model": "scripted", "created_at": "2026-11-27T12:43:55.506866261Z"}
        return [*pieces, _json_line({**more, **json.loads(end), "prompt_eval_cached_count": 0})]


class ChatCompletionsWire:
    """`/v1/chat/completions`: server-sent events. `others` are further routes of that server."""

    visible_tokens = 10

    def __init__(self, others: dict[str, Reply | list[Reply]] | None = None) -> None:
        self.others = others or {}

    def routes(self, chat: Reply) -> dict[str, Reply | list[Reply]]:
        models = json_reply({"object": "list", "data": [{"id": "scripted", "object": "model"}]})
        return {"GET /v1/models": models, "POST /v1/chat/completions": chat, **self.others}

    def answer(
        self, text: Sequence[str], reasoning: Sequence[str] = (), finish: Finish = "stop"
    ) -> list[bytes]:
        usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
        return [
            *(self._delta({"reasoning_content": piece}) for piece in reasoning),
            *self.begun(text),
            self._event([{"index": 0, "delta": {}, "finish_reason": finish}]),
            self._event([], usage=usage),
            b"data: [DONE]\n\n",
        ]

    def calls(self, call_id: str, name: str, arguments: Mapping[str, Any]) -> list[bytes]:
        whole = json.dumps(arguments)
        begin = {"index": 0, "id": call_id, "type": "function"}
        begin["function"] = {"name": name, "arguments": whole[:3]}
        rest = {"index": 0, "function": {"arguments": whole[3:]}}
        return [
            self._delta({"role": "assistant", "content": None, "tool_calls": [begin]}),
            self._delta({"tool_calls": [rest]}),
            self._event([{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]),
            b"data: [DONE]\n\n",
        ]

    def begun(self, text: Sequence[str]) -> list[bytes]:
        role = self._delta({"role": "assistant", "content": ""})
        return [role, *(self._delta({"content": piece}) for piece in text)]

    def stream(self, steps: Sequence[Step]) -> Reply:
        return Reply(steps, content_type="text/event-stream")

    def failure_in_stream(self) -> bytes:
        error = {"message": "the model has crashed", "type": "server_error", "code": 500}
        return b"data: " + json.dumps({"error": error}).encode() + b"\n\n"

    def failure(self) -> Reply:
        return json_reply({"error": {"message": "the model has crashed", "code": 500}}, 500)

    def overflow(self) -> Reply:
        error = {"code": 400, "message": "the request exceeds the available context size"}
        error |= {"type": "exceed_context_size_error", "n_prompt_tokens": 5000, "n_ctx": 4096}
        return json_reply({"error": error}, 400)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return self._event([{"index": 0, "delta": delta, "finish_reason": None}])

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000}
        chunk |= {"model": "scripted", "choices": choices, **more}
        return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def _json_line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"
