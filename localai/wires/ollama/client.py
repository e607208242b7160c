"""Requests to Ollama's native API, and the meaning of its answers. No I/O.

Times are nanoseconds on the server's clock. `truncate` is always off: with it, Ollama silently cuts
a prompt. `shift` silently cuts the beginning of the conversation, but only when the context becomes
full. A `shift` or `num_ctx` that differs from the last request's makes Ollama restart the model's
runner, for localai and for every other program that uses it. So both are sent only if they matter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from localai.errors import (
    InsufficientResources,
    InvalidInput,
    LocalaiError,
    NotFound,
    PolicyRefused,
    ProviderRefused,
)
from localai.options import wire_options
from localai.types import (
    Capability,
    ChatRequest,
    Event,
    FinishReason,
    Message,
    Options,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolChoice,
    Usage,
)
from localai.wires.chat_completions.client import wire_tool
from localai.wires.clock import ServerTimes
from localai.wires.finish_reasons import finish_reason
from localai.wires.loose import (
    Halves,
    arguments_text,
    count_of,
    logprobs_of,
    number_of,
    object_of,
    objects_of,
    text_of,
)
from localai.wires.parts import arguments_of, base64_of
from localai.wires.refusals import (
    Meaning,
    Refusal,
    ServerWords,
    failure,
    final_error,
    refused_schema,
)

# Further options. Ollama ignores options that it does not know, and says so only in its log.
_FURTHER_OPTIONS = frozenset(
    {
        "main_gpu",
        "mirostat",
        "mirostat_eta",
        "mirostat_tau",
        "num_batch",
        "num_ctx",
        "num_gpu",
        "num_keep",
        "num_thread",
        "penalize_newline",
        "repeat_last_n",
        "typical_p",
        "use_mmap",
    }
)
_CAPABILITIES: Mapping[str, Capability] = {
    "completion": "completion",
    "tools": "tools",
    "vision": "vision",
    "thinking": "thinking",
    "embedding": "embedding",
}
# The family that takes levels of thinking and cannot be told not to think.
_LEVEL_FAMILIES = ("gptoss", "gpt-oss")


# Requests


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
    if message.images:
        wire["images"] = [base64_of(image) for image in message.images]
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


def wire_think(
    think: str | None, capabilities: frozenset[Capability] | None, family: str
) -> bool | str | None:
    """The value of `think`; None means not to send it.

    For a model that cannot think, `think` is never sent, because Ollama would refuse the request. A
    model that can think does so unless the user says `off`; that is Ollama's own default, made
    explicit. Only gpt-oss takes levels, and it cannot be told not to think: there `off` becomes
    `low`.
    """
    if capabilities is None:
        return None if think is None else think != "off"
    if "thinking" not in capabilities:
        return None
    if family in _LEVEL_FAMILIES:
        return {"off": "low", "on": "medium", None: "medium"}.get(think, think)
    return think != "off"


# Answers


def remote_of(document: Mapping[str, Any]) -> str | None:
    """The host of the other machine that computes the answer, from the fields of a model or a
    chunk; None if they name none."""
    host, model = document.get("remote_host"), document.get("remote_model")
    if not host and not model:
        return None
    return str(host or f"its cloud, as {model}")


def remote_by_name(name: str) -> str | None:
    """The host to which Ollama sends requests for a model because of its name alone (`x:cloud`,
    `x:8b-cloud`); None for other names.

    Newer versions of Ollama pass such requests through, and then no answer names the machine that
    it came from.
    """
    tag = name.rpartition("/")[2].partition(":")[2].strip().lower()
    return "its cloud" if tag == "cloud" or tag.endswith("-cloud") else None


def capabilities_of(document: Mapping[str, Any]) -> frozenset[Capability] | None:
    """The capabilities of a model, from its document in `/api/tags` or `/api/show`; None if an old
    server does not state them."""
    listed = document.get("capabilities")
    if not listed:
        return None
    known = {_CAPABILITIES[name] for name in listed if name in _CAPABILITIES}
    return frozenset(known | {"schema"}) if "completion" in known else frozenset(known)


def context_limit_of(show: Mapping[str, Any]) -> int | None:
    """The largest context that the model was made for, in tokens."""
    info = show.get("model_info") or {}
    architecture = info.get("general.architecture")
    limit = info.get(f"{architecture}.context_length")
    if limit is None:
        limit = (show.get("details") or {}).get("context_length")
    return int(limit) if limit else None


def blob_of(modelfile: str | None) -> Path | None:
    """The path of the file that a model's Modelfile names, in the model store of that server."""
    found = re.search(r"^FROM (/.+)$", modelfile or "", re.MULTILINE)
    return Path(found[1].strip()) if found else None


def own_limit_of(show: Mapping[str, Any]) -> int | None:
    """The `num_predict` that the model's maker wrote into it; None if there is no limit."""
    found = re.search(r"^num_predict\s+(\d+)", show.get("parameters") or "", re.MULTILINE)
    return int(found[1]) if found and int(found[1]) > 0 else None


def own_context_of(show: Mapping[str, Any]) -> int | None:
    """The `num_ctx` that the model's maker wrote into it."""
    found = re.search(r"^num_ctx\s+(\d+)", show.get("parameters") or "", re.MULTILINE)
    return int(found[1]) if found else None


