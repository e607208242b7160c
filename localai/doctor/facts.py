"""What doctor knows of a machine: frozen values, taken once, of which checks are functions.

A field that is None is unknown, never "no": an empty tuple or text is the "no" that was seen.
Nothing here looks at anything (`doctor.capture`) or judges (`doctor.checks`). No secret is ever
part of it: of a key in the environment there is the name, of a history the fact that it has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from localai.dataclass import dataclass
from localai.hardware.facts import Machine

ServerState = Literal[
    "answers", "refused", "silent", "something_else", "stranger", "elsewhere", "no_address"
]
"""refused: nobody listens. silent: a connection, no answer in time. something_else: what answers
is another program. stranger: another user of this machine runs it. elsewhere: it is not on this
machine, and was not asked. no_address: where it is cannot be read."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A subject that could not be looked at, and why."""

    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class Environment:
    """The user's variables that matter here, as they were before localai changed its own.

    `variables` has no secret in it; `keys` are the names of those that are. `shell_keys` maps a
    shell's history to the names of keys that were typed into it. `open_histories` are what other
    tools keep of prompts and everybody on this machine may read.
    """

    variables: Mapping[str, str] | None = None
    keys: tuple[str, ...] | None = None
    shell_keys: tuple[str, ...] | None = None
    shell: str | None = None
    open_histories: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class DeviceNode:
    """A device file: whether this user may open it, and the group that may."""

    path: str | None = None
    usable: bool | None = None
    group: str | None = None
    group_id: int | None = None


@dataclass(frozen=True, slots=True)
class Graphics:
    """The software between a program and a graphics processor.

    `pci_vendors` are the makers that the PCI bus shows, with `kernel_drivers` in use. Versions are
    texts such as "570.86"; "" where the thing is certainly not there. `nodes` are those of the
    device files that matter and exist. `smi` is what became of asking NVIDIA's tool. `targets` are
    what AMD's kernel driver calls its processors to compilers ("gfx1100").
    """

    pci_vendors: tuple[str, ...] | None = None
    kernel_drivers: tuple[str, ...] | None = None
    nvidia_module: str | None = None
    nvidia_library: str | None = None
    smi: Literal["answers", "hangs", "fails", "absent"] | None = None
    smi_words: str | None = None
    nodes: tuple[DeviceNode, ...] | None = None
    groups: tuple[str, ...] | None = None
    group_ids: tuple[int, ...] | None = None
    rocm: str | None = None
    wsl_library: bool | None = None
    native_library_in_wsl: bool | None = None
    vulkan_drivers: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the system says of itself now.

    Pressures are percentages of time in which some process waited. `suspended_s` is how long the
    machine has slept since it was started. `oom_kills` counts those of our own control group.
    `throttled` says that the processor slows itself for its heat. `user_namespaces` says whether a
    user may make one. `mac_version` is e.g. "15.3", "" elsewhere.
    """

    memory_pressure_60s: float | None = None
    cpu_pressure_10s: float | None = None
    suspended_s: float | None = None
    oom_kills: int | None = None
    throttled: bool | None = None
    user_namespaces: bool | None = None
    init: str | None = None
    mac_version: str | None = None
    now: float | None = None


@dataclass(frozen=True, slots=True)
class RunningModel:
    """A model that Ollama holds in memory; sizes in bytes."""

    name: str | None = None
    size_bytes: int | None = None
    gpu_bytes: int | None = None
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that a server lists; `remote` is where it is really computed, "" for here."""

    name: str | None = None
    remote: str | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """A program on this machine: where it is and, where that was asked, its version."""

    path: str | None = None
    origin: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class ServerLog:
    """What a log of Ollama's says that matters; `line` is the line itself."""

    gpu_found: bool | None = None
    dropped_integrated: str | None = None
    driver_too_old: str | None = None


