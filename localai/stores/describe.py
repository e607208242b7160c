"""What a model's file says of itself, as the `ResolvedModel` that crosses module borders.

Headers are read once: a list of 200 models that were listed before reads none.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.files import content_key
from localai.formats.purposes import EMBEDS
from localai.remembered import Remembered
from localai.stores.starter import STARTER, resolve_starter
from localai.types import Capability, ResolvedModel, Zone

if TYPE_CHECKING:
    from localai.formats.gguf import GgufHeader
    from localai.formats.mlx_folder import MlxFolder
    from localai.paths import Paths
    from localai.stores.folders import StoredModel

_EVIDENCE: Final = "a file on this machine, opened by the embedded engine"
_ADAPTED_EVIDENCE: Final = (
    "files on this machine: a model and an adapter, opened by the embedded engine"
)
_FOLDER_EVIDENCE: Final = "a folder on this machine, opened by the MLX engine"
# A template with one of these marks is that of a model that reasons before it answers; one with the
# mark of tools, of a model that can call them.
_THINKING_MARKS: Final = (
    "<think>",
    "enable_thinking",
    "reasoning_effort",
    "[THINK]",
    "<|channel|>",
)
_TOOL_MARK: Final = "tools"
# Version of the remembered format; raise it when `HeaderFacts` or its meaning changes.
_VERSION: Final = 4
_MOST: Final = 2000


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What the headers of a whole model say.

    `context_limit` is in tokens, `size_bytes` the size of all parts, `purpose` and
    `has_chat_template` as in `ResolvedModel`.
    """

    context_limit: int | None
    capabilities: tuple[Capability, ...]
    parameters: str
    quantization: str | None
    size_bytes: int
    purpose: str | None
    has_chat_template: bool


class HeaderCache:
    """Remembered `HeaderFacts`, by the content of the file and not by its name.

    `save` writes what was added.
    """

    def __init__(self, paths: Paths) -> None:
        file = paths.cache_dir / "headers.json"
        self._remembered = Remembered(file, version=_VERSION, most=_MOST)

    def get(self, path: Path) -> HeaderFacts | None:
        """The facts of the file at `path` as it is now; None if they are not remembered."""
        try:
            facts: dict[str, Any] = self._remembered.get(content_key(path))
            capabilities = cast("tuple[Capability, ...]", tuple(facts["capabilities"]))
            return HeaderFacts(**{**facts, "capabilities": capabilities})
        except (OSError, TypeError, KeyError):
            return None

    def put(self, path: Path, facts: HeaderFacts) -> None:
        """Remember `facts` of the file at `path`."""
        with contextlib.suppress(OSError):
            self._remembered.put(content_key(path), asdict(facts))

    def save(self) -> None:
        """Write what was added to the disk."""
        self._remembered.save()


def describe(stored: StoredModel, paths: Paths, cache: HeaderCache) -> ResolvedModel:
    """The model in the file of `stored`: from `cache`, else from the header, which is then cached.
    Reading a header takes 5 to 30 ms, depending on the size of the vocabulary.

    Raises NotFound or InvalidInput if the file, or one of its parts, is not whole.
    """
    if stored.name == STARTER.name:
        return resolve_starter(paths)
    path = stored.path
    facts = cache.get(path)
    if facts is None:
        path, facts = _read(path)
        # A model in parts is read each time, because its other files may be gone.
        if path == stored.path and facts.size_bytes == path.stat().st_size:
            cache.put(path, facts)
    capabilities = set(facts.capabilities)
    if stored.projector is not None and "completion" in capabilities:
        capabilities.add("vision")
    adapted = stored.adapter is not None
    return ResolvedModel(
        provider="llamacpp",
        id=stored.name,
        zone=Zone.DEVICE,
        evidence=_ADAPTED_EVIDENCE if adapted else _EVIDENCE,
        path=path,
        projector=stored.projector,
        adapter=stored.adapter,
        context_limit=facts.context_limit,
        capabilities=frozenset(capabilities),
        size_bytes=facts.size_bytes,
        parameters=facts.parameters,
        quantization=facts.quantization,
        digest=stored.digest,
        system_prompt=stored.system_prompt,
        examples=stored.examples,
        recommended=stored.recommended,
        context_tokens=stored.context_tokens,
        go_template=stored.go_template,
        purpose=facts.purpose,
        has_chat_template=facts.has_chat_template,
    )


def describe_folder(name: str, folder: MlxFolder) -> ResolvedModel:
    """The MLX model in `folder`, called `name`."""
    return ResolvedModel(
        provider="mlx",
        id=name,
        zone=Zone.DEVICE,
        evidence=_FOLDER_EVIDENCE,
        path=folder.path,
        context_limit=folder.context_limit,
        capabilities=_folder_capabilities(folder),
        size_bytes=folder.size_bytes,
        parameters=parameters_text(folder.parameter_count),
        quantization=folder.quantization,
        recommended=folder.recommended,
        has_chat_template=bool(folder.chat_template),
        purpose=folder.purpose,
    )


def _folder_capabilities(folder: MlxFolder) -> frozenset[Capability]:
    if folder.purpose is not None:
        return frozenset({"embedding"} if folder.purpose == EMBEDS else ())
    return frozenset({"completion", *template_capabilities(folder.chat_template or "")})


def _read(path: Path) -> tuple[Path, HeaderFacts]:
    """Returns the path of the first part of the model that `path` belongs to, and the facts of all
    its headers."""
    from localai.formats.gguf import part_paths, read_header, read_model
    from localai.formats.gguf_kinds import no_model, purpose_of

    header = read_header(path)
    if (what := no_model(header)) is not None:
        raise InvalidInput(f"{path} is {what}", hint="name the model file that belongs to it")
    parts = part_paths(path, header)
    if len(parts) > 1:
        header = read_model(path)
    return parts[0], HeaderFacts(
        context_limit=header.context_length,
        capabilities=tuple(sorted(header_capabilities(header))),
        parameters=parameters_text(header.parameter_count),
        quantization=header.quantization,
        size_bytes=sum(part.stat().st_size for part in parts),
        purpose=purpose_of(header),
        has_chat_template=bool(header.chat_template),
    )


def header_capabilities(header: GgufHeader) -> set[Capability]:
    """What the model of `header` can do: complete, embed, see, think aloud, call tools, follow a
    schema."""
    from localai.formats.gguf_kinds import embeds, no_model, purpose_of

    if no_model(header) is not None or purpose_of(header) is not None:
        return {"embedding"} if embeds(header) else set()
    # The engine can force any model to follow a schema, by a grammar.
    capabilities: set[Capability] = {"completion", "schema"}
    capabilities |= template_capabilities(header.chat_template or "")
    if header.has_vision:
        capabilities.add("vision")
    return capabilities


def template_capabilities(template: str) -> set[Capability]:
    """What the marks in a chat template say that its model can do: think aloud, call tools."""
    capabilities: set[Capability] = set()
    if any(mark in template for mark in _THINKING_MARKS):
        capabilities.add("thinking")
    if _TOOL_MARK in template:
        capabilities.add("tools")
    return capabilities


def parameters_text(count: int) -> str:
    """The number of parameters as people say it: 135M, 8.2B."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if count >= size:
            digits = 1 if unit == "B" else 0
            return f"{count / size:.{digits}f}".removesuffix(".0") + unit
    return str(count)
