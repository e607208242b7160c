"""A `llama-server` of the user's: where it is, its version and options, and how it is started.

The package index's wheel of the engine computes on the CPU (and with Metal on a Mac). A user with a
build for the GPU, from Homebrew, a distribution or a compiler, names it in `engine.binary`. It then
runs as the embedded engine, on the same socket and with the same denial of the network.

Builds differ in their options, so each is asked for its own, and gets those of ours that it knows.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any, Final

from localai.dataclass import dataclass
from localai.engine.llamacpp.limits import CHECKPOINTS
from localai.engine.llamacpp.steps import steps
from localai.engine.llamacpp.threads import threads
from localai.errors import NotFound, Unreachable
from localai.files import content_key, user_path
from localai.remembered import Remembered

if TYPE_CHECKING:
    from localai.engine.worker_files import WorkerSpec

PROGRAM: Final = "llama-server"
_PROMPT_CACHE_MIB: Final = 256
_CARDS: Final = ("CUDA", "ROCm")
VERBOSITY: Final = 4
"""At 4 llama-server logs the memory projection, which the launcher reads; at 5, prompts too."""

_TIME_LIMIT_S: Final = 60.0
_CACHE_VERSION: Final = 2
_MOST: Final = 20
_VERSION: Final = re.compile(r"^version: (.+)$", re.MULTILINE)
_DEVICE: Final = re.compile(
    r"^  (?P<name>\S+): (?P<title>.+) \((?P<total>\d+) MiB, (?P<free>\d+) MiB free\)$", re.MULTILINE
)
_ASK_OWN: Final = """
import xllamacpp
for device in xllamacpp.get_device_info():
    if not device["type"].name.endswith("_CPU"):
        print(device["name"])
"""
_DRAFTS: Final = {"lookup": "ngram-map-k", "mtp": "draft-mtp"}
_FLAG: Final = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Device:
    """A device other than the CPU that a build computes on: `CUDA0`, `Vulkan0`, `MTL0`."""

    name: str
    title: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Binary:
    """A llama-server: its file, its version, its devices, the options that it knows, and whether it
    takes drafts from a model's own layers."""

    path: str
    version: str
    devices: tuple[Device, ...]
    options: frozenset[str]
    drafts_by_heads: bool = False

    @property
    def title(self) -> str:
        """Its name in an answer's locality."""
        return f"{PROGRAM} {self.version}"


def find_binary(written: str) -> Path:
    """The file that `engine.binary` names: a path, or a program on PATH. Raises NotFound."""
    found = which(user_path(written))
    if found is None:
        raise NotFound(
            f"engine.binary is {written!r}, and there is no such program",
            hint="name a llama-server, or go back to localai's own engine",
            command="localai config unset engine.binary",
        )
    return Path(found).absolute()


def read_binary(path: Path, cache_folder: Path) -> Binary:
    """The version, the devices and the options of the llama-server at `path`. Takes a second or
    two, then is remembered as long as the file stays the same. Raises Unreachable if it is no
    llama-server."""
    remembered = Remembered(cache_folder / "binaries.json", version=_CACHE_VERSION, most=_MOST)
    key = f"{path} {content_key(path)}"
    known = _from_json(remembered.get(key))
    if known is None:
        known = _ask(path)
        document = asdict(known) | {"options": sorted(known.options)}
        remembered.put(key, document)
        remembered.save()
    return known


def _ask(path: Path) -> Binary:
    version = _VERSION.search(_output_of(path, "--version"))
    help_text = _output_of(path, "--help")
    options = frozenset(_FLAG.findall(help_text))
    if version is None or "--ctx-size" not in options:
        raise Unreachable(
            f"{path} is no llama-server: it does not say its version and its options as one does",
            command="localai config unset engine.binary",
        )
    devices = _DEVICE.finditer(_output_of(path, "--list-devices"))
    return Binary(
        str(path),
        version[1].strip(),
        tuple(Device(d["name"], d["title"], int(d["total"]) << 20) for d in devices),
        options,
        _DRAFTS["mtp"] in help_text,
    )


