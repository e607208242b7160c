"""Questions to Ollama's native API. No I/O.

`truncate` is always off: with it, Ollama silently cuts a prompt. `shift` silently cuts the
beginning of the conversation, but only when the context becomes full. A `shift` or `num_ctx` that
differs from the last request's makes Ollama restart the model's runner, for localai and for every
other program that uses it. So both are sent only if they matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localai.errors import (
    InvalidInput,
)
from localai.sampling_options import wire_options
from localai.types import (
    Capability,
    ChatRequest,
    Message,
    Options,
    Think,
    ToolCall,
    ToolChoice,
)
from localai.wires.parts import arguments_of, base64_of
from localai.wires.think import knows_no_levels, thinks_anyway, thinks_little

# Further options, as in the api/types.go of Ollama 0.17: those that llama.cpp has besides, such as
# mirostat, went with Ollama's own runner. Ollama ignores options that it does not know, and says so
# only in its log.
_FURTHER_OPTIONS = frozenset(
    {
        "main_gpu",
        "num_batch",
        "num_ctx",
        "num_gpu",
        "num_keep",
        "num_thread",
        "repeat_last_n",
        "typical_p",
        "use_mmap",
    }
)


_LEVELS = ("low", "medium", "high")
# The family that takes nothing but levels of thinking and cannot be told not to think.
_LEVEL_FAMILIES = ("gptoss", "gpt-oss")


def chat_body(
    request: ChatRequest,
    *,
    context_tokens: int | None,
    may_shift: bool,
    think: bool | str | None,
    keep_alive: float | None,
) -> dict[str, Any]:
    """The body of a streaming `/api/chat`. Raises InvalidInput for an option that Ollama lacks.

    If `context_tokens` is None, Ollama chooses the context. `may_shift` says that the context is
    large enough for prompt and answer, so that a shift could cut nothing.
    """
    body: dict[str, Any] = {
        "model": request.model.id,
        "messages": wire_messages(request.messages),
        "stream": True,
        "truncate": False,
        "options": all_options(request.options),
    }
    if context_tokens is not None:
        body["options"]["num_ctx"] = context_tokens
    if not may_shift:
        body["shift"] = False
    if think is not None:
        body["think"] = think
    if keep_alive is not None:
        body["keep_alive"] = wire_keep_alive(keep_alive)
    if request.schema is not None:
        from localai.wires.schemas.grammar import held_by_grammar

        body["format"] = held_by_grammar(request.schema).document
    if request.logprobs is not None:
        body["logprobs"] = True
        body["top_logprobs"] = request.logprobs
    if request.tools and request.tool_choice != "none":
        from localai.wires.chat_completions.client import wire_tool

        _refuse_demand(request.tool_choice)
        body["tools"] = [wire_tool(tool) for tool in request.tools]
    return body


def _refuse_demand(choice: ToolChoice | None) -> None:
    if choice not in (None, "auto"):
        raise InvalidInput(
            "Ollama cannot be made to call a tool: its models choose",
            hint="leave the choice of tools at auto, or take another provider",
        )


def wire_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages; pictures are base64, and the result of a tool also has the tool's name."""
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    return [_wire_message(message, names) for message in messages]


def _wire_message(message: Message, names: Mapping[str, str]) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.pictures:
        wire["images"] = [base64_of(picture) for picture in message.pictures]
    if message.tool_calls:
        wire["tool_calls"] = [wire_tool_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
        if name := names.get(message.tool_call_id):
            wire["tool_name"] = name
    return wire


def wire_tool_call(call: ToolCall) -> dict[str, Any]:
    """A call that the model made; its arguments are an object here."""
    arguments = arguments_of(call.arguments)
    return {"id": call.id, "function": {"name": call.name, "arguments": arguments}}


def all_options(options: Options) -> dict[str, Any]:
    """The options that were set, under Ollama's names. Raises InvalidInput for unknown ones."""
    unknown = sorted(set(options.extra) - _FURTHER_OPTIONS)
    if unknown:
        raise InvalidInput(
            f"Ollama has no option {unknown[0]!r}",
            hint="beside the common ones it has: " + ", ".join(sorted(_FURTHER_OPTIONS)),
        )
    return {**wire_options(options, "ollama", "ollama"), **options.extra}


def wire_keep_alive(seconds: float) -> float | int:
    """The `keep_alive` for Ollama, in which a negative number means for ever."""
    if seconds == float("inf"):
        return -1
    return int(seconds) if seconds == int(seconds) else seconds


def think_doubt(
    model: str,
    think: Think | None,
    capabilities: frozenset[Capability] | None,
    family: str,
    may_think_off: bool | None,
    has_levels: bool | None,
) -> str | None:
    """What is to be said where `think` has no effect on a model that thinks; None where it has, or
    where nothing tells. The last two are what the model's template knows."""
    if think in (None, "on") or "thinking" not in (capabilities or ()):
        return None
    if family in _LEVEL_FAMILIES:
        return thinks_little(model) if think == "off" else None
    if think == "off":
        return thinks_anyway(model) if may_think_off is False else None
    return knows_no_levels(model, think) if has_levels is False else None


def wire_think(
    think: str | None, capabilities: frozenset[Capability] | None, family: str
) -> bool | str | None:
    """The value of `think`; None means not to send it.

    For a model that cannot think, `think` is never sent, because Ollama would refuse the request. A
    model that can think does so unless the user says `off`; that is Ollama's own default, made
    explicit. A level is sent as one: newer versions take it for every model (0.33 hands it to Qwen
    3.8, Glimmer and templates that ask for it), older ones refuse it (`refuses_level`). gpt-oss
    takes nothing but levels, and cannot be told not to think: there `off` becomes `low`.
    """
    if capabilities is None:
        return None if think is None else think != "off"
    if "thinking" not in capabilities:
        return None
    if family in _LEVEL_FAMILIES:
        return {"off": "low", "on": "medium", None: "medium"}.get(think, think)
    return think if think in _LEVELS else think != "off"
