"""The values that cross module borders: models, messages, requests, stream events.

Standard library only, frozen and slotted: importing them costs nothing. A field that is None
is unknown, never zero. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import field
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, Final, Literal

from localai.dataclass import dataclass

ZoneName = Literal["device", "lan", "cloud"]


class Zone(IntEnum):
    """How far away something is computed or stored; a larger zone is farther from the user."""

    DEVICE = 0
    LAN = 1
    CLOUD = 2

    @property
    def label(self) -> ZoneName:
        """The name used in JSON and on the screen."""
        return _ZONE_NAMES[self]


_ZONE_NAMES: dict[Zone, ZoneName] = {
    Zone.DEVICE: "device",
    Zone.LAN: "lan",
    Zone.CLOUD: "cloud",
}


class Purpose(Enum):
    """Why a connection is made."""

    INFERENCE = "inference"
    DOWNLOAD = "download"
    PROBE = "probe"


@dataclass(frozen=True, slots=True)
class EgressRecord:
    """A connection that was permitted to leave this machine: where to and why, never what was said.

    `at`, in seconds since the epoch, is when the connection was begun: the entry exists even if the
    other side never answered. `host` is the name that was resolved or given, `address` the one that
    was connected to.
    """

    at: float
    command: str
    purpose: Purpose
    host: str
    address: str
    port: int


Capability = Literal["completion", "tools", "vision", "thinking", "embedding", "schema"]


@dataclass(frozen=True, slots=True)
class ModelRef:
    """What the user typed: a `name`, and the provider if it was named (`provider/name`)."""

    text: str
    provider: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Options:
    """Sampling options; None leaves the choice to the engine.

    `extra` are options that one provider knows and that have no common name, passed through
    as they are (an Ollama `mirostat`, a llama.cpp `dry_multiplier`).
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model that exists: which provider serves it, under which id, and what is known of it.

    `path` is the GGUF file or MLX folder if a local engine opens it, `projector` the file that lets
    it see images, `adapter` one (a LoRA) that changes it. `zone` is where its answers are computed,
    by the provider's own facts; None is unproven. `evidence` says in a sentence
    what the zone rests on. `context_limit` is in tokens.
    `system_prompt` and `recommended` are the publisher's advice for a user who says nothing.
    `examples` are the messages with which every conversation begins, if the server does not add
    them. `context_tokens`, `kv_type` and `think` are what its maker or a `preset` sets, for a user
    who says nothing; `kv_type` and `gpu_layers` are the embedded engine's alone. `is_set` says that
    the user has set something of it for good, `system_is_set` that the system prompt is a preset's
    or the user's, and not its publisher's. `purpose` is set for a model that does not answer, and
    says what it does: "embeds texts".
    `has_chat_template` is of the files that a local engine opens. `go_template` is a template in
    Go's language that its maker set beside its files, `template_file` a chat template that a preset
    sets.
    """

    provider: str
    id: str
    zone: Zone | None
    evidence: str
    path: Path | None = None
    projector: Path | None = None
    adapter: Path | None = None
    context_limit: int | None = None
    capabilities: frozenset[Capability] | None = None
    size_bytes: int | None = None
    parameters: str | None = None
    quantization: str | None = None
    digest: str | None = None
    system_prompt: str | None = None
    recommended: Options = Options()
    examples: tuple[Message, ...] = ()
    context_tokens: int | None = None
    kv_type: str | None = None
    gpu_layers: int | None = None
    think: Think | None = None
    preset: str | None = None
    is_set: bool = False
    system_is_set: bool = False
    loaded: bool | None = None
    purpose: str | None = None
    has_chat_template: bool | None = None
    go_template: str | None = None
    template_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """Picture bytes and their media type, e.g. image/png."""

    data: bytes
    media_type: str


Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model's request to call a tool, as an event and in the conversation.

    `id` ties the tool's result to it; `arguments` is JSON text as the model wrote it.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. `reasoning` is kept apart from the text that was shown.

    An assistant's turn may have `tool_calls`. A turn of the role `tool` is the result of the call
    whose id is `tool_call_id`.
    """

    role: Role
    text: str
    images: tuple[Image, ...] = ()
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model may call; `parameters` is the JSON schema of its arguments."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})


@dataclass(frozen=True, slots=True)
class NamedTool:
    """The choice of one tool: the model must call it."""

    name: str


