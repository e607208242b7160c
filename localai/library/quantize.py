"""Making a smaller model of a large one, by what this machine has; verified before it is kept.

Plain types (q8_0, q4_0, …) by the `gguf` package, K-types by a running Ollama or the embedded
engine's own library, MLX folders by mlx-lm. What is made lies in a hidden folder of our own store
until it has loaded and answered; then it is renamed. A model that was quantized before is refused,
because the losses add up.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from localai.answers import PartialAnswer, gather
from localai.errors import InsufficientResources, InvalidInput, Unreachable
from localai.files import sync_folder
from localai.formats import gguf_quantization as quantization
from localai.formats.gguf import GgufHeader, part_paths, read_header, read_model
from localai.formats.mlx_folder import MlxFolder, read_folder
from localai.library.copy import own_path
from localai.paths import private_dir
from localai.privacy.environment import child_environment
from localai.privacy.guard import child
from localai.privacy.sandbox import sandboxed_command
from localai.progress import WorkProgress
from localai.providers.mlx import mlx_interpreter
from localai.providers.ollama_daemon import target_of
from localai.providers.registry import open_provider
from localai.sizing.memory import MemoryNeed, project
from localai.stores.lookup import resolve_file, resolve_mlx, resolve_model
from localai.stores.model_defaults import defaults_file, keep_defaults
from localai.stores.starter import STARTER
from localai.types import ChatRequest, Message, ResolvedModel
from localai.units import bytes_text

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths

CONTEXT_TOKENS: Final = 4096
_LOSSLESS: Final = frozenset({"F32", "F16", "BF16", "f32", "f16", "bf16"})
# Bits a weight of Ollama's types, for an estimate: SmolLM2 and Llama 3 8B both lie within 5%.
_OLLAMA_BITS: Final = {"Q4_K_S": 4.7, "Q4_K_M": 4.9, "Q8_0": 8.5}
_MLX_BITS: Final = {"2BIT": 2, "3BIT": 3, "4BIT": 4, "6BIT": 6, "8BIT": 8, "Q4": 4, "Q8": 8}
_MLX_FLOATS: Final = {"F16": "float16", "BF16": "bfloat16"}
_TYPE_SUFFIX: Final = re.compile(r"[-_.:](?:i?q\d\w*|b?f16|fp16|f32|fp32|\d+bit)$", re.IGNORECASE)

Program = Literal["gguf", "llama.cpp", "ollama", "mlx-lm"]
"""What makes the smaller model."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What quantizing would do. `size_bytes` before and `made_bytes` after, an estimate where the
    program that does it decides; `by` is that program. `need` is the memory of the source at
    `CONTEXT_TOKENS`, None if unknown."""

    source: ResolvedModel
    name: str
    target: Path
    to: str
    by: Program
    size_bytes: int
    made_bytes: int
    disk_free_bytes: int
    need: MemoryNeed | None
    make: Callable[[Path], Generator[WorkProgress, None, None]]


@dataclass(frozen=True, slots=True)
class Quantized:
    """What was made: its file or folder, size, memory, and what it answered when it was tried;
    None for a model that does not chat."""

    path: Path
    size_bytes: int
    need: MemoryNeed | None
    answer: str | None


def plan_quantization(
    text: str, to: str, name: str | None, config: Config, paths: Paths, *, force: bool = False
) -> Plan:
    """What quantizing the model that `text` means to the type `to` would do.

    Raises NotFound, InvalidInput for a type that there is not or a source that was quantized
    before (unless `force`), Unreachable without a program that can, InsufficientResources where
    the disk is too small.
    """
    source = resolve_model(text, paths)
    assert source.path is not None, "the stores hold files"
    wanted = to.upper()
    kind = source.quantization or ""
    if kind not in _LOSSLESS and not force:
        raise InvalidInput(
            f"{source.id} is {kind or 'of an unknown type'} already: quantizing it again adds its"
            " losses to the new ones, and q4 of q8 answers worse than q4 of the original",
            hint="take an f16 or bf16 source, or --force",
        )
    name = name or _default_name(source, to)
    if source.provider == "mlx":
        plan = _plan_mlx(source, wanted, name, paths)
    else:
        plan = _plan_gguf(source, wanted, name, config, paths, force=force)
    needed = plan.made_bytes + (plan.size_bytes if plan.by == "ollama" else 0)
    if needed > plan.disk_free_bytes:
        raise InsufficientResources(
            f"{bytes_text(needed)} are needed while {plan.name} is made, and {paths.models_dir} has"
            f" {bytes_text(plan.disk_free_bytes)} free",
            command="localai dedupe --dry-run",
        )
    return plan


def quantize(plan: Plan, config: Config, paths: Paths) -> Generator[WorkProgress, None, Quantized]:
    """Do it; the model has its name only once it has loaded and answered. Raises what the program
    that does it raises, Unreachable for a result that does not load or says nothing."""
    staging = private_dir(private_dir(paths.models_dir) / ".quantizing")
    _sweep(staging)
    made = staging / f"{os.getpid()}-{plan.target.name}"
    try:
        try:
            yield from plan.make(made)
        except OSError as error:
            raise InsufficientResources(
                f"{made.parent} cannot be written: {error.strerror or error}"
            ) from error
        yield WorkProgress("verifying")
        answer = _verified(plan, made, config, paths)
        private_dir(plan.target.parent)
        if made.is_file():
            keep_defaults(plan.source, plan.target)
        made.rename(plan.target)
        sync_folder(plan.target.parent)
    finally:
        _remove(made)
        with contextlib.suppress(OSError):
            staging.rmdir()
    return Quantized(
        plan.target,
        _size(plan.target),
        _need(plan.target, plan.source.context_limit, paths),
        answer,
    )


def _plan_gguf(
    source: ResolvedModel, to: str, name: str, config: Config, paths: Paths, *, force: bool
) -> Plan:
    assert source.path is not None
    header = read_model(source.path)
    parts = part_paths(source.path, read_header(source.path))
    size = sum(part.stat().st_size for part in parts)
    target = own_path(f"{name}.gguf", paths, name)
    shown = _spelling(to)
    is_plain = to in quantization.PLAIN_TYPES
    ours = quantization.can_make(to) and (
        is_plain or to not in _OLLAMA_BITS or not _ollama_runs(config, paths)
    )
    if ours or (to in quantization.TYPES and to not in _OLLAMA_BITS):
        quantization.require(to)
        by: Program = "gguf" if is_plain else "llama.cpp"
        made = size - header.tensor_bytes + quantization.quantized_bytes(header, to)

        def make(path: Path) -> Generator[WorkProgress, None, None]:
            return quantization.quantize_file(parts, header, to, path)
    elif to in _OLLAMA_BITS:
        by, made = "ollama", round(header.parameter_count * _OLLAMA_BITS[to] / 8)
        _require_one_file(parts, header, force=force)
        _require_ollama(shown, config, paths)

        def make(path: Path) -> Generator[WorkProgress, None, None]:
            return _by_ollama(parts[0], shown, path, config)
    else:
        known = sorted(quantization.TYPES, key=str.lower)
        raise InvalidInput(
            f"nothing on this machine quantizes to {to.lower()}",
            hint="--to takes " + ", ".join(each.lower() for each in known),
        )
    return Plan(
        source,
        name,
        target,
        shown,
        by,
        size,
        made,
        _free(paths),
        _need(source.path, source.context_limit, paths),
        make,
    )


def _plan_mlx(source: ResolvedModel, to: str, name: str, paths: Paths) -> Plan:
    assert source.path is not None
    folder = read_folder(source.path)
    if "quantization" in folder.config:
        raise InvalidInput(
            f"{source.id} is {folder.quantization} already, and mlx-lm does not quantize twice",
            hint="take the folder that it was made from",
        )
    if to not in _MLX_BITS and to not in _MLX_FLOATS:
        known = ", ".join(each.lower() for each in (*_MLX_BITS, *_MLX_FLOATS))
        raise InvalidInput(f"mlx-lm does not quantize to {to.lower()}", hint=f"--to takes {known}")
    interpreter = mlx_interpreter()
    setting = str(_MLX_BITS.get(to, "")) or _MLX_FLOATS[to]

    def make(path: Path) -> Generator[WorkProgress, None, None]:
        return _by_mlx(interpreter, folder.path, path, setting)

    return Plan(
        source,
        name,
        own_path(name, paths),
        to.lower(),
        "mlx-lm",
        folder.size_bytes,
        _mlx_bytes(folder, to),
        _free(paths),
        _need(source.path, source.context_limit, paths),
        make,
    )


def _by_ollama(
    source: Path, to: str, target: Path, config: Config
) -> Generator[WorkProgress, None, None]:
    from localai.providers.ollama_models import quantized

    daemon = target_of(config, os.environ)
    with quantized(daemon, source, to) as (events, blob):
        yield from events
        found = blob()
        if not found.is_file():
            raise Unreachable(
                f"Ollama made it, but {found} cannot be read here",
                hint="run Ollama as the same user on this machine",
            )
        # The name of Ollama's is about to go: a link keeps the bytes.
        try:
            target.hardlink_to(found)
        except OSError:
            shutil.copyfile(found, target)
            sync_folder(target)


def _by_mlx(
    interpreter: str, source: Path, target: Path, setting: str
) -> Generator[WorkProgress, None, None]:
    yield WorkProgress("quantizing")
    root = str(Path(__file__).parents[2])
    environment = child_environment()
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
    module = "localai.engine.mlx.convert"
    command = [interpreter, "-P", "-m", module, str(source), str(target), setting]
    with child("mlx-lm, to quantize a folder"):
        done = subprocess.run(
            sandboxed_command(command),
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise Unreachable(f"mlx-lm could not quantize {source}: {last}")


def _verified(plan: Plan, made: Path, config: Config, paths: Paths) -> str | None:
    """What the model answers. Raises Unreachable where it does not load, or says nothing."""
    if plan.source.provider == "mlx":
        model = resolve_mlx(str(made), paths)
    else:
        model = resolve_file(made, paths)
    if "completion" not in (model.capabilities or ()):
        return None
    system = plan.source.system_prompt
    messages = [Message("system", system)] if system else []
    request = ChatRequest(
        model=replace(model, projector=None),
        messages=(*messages, Message("user", "What is the capital of France?")),
        options=replace(plan.source.recommended, temperature=0.0, max_tokens=16),
        keep_alive_s=0,
        think="off" if "thinking" in (model.capabilities or ()) else None,
    )
    provider = open_provider(model.provider, config, paths)
    try:
        text = gather(provider.stream(request), PartialAnswer(request.model)).text
    finally:
        provider.close()
    if not text.strip():
        raise Unreachable(
            f"the quantized {plan.name} loads, but says nothing: it was not kept",
            hint="see whether the source answers",
            command=("localai", "chat", "-m", plan.source.id, "hello"),
        )
    return text.strip()


def _default_name(source: ResolvedModel, to: str) -> str:
    """The source's own name with the new type in place of its own."""
    assert source.path is not None
    named = source.path.stem if source.id == STARTER.name or "/" in source.id else source.id
    if source.provider == "mlx":
        named = source.path.name if source.id.startswith("/") else source.id.rpartition("/")[2]
    return f"{_TYPE_SUFFIX.sub('', named).replace(':', '-')}-{to.lower()}"


