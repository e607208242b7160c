"""The values that cross module borders: zones, models, messages and requests. What comes back for a
request is in `events`.

Standard library only, frozen and slotted: importing them costs nothing. A field that is None
is unknown, never zero. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, Literal

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
    as they are (an Ollama `num_thread`, a llama.cpp `mirostat`).
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
class Picture:
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
    pictures: tuple[Picture, ...] = ()
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