def _output_of(path: Path, *arguments: str) -> str:
    from localai.privacy.environment import child_environment
    from localai.privacy.guard import child
    from localai.privacy.sandbox import sandboxed_command

    try:
        with child("a llama-server, for what it is"):
            done = subprocess.run(
                sandboxed_command([str(path), *arguments]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=child_environment("engine"),
                timeout=_TIME_LIMIT_S,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unreachable(
            f"{path} does not run: {error}", command="localai config unset engine.binary"
        ) from error
    return done.stdout.decode("utf-8", "replace")


def _from_json(document: Any) -> Binary | None:
    try:
        devices = tuple(Device(**device) for device in document["devices"])
        options = frozenset(document["options"])
        return Binary(**{**document, "devices": devices, "options": options})
    except (TypeError, KeyError):
        return None


def own_engine_devices(cache_folder: Path) -> tuple[str, ...]:
    """The devices other than the CPU that the bundled engine computes on, as it reports them. The
    package index's wheel has none (Metal on a Mac); other wheels of its makers do. Asked in a child
    process and remembered; empty if it reports none."""
    from importlib.metadata import version

    remembered = Remembered(cache_folder / "binaries.json", version=_CACHE_VERSION, most=_MOST)
    key = f"xllamacpp {version('xllamacpp')} {sys.prefix}"
    known = remembered.get(key)
    if not isinstance(known, list):
        listed = _output_of(Path(sys.executable), "-P", "-c", _ASK_OWN)
        known = [name for name in listed.split() if name]
        remembered.put(key, known)
        remembered.save()
    return tuple(map(str, known))


def prompt_cache_mib(spec: WorkerSpec, devices: Iterable[str]) -> int:
    """The limit of llama.cpp's host prompt cache (8 GiB by default: our KV states are on disk),
    for an engine that computes on `devices`.

    0, which is no cache, for a model that is wholly on a card: before each prompt that begins
    otherwise, what a slot holds is copied into main memory, and that takes as long as computing it
    again. An 8B model on an H100 had its first token of a prompt of 420 tokens after 108 ms with
    the cache, and after 56 ms without it.
    """
    on_card = spec.gpu_layers is None and any(name.startswith(_CARDS) for name in devices)
    return 0 if on_card else _PROMPT_CACHE_MIB


def command_line(
    binary: Binary,
    spec: WorkerSpec,
    socket_name: str,
    kv_folder: str | None,
    template_file: str | None = None,
) -> list[str]:
    """The command that starts `binary` for `spec`, on the Unix socket `socket_name` in the current
    folder, with the chat template in `template_file`.

    Options that the build does not know are left out, except model, context, adapter, template and
    socket.
    """
    sizes = steps(spec, on_cpu=spec.gpu_layers == 0 or not binary.devices)
    wanted: list[tuple[str, ...]] = [
        ("--parallel", str(spec.slots)),
        # One pool of cells for all slots: a single request may use the whole context.
        ("--kv-unified",),
        ("--cache-ram", str(prompt_cache_mib(spec, (each.name for each in binary.devices)))),
        ("--ctx-checkpoints", str(CHECKPOINTS)),
        ("--warmup" if spec.warm_up else "--no-warmup",),
        ("--cache-type-k", spec.kv_type),
        ("--cache-type-v", spec.kv_type),
        ("--batch-size", str(sizes.batch)),
        ("--ubatch-size", str(sizes.micro_batch)),
        ("--no-ui",) if "--no-ui" in binary.options else ("--no-webui",),
        ("--offline",),
        ("--slots",),
        ("--metrics",),
        ("--jinja",),
        ("--verbosity" if "--verbosity" in binary.options else "--log-verbosity", str(VERBOSITY)),
    ]
    if spec.flash_attention != "auto":
        # Pass the flag only if the user chose: in older builds it takes no value.
        wanted.append(("--flash-attn", spec.flash_attention))
    decoding, prefilling = threads(spec)
    if decoding is not None:
        wanted.append(("--threads", str(decoding)))
    if prefilling is not None:
        wanted.append(("--threads-batch", str(prefilling)))
    if spec.gpu_layers is not None:
        wanted.append(("--n-gpu-layers", str(spec.gpu_layers)))
    if spec.projector_path is not None:
        wanted.append(("--mmproj", spec.projector_path))
    if spec.draft != "off":
        wanted.append(("--spec-type", _DRAFTS[spec.draft]))
    if kv_folder is not None:
        wanted.append(("--slot-save-path", f"{kv_folder}/"))
    known = [words for words in wanted if words[0] in binary.options]
    needed = ["--model", spec.model_path, "--ctx-size", str(spec.context_tokens)]
    if spec.adapter_path is not None:
        needed += ["--lora", spec.adapter_path]
    if template_file is not None:
        needed += ["--chat-template-file", template_file]
    return [
        binary.path,
        *needed,
        "--host",
        socket_name,
        *(word for words in known for word in words),
    ]