@dataclass(frozen=True, slots=True)
class Ollama:
    """Ollama here: its programs, its address as written, and what the server answers.

    `address_error` is "" where the address could be read. `environment` is the one in which the
    server runs, as far as it may be seen. `gpu_libraries` are the folders of libraries beside the
    program (`cuda_v12`, `rocm`, …).
    """

    programs: tuple[Program, ...] | None = None
    client_version: str | None = None
    written_address: str | None = None
    written_in: str | None = None
    address: str | None = None
    address_error: str | None = None
    state: ServerState | None = None
    said: str | None = None
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
    """A file of systemd's that changes a unit, and whether it has the section it needs."""

    path: str | None = None
    has_section: bool | None = None


@dataclass(frozen=True, slots=True)
class OllamaService:
    """Ollama as a service of systemd's; `exists` False where there is none."""

    exists: bool | None = None
    active: str | None = None
    result: str | None = None
    user: str | None = None
    environment: Mapping[str, str] | None = None
    drop_ins: tuple[DropIn, ...] | None = None


@dataclass(frozen=True, slots=True)
class LmStudio:
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
class OwnServer:
    """A server of the configuration, `[endpoint.NAME]`. `key_set` is None where it names none."""

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
    """A llama-server that runs: whether somebody has bounded its cache of prompts."""

    pid: int | None = None
    is_bounded: bool | None = None


@dataclass(frozen=True, slots=True)
class Vllm:
    """The program vllm, "" where there is none. `needs` is CUDA's runtime as its library names it,
    "" for none; `is_there` whether that is found."""

    program: str | None = None
    needs: str | None = None
    is_there: bool | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """Who listens on a port at which servers of models usually do. `open` says that it is not
    bound to loopback; `keyless` that it answered a request without a key."""

    port: int | None = None
    address: str | None = None
    open: bool | None = None
    user: str | None = None
    program: str | None = None
    keyless: bool | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that something needs, and the disk below it.

    `blocked_by` is the first folder on the way that this user may not enter, "" where all are
    open. `mount` is where its file system begins and `kind` what that is ("ext4", "nfs4",
    "fuse.sshfs"); `no_programs` says that none may be started from it.
    """

    purpose: str | None = None
    path: str | None = None
    exists: bool | None = None
    writable: bool | None = None
    owner: str | None = None
    mode: int | None = None
    blocked_by: str | None = None
    read_only: bool | None = None
    no_programs: bool | None = None
    mount: str | None = None
    kind: str | None = None
    rotational: bool | None = None
    total_bytes: int | None = None
    free_bytes: int | None = None
    total_inodes: int | None = None
    free_inodes: int | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A model file. `problem` is why its header cannot be read, "" where it can.

    `template_problems` and `template_suspicions` are sentences. `answers` says that it is made for
    chat, so that it needs a template. `supported` says whether the embedded engine has its
    architecture.
    """

    name: str | None = None
    store: str | None = None
    path: str | None = None
    size_bytes: int | None = None
    problem: str | None = None
    architecture: str | None = None
    supported: bool | None = None
    answers: bool | None = None
    has_template: bool | None = None
    template_problems: tuple[str, ...] | None = None
    template_suspicions: tuple[str, ...] | None = None
    missing_parts: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Blob:
    """A layer that a manifest of Ollama's names: its size there, and on the disk (None: gone)."""

    model: str | None = None
    path: str | None = None
    expected_bytes: int | None = None
    size_bytes: int | None = None
    exists: bool | None = None