def _require_one_file(parts: tuple[Path, ...], header: GgufHeader, *, force: bool) -> None:
    if len(parts) > 1:
        raise InvalidInput(
            "Ollama quantizes models of one file, and this one is in several",
            hint="--to q8_0 takes parts",
        )
    if force and header.quantization not in _LOSSLESS:
        raise InvalidInput(
            f"Ollama does not quantize {header.quantization} again, not with --force either",
            hint="--to q4_0 (or another plain type) --force",
        )


def _ollama_runs(config: Config, paths: Paths) -> bool:
    from localai.providers.ollama_daemon import running_ollama

    return running_ollama(config, paths, os.environ) is not None


def _require_ollama(to: str, config: Config, paths: Paths) -> None:
    if not _ollama_runs(config, paths):
        raise Unreachable(
            f"Ollama quantizes to {to}, and it does not run on this machine", command="ollama serve"
        )


def _spelling(to: str) -> str:
    """As people write it: q8_0, q4_K_M, f16."""
    return f"q{to[1:]}" if "_K" in to else to.lower()


def _mlx_bytes(folder: MlxFolder, to: str) -> int:
    # Beside the bits, a scale and a bias of 16 bits for each 64 weights.
    bits = _MLX_BITS[to] + 0.5 if to in _MLX_BITS else 16
    return round(folder.parameter_count * bits / 8)


def _need(path: Path, limit: int | None, paths: Paths) -> MemoryNeed | None:
    with contextlib.suppress(InvalidInput):
        context = min(CONTEXT_TOKENS, limit or CONTEXT_TOKENS)
        return project(path, context, cache_folder=paths.cache_dir)
    return None


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.iterdir())
    return path.stat().st_size


def _free(paths: Paths) -> int:
    folder = paths.models_dir
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    return shutil.disk_usage(existing).free


def _sweep(staging: Path) -> None:
    """Remove what killed runs left: a file begins with the number of the process that makes it."""
    import psutil

    for path in list(staging.iterdir()):
        number = path.name.partition("-")[0]
        if not number.isdecimal() or not psutil.pid_exists(int(number)):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        for file in (path, defaults_file(path)):
            file.unlink(missing_ok=True)
