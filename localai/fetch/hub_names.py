"""Names on the Hugging Face hub: what was typed, and which files of a repository it means. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput, NotFound
from localai.stores.folders import is_projector_name

DEFAULT_QUANT: Final = "Q4_K_M"
# The next best, in order, where nothing was named and there is no Q4_K_M.
_INSTEAD: Final = ("UD-Q4_K_XL", "Q4_K_S", "Q4_K_L", "IQ4_XS", "MXFP4", "Q4_1", "Q4_0", "Q5_K_M")
# Image encoders are small and lose much by quantization.
_PROJECTORS: Final = ("F16", "BF16", "Q8_0", "F32")

_REFERENCE: Final = re.compile(
    r"(?:https://)?(?:hf\.co|huggingface\.co)/(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)"
    r"(?:/(?:blob|resolve|tree)/[^/]+)?(?:/(?P<file>[^:?]+\.gguf))?/?"
    r"(?::(?P<quant>[\w.-]+))?(?:\?.*)?",
    re.ASCII,
)
_QUANT: Final = re.compile(
    r"(?:^|[-._/])((?:UD-)?(?:I?Q\d(?:_[A-Z0-9]+)*|TQ\d_\d|(?:MX|NV)FP4(?:_MOE)?|BF16|FP?16|FP?32))"
    r"(?=$|[-._/])",
    re.IGNORECASE,
)
_PART: Final = re.compile(r"-(\d{5})-of-(\d{5})$")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_LARGEST_BYTES: Final = 1 << 44


@dataclass(frozen=True, slots=True)
class HubReference:
    """A repository, and the quantization or the file in it that was named."""

    repo: str
    quant: str | None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository. `sha256` is what the hub states, None for small files."""

    path: str
    size_bytes: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class GgufVariant:
    """One GGUF model in a repository: all its parts, in order."""

    quantization: str
    files: tuple[HubFile, ...]

    @property
    def size_bytes(self) -> int:
        """Of all parts."""
        return sum(file.size_bytes for file in self.files)

    @property
    def stem(self) -> str:
        """The path without .gguf and the number of a part."""
        return _PART.sub("", _stem(self.files[0].path))


def hub_reference(text: str, quant: str | None = None) -> HubReference | None:
    """What `hf.co/ORG/REPO[:QUANT]`, or the address of its page or of a file in it, means; None
    for anything else. Raises InvalidInput where two quantizations are named."""
    match = _REFERENCE.fullmatch(text)
    if match is None or ".." in match["repo"] or "--" in match["repo"]:
        return None
    if quant is not None and match["quant"] not in (None, quant):
        raise InvalidInput(f"both {match['quant']} and {quant} are named")
    return HubReference(match["repo"], quant or match["quant"], match["file"])


def checked_file(path: object, size: object, sha256: object) -> HubFile:
    """A file as the hub lists it. Raises InvalidInput for a path that leads out of its folder, and
    for an impossible size or digest."""
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
    """Every GGUF model among `files`, the smallest first; incomplete ones are left out."""
    groups: dict[str, list[HubFile]] = {}
    for file in sorted(files, key=lambda file: file.path):
        if file.path.lower().endswith(".gguf") and not is_projector_name(file.path):
            groups.setdefault(_PART.sub("", _stem(file.path)), []).append(file)
    variants = [GgufVariant(_quantization(stem), tuple(group)) for stem, group in groups.items()]
    return sorted(filter(_is_whole, variants), key=lambda variant: variant.size_bytes)


def choose_variant(reference: HubReference, variants: list[GgufVariant]) -> GgufVariant:
    """The variant that was asked for; if none was, Q4_K_M or the next best. Raises NotFound."""
    if reference.file is not None:
        named = [each for each in variants if any(f.path == reference.file for f in each.files)]
        if not named:
            raise NotFound(f"{reference.repo} has no whole model {reference.file}")
        return named[0]
    by_name = {variant.quantization.upper(): variant for variant in reversed(variants)}
    wanted = (reference.quant or DEFAULT_QUANT).upper()
    if wanted in by_name:
        return by_name[wanted]
    if reference.quant is None:
        instead = [by_name[name] for name in _INSTEAD if name in by_name]
        if instead or len(variants) == 1:
            return (instead or variants)[0]
    there = ", ".join(variant.quantization for variant in variants)
    raise NotFound(f"{reference.repo} has no {wanted}", hint=f"it has: {there}")


def choose_projector(files: Iterable[HubFile]) -> HubFile | None:
    """The image encoder that belongs to a repository's models, if it has one."""
    found = sorted((f for f in files if is_projector_name(f.path)), key=lambda file: file.path)
    ranked = {_quantization(_stem(file.path)).upper(): file for file in reversed(found)}
    best = next((ranked[name] for name in _PROJECTORS if name in ranked), None)
    return best or (found[0] if found else None)


def _stem(path: str) -> str:
    return path[: -len(".gguf")]


def _quantization(stem: str) -> str:
    """The quantization that a file's name says, else its folder's; else the file's own name."""
    found = _QUANT.findall(stem.rpartition("/")[2]) or _QUANT.findall(stem)
    return found[-1].upper() if found else stem.rpartition("/")[2]


def _is_whole(variant: GgufVariant) -> bool:
    part = _PART.search(_stem(variant.files[0].path))
    return len(variant.files) == (1 if part is None else int(part[2]))