class ChunkReader:
    """Reads the lines of one chat. A line may end with one half of a surrogate pair."""

    def __init__(self) -> None:
        self._text, self._reasoning = Halves(), Halves()
        self._calls = 0

    def events(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        """The events of one line."""
        message = object_of(chunk.get("message"))
        if reasoning := self._reasoning.feed(text_of(message.get("thinking"))):
            yield ReasoningDelta(reasoning)
        if text := self._text.feed(text_of(message.get("content"))):
            yield TextDelta(text)
        for call in objects_of(message.get("tool_calls")):
            function = object_of(call.get("function"))
            arguments = arguments_text(function.get("arguments") or {})
            call_id = text_of(call.get("id")) or f"call_{self._calls}"
            self._calls += 1
            yield ToolCall(call_id, text_of(function.get("name")), arguments)
        yield from logprobs_of(chunk.get("logprobs"))

    def held_back(self) -> Iterator[Event]:
        """The half of a surrogate pair whose other half never came; empty if there is none."""
        if reasoning := self._reasoning.close():
            yield ReasoningDelta(reasoning)
        if text := self._text.close():
            yield TextDelta(text)


def usage_of(end: Mapping[str, Any]) -> Usage:
    """The counts of a chat's last line. The server leaves out a zero, so a missing count is taken
    as unknown."""
    return Usage(
        input_tokens=count_of(end.get("prompt_eval_count")),
        output_tokens=count_of(end.get("eval_count")),
        cached_tokens=count_of(end.get("prompt_eval_cached_count")),
    )


def finish_of(end: Mapping[str, Any], context_tokens: int, tools_called: bool) -> FinishReason:
    """Why an answer ended. Ollama says `length` for both a full context and the token limit.

    Raises Unreachable if Ollama says that it failed.
    """
    # Old versions give no reason for a normal end.
    reason = finish_reason(end.get("done_reason"), "Ollama") or "stop"
    if tools_called:
        return "tool_calls"
    if reason != "length":
        return reason
    usage = usage_of(end)
    used = (usage.input_tokens or 0) + (usage.output_tokens or 0)
    return "context" if used >= context_tokens - 1 else "length"


def server_times(end: Mapping[str, Any], freshly_loaded: bool) -> ServerTimes:
    """The server's measurements in a chat's last line.

    `prompt_eval_count` includes cached tokens, and `prompt_eval_duration` does not. So the number
    of computed tokens is known only in two cases: the server says how many tokens were cached, or
    the model was loaded for this very request, so that none can have been cached.
    """
    usage = usage_of(end)
    cached = usage.cached_tokens
    computed = None
    if cached is not None or freshly_loaded:
        computed = max(0, (usage.input_tokens or 0) - (cached or 0))
    return ServerTimes(
        computed,
        seconds(end.get("prompt_eval_duration")),
        usage.output_tokens,
        seconds(end.get("eval_duration")),
    )


def seconds(nanoseconds: Any) -> float | None:
    """Nanoseconds as seconds; None if the value is no number."""
    number = number_of(nanoseconds)
    return None if number is None else number / 1e9


# Refusals


def _sign_in(refusal: Refusal) -> LocalaiError:
    address = refusal.error.get("signin_url")
    return ProviderRefused(
        f"Ollama's cloud wants you to sign in for {refusal.model}",
        hint=f"it opens {address}" if address else None,
        command="ollama signin",
    )


_WORDS = ServerWords(
    (
        Meaning(_sign_in, statuses=frozenset({401})),
        Meaning(
            lambda said: PolicyRefused(f"Ollama itself refuses {said.model}: {said.message}"),
            statuses=frozenset({403}),
        ),
        Meaning(
            lambda said: NotFound(
                f"Ollama has no model {said.model!r}", command=("localai", "pull", said.model)
            ),
            statuses=frozenset({404}),
        ),
        Meaning(
            lambda said: InsufficientResources(
                f"Ollama has not enough memory for {said.model}: {said.message}",
                hint="a smaller model, or a smaller --ctx",
            ),
            text="system memory|out of memory",
        ),
        refused_schema("Ollama"),
        Meaning(
            lambda said: InvalidInput(
                f"Ollama: {said.message}", command=("localai", "show", said.model)
            ),
            text="does not support",
        ),
    ),
    when_failed={"command": "ollama ps"},
    context_grows=True,
)


def refusal(status: int, document: Any, model: str, context_tokens: int | None) -> LocalaiError:
    """Our error for a refusal of Ollama's; `context_tokens` is the context that was allocated for
    the request."""
    fields = document if isinstance(document, dict) else {"error": document}
    inner = _innermost(fields)
    message = str(inner.get("message") or inner.get("error") or fields)
    return final_error(
        failure(
            "Ollama",
            status,
            {**fields, **inner, "message": message},
            {},
            words=_WORDS,
            model=model,
            context_tokens=context_tokens,
        )
    )


def _innermost(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The innermost error object. The runner's error comes as JSON in a string in Ollama's
    error."""
    error = document.get("error")
    if isinstance(error, str) and error.lstrip().startswith("{"):
        try:
            error = json.loads(error)
        except (ValueError, RecursionError):
            return document
    return _innermost(error) if isinstance(error, dict) else document