ToolChoice = Literal["auto", "none", "required"] | NamedTool
Think = Literal["off", "on", "low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question to a provider: the whole conversation so far and how to answer it.

    `context_tokens` is what the user asked for (`--ctx`), None to let the provider choose.
    `keep_alive_s` is how long the model stays loaded afterwards (0: not at all). `schema` is a JSON
    schema that the answer must satisfy. `think_tokens` is the most that it may think, where the
    provider's facts say that it takes such a budget. `force` skips the memory check.
    `stop_loops` ends an answer that repeats itself without end (`loops.without_loops`). `tools` are
    those that the model may call; localai does not run them. With `tool_choice` None the server
    chooses, which for all servers is "auto". `conversation` is the id (letters and digits) under
    which a provider may keep state of the conversation on this machine's disk, so that it need not
    be computed again; None keeps none. `chat_template` is used in place of the model's own.
    """

    model: ResolvedModel
    messages: tuple[Message, ...]
    options: Options = Options()
    schema: Mapping[str, Any] | None = None
    think: Think | None = None
    think_tokens: int | None = None
    context_tokens: int | None = None
    keep_alive_s: float | None = None
    logprobs: int | None = None
    force: bool = False
    stop_loops: bool = False
    conversation: str | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    chat_template: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the provider reports them.

    `input_tokens` includes the tokens read from a cache (`cached_tokens`, cheaper) and those
    written to one (`cache_write_tokens`, dearer at some clouds). `output_tokens` includes the
    reasoning.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Timings:
    """The time of one answer in its parts, raw: seconds, and the tokens that took them.

    `clock` says who measured load, prefill and decode: the server, or we from outside.
    `time_to_first_token_s` and `total_s` are always ours, from request to event. `prefill_tokens`
    are the prompt tokens that were computed, without cached ones. `decode_s` is the time from the
    first token of the answer to the last, and `decode_tokens` came in it: the first token comes out
    of the prefill and is not among them.
    """

    load_s: float | None = None
    time_to_first_token_s: float | None = None
    prefill_tokens: int | None = None
    prefill_s: float | None = None
    decode_tokens: int | None = None
    decode_s: float | None = None
    total_s: float | None = None
    clock: Literal["server", "client"] | None = None

    @property
    def prefill_tokens_per_s(self) -> float | None:
        """Computed prompt tokens a second; None if tokens or seconds are unknown or zero."""
        return _rate(self.prefill_tokens, self.prefill_s)

    @property
    def decode_tokens_per_s(self) -> float | None:
        """Answer tokens a second after the first; None if tokens or seconds are unknown or zero."""
        return _rate(self.decode_tokens, self.decode_s)


def _rate(tokens: int | None, seconds: float | None) -> float | None:
    return tokens / seconds if tokens and seconds and tokens > 0 and seconds > 0 else None


@dataclass(frozen=True, slots=True)
class Process:
    """A process on this machine."""

    pid: int | None
    name: str


@dataclass(frozen=True, slots=True)
class Locality:
    """Where an answer was computed, and what that claim rests on.

    `zone` None means unproven. `network_denied` is True only if the kernel itself keeps the
    computing process from the network; None is unknown.
    """

    zone: Zone | None
    evidence: str
    process: Process | None = None
    machine: str | None = None
    network_denied: bool | None = None


FinishReason = Literal["stop", "length", "context", "loop", "refusal", "tool_calls", "other"]
"""Why an answer ended: by itself, at the limit of tokens, at the end of the context, because it
repeated itself without end, because the provider would not answer, to have tools called, or for a
reason that nobody here knows."""

CUT: Final[tuple[FinishReason, ...]] = ("length", "context", "loop")
"""The reasons of an answer that did not come to its own end, and is an answer."""

EarlyEnd = Literal["cancelled", "failed"]
"""What is kept of an answer that has no `Done`: the user stopped it, or something broke."""


@dataclass(frozen=True, slots=True)
class Answering:
    """The model that answers from here on. A second such event means that another model has stepped
    in."""

    model: ResolvedModel


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is to be said to the user before the answer: it may not be what was asked for."""

    message: str


@dataclass(frozen=True, slots=True)
class Loading:
    """The provider is preparing (starting, loading, growing a context). `fraction` is None if
    unknown."""

    message: str
    fraction: float | None = None


def _whole_characters(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the model's reasoning, in whole characters like a TextDelta."""

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _whole_characters(self.text))


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer. A lone surrogate, which JSON can carry but neither UTF-8 nor the
    database can, becomes U+FFFD."""

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _whole_characters(self.text))


@dataclass(frozen=True, slots=True)
class ThinkingEnded:
    """All text so far was reasoning: a block has ended whose beginning was in the template. A
    caller that has shown that text already cannot take it back."""


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """A token, its log probability, and the likeliest alternatives, likeliest first."""

    token: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Done:
    """The end of an answer; the last event of every stream that did not raise.

    `context_tokens` is the context that the provider allocated, None if it does not say.
    `server_reason` is the server's own word for `finish_reason`, None if it gave none.
    """

    finish_reason: FinishReason
    usage: Usage
    timings: Timings
    locality: Locality
    context_tokens: int | None = None
    server_reason: str | None = None


Delta = ReasoningDelta | TextDelta | ThinkingEnded
"""What a model says, and what was known too late of it."""

Event = Answering | Doubt | Loading | Delta | ToolCall | TokenLogprobs | Done

Events = Generator[Event, None, None]
"""The events of one answer as they come; closing it stops the computation."""
