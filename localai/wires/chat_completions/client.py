"""What we ask of a server that speaks Chat Completions, and what its answer means. No I/O.

Used for the embedded engine, MLX, LM Studio and any compatible server. llama.cpp adds `timings`;
others are timed from outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from localai.errors import (
    Unreachable,
)
from localai.options import wire_options
from localai.types import (
    ChatRequest,
    Done,
    Event,
    FinishReason,
    Loading,
    Locality,
    Message,
    NamedTool,
    ReasoningDelta,
    TextDelta,
    TokenLogprobs,
    Tool,
    ToolCall,
    ToolChoice,
    Usage,
)
from localai.wires.clock import AnswerClock, ServerTimes
from localai.wires.finish_reasons import finish_reason
from localai.wires.parts import data_url
from localai.wires.reasoning.splitter import ReasoningSplitter

# vLLM and SGLang know the second one, too; other servers do not look at what they do not know.
LLAMA_SERVER_MEASURED: Final[Mapping[str, Any]] = {"cache_prompt": False, "ignore_eos": True}
"""With these llama.cpp's server computes a whole prompt, and an answer to its limit of tokens."""


def request_body(request: ChatRequest) -> dict[str, Any]:
    """The body of a streaming `/v1/chat/completions` request."""
    body: dict[str, Any] = {
        # First, so that an option passed through by name cannot replace what follows.
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


def wire_tool(tool: Tool) -> dict[str, Any]:
    """A tool that the model may call."""
    function: dict[str, Any] = {"name": tool.name, "parameters": dict(tool.parameters)}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def wire_tool_choice(choice: ToolChoice) -> str | dict[str, Any]:
    """Which tool the model may or must call."""
    if isinstance(choice, NamedTool):
        return {"type": "function", "function": {"name": choice.name}}
    return choice


def wire_message(message: Message) -> dict[str, Any]:
    """One message; pictures become data URLs."""
    wire: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.images:
        pictures = [
            {"type": "image_url", "image_url": {"url": data_url(image)}} for image in message.images
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
) -> Iterator[Event]:
    """The events of a Chat Completions stream.

    Raises Unreachable if it ends without a finish reason: the connection broke.
    """
    usage: Usage | None = None
    server: Mapping[str, Any] | None = None
    finish: FinishReason | None = None
    server_reason: str | None = None
    tools: dict[int, dict[str, str]] = {}
    splitter = ReasoningSplitter()
    try:
        for chunk in chunks:
            if chunk.get("usage"):
                usage = _usage(chunk["usage"])
            server = chunk.get("timings") or server
            if progress := chunk.get("prompt_progress"):
                total = progress.get("total") or 0
                if total:
                    yield Loading("reading the prompt", progress.get("processed", 0) / total)
            for choice in chunk.get("choices") or ():
                if (choice.get("delta") or {}).get("tool_calls"):
                    clock.piece()
                for event in _choice_events(choice, tools):
                    clock.piece(reasoning=isinstance(event, ReasoningDelta))
                    if isinstance(event, TextDelta):
                        yield from splitter.feed(event.text)
                    else:
                        yield event
                if reason := finish_reason(said := choice.get("finish_reason")):
                    finish, server_reason = reason, str(said)
    except Exception:
        # What the splitter still holds is part of what came.
        yield from splitter.close()
        raise
    yield from splitter.close()
    if finish is None:
        raise Unreachable("the answer broke off: the server closed the connection")
    if tools and finish == "stop":
        # What OpenAI says of a call that was demanded by name.
        finish = "tool_calls"
    for call in tools.values():
        yield ToolCall(call["id"], call["name"], call["arguments"])
    if server is not None and server.get("cache_n") is not None and usage is not None:
        usage = Usage(
            usage.input_tokens, usage.output_tokens, int(server["cache_n"]), usage.reasoning_tokens
        )
    if finish == "length" and _filled(usage, context_tokens):
        finish = "context"
    known = usage or Usage()
    timings = clock.timings(known, None if server is None else _server_times(server), load_s)
    yield Done(finish, known, timings, locality, context_tokens, server_reason)


def _filled(usage: Usage | None, context_tokens: int | None) -> bool:
    if usage is None or context_tokens is None:
        return False
    return (usage.input_tokens or 0) + (usage.output_tokens or 0) >= context_tokens - 1


def _choice_events(choice: Mapping[str, Any], tools: dict[int, dict[str, str]]) -> Iterator[Event]:
    delta = choice.get("delta") or {}
    if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
        yield ReasoningDelta(reasoning)
    if text := delta.get("content"):
        yield TextDelta(text)
    for call in delta.get("tool_calls") or ():
        slot = tools.setdefault(call.get("index", 0), {"id": "", "name": "", "arguments": ""})
        function = call.get("function") or {}
        slot["id"] = call.get("id") or slot["id"]
        slot["name"] += function.get("name") or ""
        slot["arguments"] += function.get("arguments") or ""
    for token in (choice.get("logprobs") or {}).get("content") or ():
        yield TokenLogprobs(
            token["token"],
            token["logprob"],
            tuple((other["token"], other["logprob"]) for other in token.get("top_logprobs") or ()),
        )


def _server_times(timings: Mapping[str, Any]) -> ServerTimes:
    """llama.cpp's `timings`: milliseconds; `predicted_n` counts the first token, and
    `predicted_ms` begins with it."""
    return ServerTimes(
        timings.get("prompt_n"),
        _seconds(timings.get("prompt_ms")),
        timings.get("predicted_n"),
        _seconds(timings.get("predicted_ms")),
    )


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _usage(raw: Mapping[str, Any]) -> Usage:
    return Usage(
        input_tokens=raw.get("prompt_tokens"),
        output_tokens=raw.get("completion_tokens"),
        cached_tokens=(raw.get("prompt_tokens_details") or {}).get("cached_tokens"),
        reasoning_tokens=(raw.get("completion_tokens_details") or {}).get("reasoning_tokens"),
    )
