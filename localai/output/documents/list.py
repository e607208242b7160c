"""The documents of `localai list`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.output.documents.answer import zone_name
from localai.output.documents.dedupe import DuplicateDocument, duplicate_document
from localai.output.documents.model import PlaceDocument, place_document
from localai.providers.registry import full_name
from localai.types import ZoneName

if TYPE_CHECKING:
    from localai.library.available import AvailableModel, AvailableModels
    from localai.library.duplicates import Duplicate


class ModelDocument(TypedDict):
    """A model that could answer; a file that is in several stores comes once."""

    model: Annotated[str, "its name, as `-m` takes it"]
    provider: Annotated[str, "who serves it"]
    zone: Annotated[ZoneName | None, "where it would be computed; null is unproven"]
    evidence: Annotated[str, "what the zone rests on"]
    path: Annotated[str | None, "its file or folder on this machine"]
    size_bytes: Annotated[int | None, "size on disk"]
    quantization: Annotated[str | None, "such as Q4_K_M"]
    parameters: Annotated[str | None, "such as 8B"]
    context_limit_tokens: Annotated[int | None, "the largest context it was made for"]
    capabilities: Annotated[list[str] | None, "completion, tools, vision, thinking, …"]
    loaded: Annotated[bool | None, "whether it is in memory now"]
    digest: Annotated[str | None, "sha256:… of its file, where that is known"]
    providers: Annotated[list[str], "those that run it as it is"]
    loaded_by: Annotated[list[str], "those of them that have it in memory"]
    places: Annotated[list[PlaceDocument], "where it lies; empty for what only a server has"]


class SilentProvider(TypedDict):
    """A provider that does not answer."""

    provider: Annotated[str, "which"]
    problem: Annotated[str, "why"]


class List(TypedDict):
    """`localai list --json`"""

    schema: Annotated[Literal["localai.list/1"], "the promise that the rest keeps"]
    models: Annotated[list[ModelDocument], "all on this machine, and of servers that answer"]
    silent: Annotated[list[SilentProvider], "the providers that do not"]


class ListDuplicates(TypedDict):
    """`localai list --duplicates --json`"""

    schema: Annotated[Literal["localai.list/1"], "the promise that the rest keeps"]
    duplicates: Annotated[list[DuplicateDocument], "the largest first"]
    freed_bytes: Annotated[int, "what `localai dedupe` would free"]


def list_document(found: AvailableModels) -> List:
    """What `localai list` prints."""
    return {
        "schema": "localai.list/1",
        "models": [_model(listed) for listed in found.models],
        "silent": [{"provider": name, "problem": problem} for name, problem in found.silent],
    }


def duplicates_document(found: Iterable[Duplicate]) -> ListDuplicates:
    """What `localai list --duplicates` prints."""
    duplicates = [duplicate_document(each, each.freed_bytes) for each in found]
    return {
        "schema": "localai.list/1",
        "duplicates": duplicates,
        "freed_bytes": sum(each["freed_bytes"] for each in duplicates),
    }


def _model(listed: AvailableModel) -> ModelDocument:
    model = listed.model
    return {
        "model": full_name(model.provider, model.id),
        "provider": model.provider,
        "zone": zone_name(model.zone),
        "evidence": model.evidence,
        "path": None if model.path is None else str(model.path),
        "size_bytes": model.size_bytes,
        "quantization": model.quantization,
        "parameters": model.parameters,
        "context_limit_tokens": model.context_limit,
        "capabilities": None if model.capabilities is None else sorted(model.capabilities),
        "loaded": True if listed.loaded_by else model.loaded,
        "digest": listed.digest,
        "providers": list(listed.providers),
        "loaded_by": list(listed.loaded_by),
        "places": [place_document(place) for place in listed.places],
    }
