"""Which files of a repository on the Hugging Face hub are which model. Pure.

A repository has quantizations of a model, often more than one model, and files beside them that are
no models: projectors, draft models, importance matrices.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput, NotFound
from localai.formats.gguf_names import (
    FileRole,
    is_draft_beside,
    part_of,
    plain_label,
    quantization_label,
    role_by_name,
    stem_of,
)
from localai.stores.references import HubReference
from localai.units import counted

DEFAULT_QUANT: Final = "Q4_K_M"
# The next best, in order, if none was named and there is no Q4_K_M.
_INSTEAD: Final = ("UD-Q4_K_XL", "Q4_K_S", "Q4_K_L", "IQ4_XS", "MXFP4", "Q4_1", "Q4_0", "Q5_K_M")
# The preferred types of a projector, best first: it is small and loses much by quantization.
_PROJECTORS: Final = ("F16", "BF16", "Q8_0", "F32")

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_LARGEST_BYTES: Final = 1 << 44


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository. `sha256` is the one that the hub states, None for small files."""

    path: str
    size_bytes: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class GgufVariant:
    """One GGUF file in a repository, in all its parts, in order.

    `quantization` is the one in its name, else the name. `suffix`, put behind the repository, names
    only this variant: `:Q4_K_M`, or `/FOLDER/FILE.gguf` if another one has the same quantization.
    """

    quantization: str
    files: tuple[HubFile, ...]
    role: FileRole = "model"
    suffix: str = ""

    @property
    def size_bytes(self) -> int:
        """The size of all parts."""
        return sum(file.size_bytes for file in self.files)

    @property
    def stem(self) -> str:
        """The path without .gguf and the number of a part."""
        return stem_of(self.files[0].path)


def checked_file(path: object, size: object, sha256: object) -> HubFile:
    """A file as the hub lists it. Raises InvalidInput if its path leads out of its folder, or for
    an impossible size or digest."""
    if not isinstance(path, str) or "\\" in path or "\0" in path:
        raise InvalidInput(f"the hub names a file {path!r}")
    if path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
        raise InvalidInput(f"the hub names the file {path!r}, which leads out of its folder")
    if type(size) is not int or not 0 <= size <= _LARGEST_BYTES:
        raise InvalidInput(f"the hub says that {path} has {size!r} bytes")
    if sha256 is not None and not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        raise InvalidInput(f"the hub says that {path} has the SHA-256 {sha256!r}")
    return HubFile(path, size, sha256)


def gguf_variants(files: Iterable[HubFile]) -> list[GgufVariant]:
    """Every GGUF model among `files`, the smallest first; incomplete ones are left out.

    A repository that has nothing but drafts is a draft model's own: its drafts are the models.
    """
    found = _variants(files)
    models = [each for each in found if each.role == "model"]
    return _with_suffixes(models or [each for each in found if each.role == "draft model"])


def companions(files: Iterable[HubFile]) -> list[GgufVariant]:
    """The GGUF files beside the models: those whose name says that they are no models."""
    files = list(files)
    models = {each.stem for each in gguf_variants(files)}
    return [each for each in _variants(files) if each.stem not in models]


def choose_variant(
    reference: HubReference,
    variants: Sequence[GgufVariant],
    beside: Sequence[GgufVariant] = (),
) -> GgufVariant:
    """The variant that was asked for; if none was, Q4_K_M or the next best. A variant `beside` the
    models must be named by its file. Raises NotFound, InvalidInput if several are meant."""
    if reference.file is not None:
        return _by_file(reference, [*variants, *beside])
    if reference.quant is not None:
        found = _fitting(reference.quant, variants)
        if not found:
            raise _has_no(reference, reference.quant.upper(), variants, beside)
        return _the_one(reference, found)
    for quant in (DEFAULT_QUANT, *_INSTEAD):
        if found := _fitting(quant, variants):
            return _the_one(reference, found)
    if len(variants) != 1:
        raise _has_no(reference, DEFAULT_QUANT, variants, beside)
    return variants[0]


def choose_projector(files: Iterable[HubFile], model: str = "") -> HubFile | None:
    """The projector that belongs to the model at the path `model` of a repository: the one in its
    folder, else in the nearest folder above, else one elsewhere. None if there is none."""
    found = sorted(
        (f for f in files if _is_gguf(f) and role_by_name(f.path) == "projector"),
        key=lambda file: file.path,
    )
    folder = model.rpartition("/")[0]
    nearest = max((_shared_depth(file.path, folder) for file in found), default=-1)
    near = [file for file in found if _shared_depth(file.path, folder) == nearest]
    ranked = {plain_label(quantization_label(file.path) or ""): file for file in reversed(near)}
    best = next((ranked[name] for name in _PROJECTORS if name in ranked), None)
    return best or (near[0] if near else None)


