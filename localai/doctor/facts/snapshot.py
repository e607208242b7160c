"""The snapshot: all facts that doctor has, and the subjects that could not be looked at."""

from __future__ import annotations

from collections.abc import Mapping

from localai.dataclass import dataclass
from localai.doctor.facts.machine import Environment, Folder, Graphics, Kernel
from localai.doctor.facts.models import ModelFile, ModelFolder, OllamaStore
from localai.doctor.facts.own import EngineFacts, Own
from localai.doctor.facts.servers import (
    Listener,
    LlamaServer,
    LmStudioFacts,
    OllamaFacts,
    OllamaService,
    OwnServerFacts,
    ServerState,
    Vllm,
)
from localai.hardware.facts import Machine


@dataclass(frozen=True, slots=True)
class Missing:
    """A subject that could not be looked at, and the reason."""

    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class Trust:
    """The basis of connections: certificates, names, the clock.

    `ca_files` maps a variable that names certificates to the fault of the file; "" for none.
    `default_authorities` is the number of certificates that Python finds by itself. `localhost` are
    the addresses of that name, in their order.
    """

    ca_files: Mapping[str, str] | None = None
    default_authorities: int | None = None
    localhost: tuple[str, ...] | None = None
    proxy: str | None = None
    proxy_state: ServerState | None = None


@dataclass(frozen=True, slots=True)
class Deep:
    """The results of `--deep`. Speeds are in tokens per second."""

    answer: str | None = None
    answer_error: str | None = None
    measured_tokens_per_s: float | None = None
    predicted_low: float | None = None
    predicted_high: float | None = None
    damaged: tuple[str, ...] | None = None
    unreadable: tuple[str, ...] | None = None
    database: str | None = None


@dataclass(frozen=True, slots=True)
class AskedRegistry:
    """A registry that `--online` asked. `issuer` is the issuer of its certificate, `status` the
    status of its answer."""

    host: str | None = None
    error: str | None = None
    status: int | None = None
    issuer: str | None = None
    trusted: bool | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All facts, taken at `taken_at` (seconds since the epoch) by localai `version`."""

    version: str | None = None
    taken_at: float | None = None
    machine: Machine | None = None
    environment: Environment | None = None
    graphics: Graphics | None = None
    kernel: Kernel | None = None
    ollama: OllamaFacts | None = None
    service: OllamaService | None = None
    lmstudio: LmStudioFacts | None = None
    own_servers: tuple[OwnServerFacts, ...] | None = None
    listeners: tuple[Listener, ...] | None = None
    llama_servers: tuple[LlamaServer, ...] | None = None
    vllm: Vllm | None = None
    places: tuple[Folder, ...] | None = None
    models: tuple[ModelFile, ...] | None = None
    model_folders: tuple[ModelFolder, ...] | None = None
    ollama_store: OllamaStore | None = None
    engine: EngineFacts | None = None
    own: Own | None = None
    trust: Trust | None = None
    packages: Mapping[str, str] | None = None
    deep: Deep | None = None
    asked: tuple[AskedRegistry, ...] | None = None
    missing: tuple[Missing, ...] = ()
