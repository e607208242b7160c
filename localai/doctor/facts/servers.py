"""The facts of the servers of models on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from localai.dataclass import dataclass

ServerState = Literal[
    "answers", "refused", "silent", "something_else", "stranger", "elsewhere", "no_address"
]
"""refused: nobody listens. silent: a connection, no answer in time. something_else: what answers
is another program. stranger: another user of this machine runs it. elsewhere: it is not on this
machine, and was not asked. no_address: where it is cannot be read."""


@dataclass(frozen=True, slots=True)
class RunningModel:
    """A model that Ollama holds in memory; sizes in bytes."""

    name: str | None = None
    size_bytes: int | None = None
    gpu_bytes: int | None = None
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that a server lists. `remote` is the host that really computes it; "" for this
    machine."""

    name: str | None = None
    remote: str | None = None


@dataclass(frozen=True, slots=True)
class InstalledProgram:
    """A program on this machine: its path and, if it was asked, its version."""

    path: str | None = None
    origin: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class ServerLog:
    """The facts that matter in a log of Ollama's. `line` is the log's own line."""

    gpu_found: bool | None = None
    dropped_integrated: str | None = None
    driver_too_old: str | None = None


@dataclass(frozen=True, slots=True)
class OllamaFacts:
    """Ollama here: its programs, its address as written, and its server's answers.

    `address_error` is "" if the address could be read. `answer` has the first words of an answer
    that is not Ollama's; `run_by` the users who listen at the address. `environment` is the
    server's environment, as far as it may be seen. `gpu_libraries` are the folders of libraries
    beside the program (`cuda_v12`, `rocm`, …).
    """

    programs: tuple[InstalledProgram, ...] | None = None
    client_version: str | None = None
    written_address: str | None = None
    written_in: str | None = None
    address: str | None = None
    address_error: str | None = None
    state: ServerState | None = None
    answer: str | None = None
    server_version: str | None = None
    run_by: str | None = None
    running: tuple[RunningModel, ...] | None = None
    models: tuple[ServedModel, ...] | None = None
    cloud_enabled: bool | None = None
    environment: Mapping[str, str] | None = None
    gpu_libraries: tuple[str, ...] | None = None
    log: ServerLog | None = None


@dataclass(frozen=True, slots=True)
class DropIn:
    """A systemd file that changes a unit, and whether it has the section that it needs."""

    path: str | None = None
    has_section: bool | None = None


@dataclass(frozen=True, slots=True)
class OllamaService:
    """Ollama as a systemd service. `exists` is False if there is no such unit."""

    exists: bool | None = None
    active: str | None = None
    result: str | None = None
    user: str | None = None
    environment: Mapping[str, str] | None = None
    drop_ins: tuple[DropIn, ...] | None = None


@dataclass(frozen=True, slots=True)
class LmStudioFacts:
    """LM Studio here. `runtimes` are the engines that it has downloaded."""

    installed: bool | None = None
    address: str | None = None
    state: ServerState | None = None
    token_wanted: bool | None = None
    error_in_answer: str | None = None
    runtimes: tuple[str, ...] | None = None
    linked: bool | None = None
    models: int | None = None


@dataclass(frozen=True, slots=True)
class OwnServerFacts:
    """A server of the configuration, `[endpoint.NAME]`. `key_set` is None if the configuration
    names no key variable."""

    name: str | None = None
    host: str | None = None
    port: int | None = None
    zone: str | None = None
    state: ServerState | None = None
    error: str | None = None
    key_variable: str | None = None
    key_set: bool | None = None


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """A running llama-server, and whether its cache of prompts is bounded."""

    pid: int | None = None
    is_bounded: bool | None = None


@dataclass(frozen=True, slots=True)
class Vllm:
    """The program vllm; "" if there is none. `needs` is the CUDA runtime that its library names, ""
    for none; `is_there` says whether that is found."""

    program: str | None = None
    needs: str | None = None
    is_there: bool | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener on a usual port of servers of models. `open` says that it is not bound to
    loopback; `keyless` that it answered a request without a key."""

    port: int | None = None
    address: str | None = None
    open: bool | None = None
    user: str | None = None
    program: str | None = None
    keyless: bool | None = None
