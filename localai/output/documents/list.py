"""The documents of `localai list`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.output.documents.answer import zone_name
from localai.output.documents.dedupe import DuplicateDocument, duplicate_document
from localai.output.documents.model import PlaceDocument, place_document
from localai.output.documents.preset import PresetDocument, preset_document
from localai.providers.registry import full_name
from localai.types import ZoneName

if TYPE_CHECKING:
    from localai.library.available import AvailableModel, AvailableModels
    from localai.library.duplicates import Duplicate
    from localai.stores.presets import Preset


class ModelDocument(TypedDict):
    """A model that could answer. A file that is in several stores is given once."""

    model: Annotated[str, "the model, as `-m` takes it"]
    provider: Annotated[str, "the provider of the model"]
    zone: Annotated[ZoneName | None, "where it would be computed; null is unproven"]
    evidence: Annotated[str, "what the zone rests on, in a sentence"]
    path: Annotated[str | None, "the path of the model's file or folder on this machine"]
    size_bytes: Annotated[int | None, "the size on disk, in bytes"]
    quantization: Annotated[str | None, "the quantization, such as Q4_K_M"]
    parameters: Annotated[str | None, "the size class, such as 8B"]
    context_limit_tokens: Annotated[
        int | None, "the largest context that the model was made for, in tokens"
    ]
    capabilities: Annotated[list[str] | None, "completion, tools, vision, thinking, …"]
    loaded: Annotated[bool | None, "whether the model is in memory now"]
    digest: Annotated[str | None, "sha256:… of the model's file; null if unknown"]
    providers: Annotated[list[str], "the providers that run the model as it is"]
    loaded_by: Annotated[list[str], "the providers that have it in memory"]
    places: Annotated[
        list[PlaceDocument],
        "the places of the model on this machine; empty if only a server has it",
    ]


class SilentProvider(TypedDict):
    """A provider that does not answer."""

    provider: Annotated[str, "the provider"]
    problem: Annotated[str, "the reason"]


class List(TypedDict):
    """`localai list --json`"""

    schema: Annotated[Literal["localai.list/1"], "the name and version of the document"]
    models: Annotated[
        list[ModelDocument], "the models on this machine, and of the servers that answer"
    ]
    silent: Annotated[list[SilentProvider], "the providers that do not answer"]
    presets: Annotated[list[PresetDocument], "models with lasting settings, as `-m` takes them"]


class ListDuplicates(TypedDict):
    """`localai list --duplicates --json`"""

    schema: Annotated[Literal["localai.list/1"], "the name and version of the document"]
    duplicates: Annotated[list[DuplicateDocument], "the groups of equal files, the largest first"]
    freed_bytes: Annotated[int, "the bytes of the disk that `localai dedupe` would free"]


def list_document(found: AvailableModels, presets: Iterable[Preset]) -> List:
    """The document of `localai list`."""
    return {
        "schema": "localai.list/1",
        "models": [_model(listed) for listed in found.models],
        "silent": [{"provider": name, "problem": problem} for name, problem in found.silent],
        "presets": [preset_document(each) for each in presets],
    }


def duplicates_document(found: Iterable[Duplicate]) -> ListDuplicates:
    """The document of `localai list --duplicates`."""
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
