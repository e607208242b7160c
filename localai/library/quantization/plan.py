"""What quantizing a model would do: which program makes it, how large, and whether it fits.

A model that was quantized before is refused, because the losses add up.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localai.dataclass import dataclass
from localai.errors import InsufficientResources, InvalidInput, NotFound
from localai.formats import gguf_quantization as quantization
from localai.formats.gguf_names import without_type
from localai.library.copy import path_of_new_model
from localai.library.quantization.conversion import LOSSLESS, Conversion, read_gguf_source
from localai.library.quantization.ggml import ggml_conversion
from localai.library.quantization.mlx import mlx_conversion
from localai.library.quantization.ollama import (
    BITS_PER_WEIGHT,
    ollama_conversion,
    ollama_runs,
    takes,
)
from localai.providers.registry import facts_of, is_provider
from localai.sizing.memory import MemoryNeed, project
from localai.stores.lookup import resolve_model
from localai.stores.references import plain_name
from localai.stores.starter import STARTER
from localai.types import ResolvedModel
from localai.units import bytes_text

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths

TRIAL_CONTEXT_TOKENS: Final = 4096
"""The context for which the memory of source and result is given."""

_MOST_UNSHRUNK: Final = 0.5


@dataclass(frozen=True, slots=True)
class QuantizationPlan:
    """What quantizing `source` would do: the result's name, its path, and how it is made.

    `need` is the memory of the source at `TRIAL_CONTEXT_TOKENS`; None if unknown.
    """

    source: ResolvedModel
    name: str
    target: Path
    conversion: Conversion
    disk_free_bytes: int
    need: MemoryNeed | None


def plan_quantization(
    text: str, to: str, name: str | None, config: Config, paths: Paths, *, force: bool = False
) -> QuantizationPlan:
    """What quantizing the model that `text` means to the type `to` would do.

    Raises NotFound if there is no such model or no program here makes the type, InvalidInput if the
    type is unknown or the source was quantized before (unless `force`), InsufficientResources if
    the disk is too small.
    """
    source = resolve_model(_name_in_stores(text, config), paths)
    assert source.path is not None, "the stores hold files"
    if source.adapter is not None:
        raise InvalidInput(
            f"{source.id} is a model and an adapter (LoRA); a type is for the model alone",
            hint="quantize its base, and make a preset of that: preset new NAME --adapter FILE",
        )
    if source.purpose is not None:
        raise InvalidInput(
            f"{source.id} {source.purpose}, and what is made is kept only if it answers",
            hint="its publisher may have it in a smaller type",
        )
    wanted = to.upper()
    if source.provider != "mlx":
        _require_type(wanted)
    kind = source.quantization or ""
    if kind not in LOSSLESS and not force:
        raise InvalidInput(
            f"{source.id} is {kind or 'of an unknown type'} already: quantizing it again adds its"
            " losses to the new ones, and q4 of q8 answers worse than q4 of the original",
            hint="take an f16 or bf16 source, or --force",
        )
    name = name or _default_name(source, to)
    if source.provider == "mlx":
        target = path_of_new_model(name, paths)
        conversion = mlx_conversion(source.id, source.path, wanted)
    else:
        target = path_of_new_model(f"{name}.gguf", paths, name)
        conversion = _gguf_conversion(source.path, wanted, config, paths)
        require_shrinking(source.id, conversion.to, conversion.fallbacks.get("F16", 0.0))
    free = _free_bytes(paths)
    needed = conversion.made_bytes + (conversion.size_bytes if conversion.by == "ollama" else 0)
    if needed > free:
        raise InsufficientResources(
            f"{bytes_text(needed)} are needed while {name} is made, and {paths.models_dir} has"
            f" {bytes_text(free)} free",
            command="localai dedupe --dry-run",
            check="disk-full",
        )
    need = memory_at_trial(source.path, source.context_limit, paths)
    return QuantizationPlan(source, name, target, conversion, free, need)


def _name_in_stores(text: str, config: Config) -> str:
    """The name without the provider in front of it. Raises InvalidInput for a model of a provider
    that has no files here."""
    first, slash, rest = text.partition("/")
    if not (slash and rest and is_provider(first, config)):
        return plain_name(text)
    if not facts_of(first, config).has_files_here:
        raise InvalidInput(
            f"{text} lies at {first}, and what is quantized is a file of this machine",
            command="localai list",
        )
    return plain_name(rest)


def require_shrinking(name: str, to: str, unshrunk: float) -> None:
    """Raise InvalidInput where most of the weights keep 16 bits: what did not shrink is not called
    by a smaller type."""
    if unshrunk > _MOST_UNSHRUNK and to != "f16":
        raise InvalidInput(
            f"{name} would not become {to}: {unshrunk:.0%} of its weights lie in rows that are no"
            " whole blocks of any type that is smaller, and would keep 16 bits",
            hint="a model of another width, or this one as it is",
        )


def memory_at_trial(path: Path, limit: int | None, paths: Paths) -> MemoryNeed | None:
    """The memory of the model at `path` with `TRIAL_CONTEXT_TOKENS`, or with its own `limit` if
    that is less; None if unknown."""
    with contextlib.suppress(InvalidInput):
        context = min(TRIAL_CONTEXT_TOKENS, limit or TRIAL_CONTEXT_TOKENS)
        return project(path, context, cache_folder=paths.cache_dir)
    return None


def _gguf_conversion(path: Path, to: str, config: Config, paths: Paths) -> Conversion:
    source = read_gguf_source(path)
    # For the K-types that a running Ollama makes, it is preferred. It also makes what nothing else
    # here can; where it does not run or does not take the source, what is missing is not Ollama.
    preferred = to not in quantization.PLAIN_TYPES or not quantization.can_make(to)
    by_ollama = to in BITS_PER_WEIGHT and takes(source)
    if by_ollama and preferred and ollama_runs(config, paths):
        return ollama_conversion(source, to, config)
    try:
        return ggml_conversion(source, to)
    except NotFound as missing:
        instead = "a running Ollama quantizes to it, too: ollama serve"
        hints = [missing.hint, instead if by_ollama else None]
        raise NotFound(
            missing.message, hint="; or ".join(filter(None, hints)) or None, command=missing.command
        ) from missing


def _require_type(to: str) -> None:
    """Raise InvalidInput for what is no type of a GGUF file that anything here makes."""
    if to not in quantization.TYPES and to not in BITS_PER_WEIGHT:
        raise InvalidInput(
            f"nothing on this machine quantizes to {to.lower()}",
            hint="--to takes "
            + ", ".join(each.lower() for each in sorted(quantization.TYPES, key=str.lower)),
        )


def _default_name(source: ResolvedModel, to: str) -> str:
    """The source's name with the new type in place of the old one."""
    assert source.path is not None
    named = source.path.stem if source.id == STARTER.name or "/" in source.id else source.id
    if source.provider == "mlx":
        named = source.path.name if source.id.startswith("/") else source.id.rpartition("/")[2]
    return f"{without_type(named).replace(':', '-')}-{to.lower()}"


def _free_bytes(paths: Paths) -> int:
    folder = paths.models_dir
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    return shutil.disk_usage(existing).free