def _variants(files: Iterable[HubFile]) -> list[GgufVariant]:
    """All complete variants, without projectors, the smallest first."""
    groups: dict[str, list[HubFile]] = {}
    for file in sorted(filter(_is_gguf, files), key=lambda file: file.path):
        groups.setdefault(stem_of(file.path), []).append(file)
    whole = {stem: group for stem, group in groups.items() if _is_whole(group)}
    sizes = {stem: sum(file.size_bytes for file in group) for stem, group in whole.items()}
    roles = {stem: role_by_name(f"{stem}.gguf") for stem in whole}
    models = [(stem, sizes[stem]) for stem, role in roles.items() if role == "model"]
    for stem, size in models:
        if is_draft_beside(stem, size, models):
            roles[stem] = "draft model"
    return [
        GgufVariant(_quantization(stem), tuple(whole[stem]), roles[stem])
        for stem in sorted(whole, key=lambda stem: sizes[stem])
        if roles[stem] != "projector"
    ]


def _with_suffixes(variants: list[GgufVariant]) -> list[GgufVariant]:
    times = Counter(each.quantization.upper() for each in variants)
    return [
        replace(
            each,
            suffix=f":{each.quantization}"
            if times[each.quantization.upper()] == 1 and quantization_label(each.files[0].path)
            else f"/{each.files[0].path}",
        )
        for each in variants
    ]


def _by_file(reference: HubReference, variants: list[GgufVariant]) -> GgufVariant:
    """The variant with the file of that path, or of that name if only one folder has it."""
    wanted = (reference.file or "").lower()
    for whole_path in (True, False):
        found = [each for each in variants if wanted in _file_names(each, whole_path=whole_path)]
        if found:
            return _the_one(reference, found)
    raise NotFound(f"{reference.repo} has no whole model {reference.file}")


def _file_names(variant: GgufVariant, *, whole_path: bool) -> set[str]:
    paths = {file.path.lower() for file in variant.files}
    return paths if whole_path else {path.rpartition("/")[2] for path in paths}


def _fitting(quant: str, variants: Sequence[GgufVariant]) -> list[GgufVariant]:
    """The variants of that quantization; else those of it with a publisher's mark; else those whose
    file or folder has that name."""
    wanted = quant.upper()
    names: tuple[Callable[[GgufVariant], list[str]], ...] = (
        lambda each: [each.quantization.upper()],
        lambda each: [plain_label(each.quantization)],
        lambda each: each.stem.upper().split("/"),
    )
    for names_of in names:
        if found := [each for each in variants if wanted in names_of(each)]:
            return found
    return []


def _the_one(reference: HubReference, found: list[GgufVariant]) -> GgufVariant:
    if len(found) > 1:
        named = ", ".join(f"{reference.name}/{each.files[0].path}" for each in found)
        raise InvalidInput(
            f"{reference.repo} has {counted(len(found), 'model')} that are {found[0].quantization}",
            hint=f"name one of {named}",
        )
    return found[0]


def _has_no(
    reference: HubReference,
    wanted: str,
    variants: Sequence[GgufVariant],
    beside: Sequence[GgufVariant],
) -> NotFound:
    if not variants:
        there = ", ".join(f"{each.files[0].path} ({each.role})" for each in beside)
        return NotFound(f"{reference.repo} has no model", hint=f"it has: {there}")
    there = ", ".join(
        each.quantization if each.suffix.startswith(":") else f"{reference.name}{each.suffix}"
        for each in variants
    )
    return NotFound(f"{reference.repo} has no {wanted}", hint=f"it has: {there}")


def _is_gguf(file: HubFile) -> bool:
    return file.path.lower().endswith(".gguf")


def _quantization(stem: str) -> str:
    return quantization_label(stem) or stem.rpartition("/")[2]


def _is_whole(files: list[HubFile]) -> bool:
    part = part_of(files[0].path)
    return len(files) == (1 if part is None else part[1])


def _shared_depth(path: str, folder: str) -> int:
    """The depth of the folder of `path`, if it is `folder` or above it; else -1."""
    own = path.rpartition("/")[0]
    if own and f"{folder}/" != f"{own}/" and not folder.startswith(f"{own}/"):
        return -1
    return own.count("/") + 1 if own else 0