@dataclass(frozen=True, slots=True)
class OllamaStore:
    """Ollama's store as this user's programs see it."""

    path: str | None = None
    readable: bool | None = None
    models: int | None = None
    broken_manifests: tuple[str, ...] | None = None
    bad_blobs: tuple[Blob, ...] | None = None
    needs: Mapping[str, str] | None = None
    partial_files: int | None = None
    partial_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """The embedded engine, loaded in a child: how that ended, and what it sees.

    `ended` is "ok", "missing", "signal 4", "exit 1" or "silent"; `devices` are its graphics
    processors. `mlx` is the same for MLX, "" where this is no machine for it.
    """

    version: str | None = None
    ended: str | None = None
    words: str | None = None
    devices: tuple[str, ...] | None = None
    mlx: str | None = None
    mlx_words: str | None = None
    working_set_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker of the embedded engine, or the folder that one has left."""

    folder: str | None = None
    pid: int | None = None
    alive: bool | None = None
    engine: str | None = None
    network_denied: bool | None = None
    denial: str | None = None
    age_s: float | None = None


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A setting that is not at its default, and where it was set."""

    key: str | None = None
    value: str | None = None
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Own:
    """Localai itself: its installations, settings, database, workers and leftovers.

    `config_error` is "" where the configuration can be read. `database` is "ok", "none", "newer",
    "damaged" or what SQLite said. `unreadable_keys` are `LOCALAI_…` variables that mean nothing.
    `loose_files` are private files that others may read. `model_place` says where the chosen model
    is, "" where none is chosen; "elsewhere" was not looked at.
    `completion` are the installed completion scripts that are not what this version prints.
    """

    version: str | None = None
    program: str | None = None
    on_path: tuple[str, ...] | None = None
    script_folder: str | None = None
    script_folder_on_path: bool | None = None
    config_file: str | None = None
    config_error: str | None = None
    settings: tuple[SettingValue, ...] | None = None
    secret_in_config: tuple[str, ...] | None = None
    unknown_variables: tuple[str, ...] | None = None
    model: str | None = None
    model_bytes: int | None = None
    model_place: Literal["", "here", "missing", "elsewhere"] | None = None
    database: str | None = None
    database_file: str | None = None
    workers: tuple[Worker, ...] | None = None
    leftovers: tuple[str, ...] | None = None
    leftover_bytes: int | None = None
    loose_files: tuple[str, ...] | None = None
    completion: tuple[str, ...] | None = None
    catalogue_date: str | None = None
    prices_date: str | None = None


@dataclass(frozen=True, slots=True)
class Trust:
    """What connections rest on: certificates, names, the clock.

    `ca_files` maps a variable that names certificates to what is wrong with the file, "" for
    nothing. `default_authorities` is how many certificates Python finds by itself.
    `localhost` are the addresses of that name, in their order.
    """

    ca_files: Mapping[str, str] | None = None
    default_authorities: int | None = None
    localhost: tuple[str, ...] | None = None
    proxy: str | None = None
    proxy_state: ServerState | None = None


@dataclass(frozen=True, slots=True)
class Deep:
    """What was tried because `--deep` asked for it; speeds in tokens per second."""

    answer: str | None = None
    answer_error: str | None = None
    measured_tokens_per_s: float | None = None
    predicted_low: float | None = None
    predicted_high: float | None = None
    damaged: tuple[str, ...] | None = None
    unreadable: tuple[str, ...] | None = None
    database: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A registry that was asked because `--online` said so. `issuer` is that of the certificate
    that was shown; `status` that of the answer."""

    host: str | None = None
    error: str | None = None
    status: int | None = None
    issuer: str | None = None
    trusted: bool | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of it, taken at `taken_at` (seconds since the epoch) by localai `version`."""

    version: str | None = None
    taken_at: float | None = None
    machine: Machine | None = None
    environment: Environment | None = None
    graphics: Graphics | None = None
    kernel: Kernel | None = None
    ollama: Ollama | None = None
    service: OllamaService | None = None
    lmstudio: LmStudio | None = None
    own_servers: tuple[OwnServer, ...] | None = None
    listeners: tuple[Listener, ...] | None = None
    llama_servers: tuple[LlamaServer, ...] | None = None
    vllm: Vllm | None = None
    places: tuple[Place, ...] | None = None
    models: tuple[Model, ...] | None = None
    ollama_store: OllamaStore | None = None
    engine: Engine | None = None
    own: Own | None = None
    trust: Trust | None = None
    packages: Mapping[str, str] | None = None
    deep: Deep | None = None
    asked: tuple[Asked, ...] | None = None
    missing: tuple[Missing, ...] = ()
