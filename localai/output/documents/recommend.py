"""The document of `localai recommend`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.output.documents.model import (
    MemoryDocument,
    SpeedDocument,
    memory_document,
    speed_document,
)

if TYPE_CHECKING:
    from localai.recommend.catalogue import Source
    from localai.recommend.kept_hub import KeptHub, Unread
    from localai.recommend.ranking import Recommendation


class CitationDocument(TypedDict):
    """The source of a fact in the catalogue."""

    fact: Annotated[str, "the fact"]
    what: Annotated[str, "what there is to read"]
    url: Annotated[str, "the address of the source"]
    date: Annotated[str, "the date of the source"]


class RepositoryDocument(TypedDict):
    """What the hub says of a model that the catalogue has not."""

    repository: Annotated[str, "the repository, ORG/REPO"]
    format: Annotated[Literal["gguf", "mlx"], "the format of its model"]
    base_repository: Annotated[
        str | None, "the repository of the model that was packed, by its tags"
    ]
    created: Annotated[str | None, "the day of the repository (2026-10-03)"]
    downloads: Annotated[int | None, "downloads in 30 days"]
    gated: Annotated[bool, "whether its licence is to be accepted before it is served"]
    commit: Annotated[str | None, "the commit whose header was read"]
    read_at: Annotated[float, "when its header was read, in seconds since the epoch"]


class UnreadDocument(TypedDict):
    """A repository, or a publisher, of which nothing is known."""

    name: Annotated[str, "the repository or the publisher"]
    reason: Annotated[str, "the reason"]


class KeptHubDocument(TypedDict):
    """What the hub was last found to have (`--online`)."""

    host: Annotated[str, "the hub's host"]
    asked_at: Annotated[float, "when it was asked, in seconds since the epoch"]
    whole: Annotated[bool, "whether all was asked; false if the asking was broken off"]
    model_count: Annotated[int, "the number of models that are kept"]
    in_catalogue: Annotated[list[str], "those of them that the catalogue has already"]
    too_large: Annotated[int, "the number of models that are too large for the machine that asked"]
    unread: Annotated[list[UnreadDocument], "the repositories whose header was not read"]
    unasked: Annotated[list[UnreadDocument], "the publishers whose list did not come"]


class RecommendationDocument(TypedDict):
    """A model, judged for a machine."""

    model: Annotated[str, "the model, as `localai pull` takes it"]
    base_model: Annotated[str, "the same model in its usual quantization"]
    quantization: Annotated[str, "the quantization, such as Q4_K_M"]
    size_bytes: Annotated[int, "the size on disk, in bytes"]
    size_computed: Annotated[
        bool, "whether the size is parameters times bits, and not a published size"
    ]
    parameter_count: Annotated[int, "the number of all parameters, also in a mixture of experts"]
    active_parameter_count: Annotated[int, "the number of parameters that each token reads"]
    license: Annotated[
        str | None, "the licence: an SPDX identifier, or a name; null if none is named"
    ]
    tasks: Annotated[list[str], "the tasks that the model is for, the main one first"]
    capabilities: Annotated[list[str], "completion, tools, vision, thinking, embedding"]
    installed: Annotated[bool, "whether the model is on this machine"]
    fits: Annotated[bool, "whether the machine has room for it"]
    comfortable: Annotated[bool, "whether it is fast enough for the task"]
    in_gpu: Annotated[bool, "whether a GPU's memory holds all of it"]
    memory: Annotated[MemoryDocument, "the memory with up to 8,192 tokens of context"]
    headroom_bytes: Annotated[
        int, "memory left beside the smallest context, in bytes; negative if it is missing"
    ]
    fitting_context_tokens: Annotated[int | None, "the longest context that fits"]
    context_limit_tokens: Annotated[
        int, "the largest context that the model was made for, in tokens"
    ]
    speed: Annotated[SpeedDocument, "the predicted speed with 1,024 tokens in the context"]
    why: Annotated[str, "the reason for the place, in a sentence"]
    hub: Annotated[RepositoryDocument | None, "the repository; null for a model of the catalogue"]
    sources: Annotated[list[CitationDocument], "the source of each fact"]


class Recommend(TypedDict):
    """`localai recommend --json`"""

    schema: Annotated[Literal["localai.recommend/1"], "the name and version of the document"]
    task: Annotated[str, "the task: chat, code, reasoning, vision, extract or embed"]
    profile: Annotated[str | None, "the machine of `--profile`; null is this machine"]
    catalogue_date: Annotated[str, "the date of the newest source of the catalogue"]
    kept_hub: Annotated[KeptHubDocument | None, "what the hub had; null if it was never asked"]
    recommendations: Annotated[
        list[RecommendationDocument], "the models, the best first and those too large last"
    ]


def recommend_document(
    task: str,
    profile: str | None,
    found: Iterable[Recommendation],
    kept: KeptHub | None,
) -> Recommend:
    """The document of `localai recommend`. `profile` is the name of a machine that stands in for
    this one, `kept` what the hub had."""
    from localai.recommend.catalogue import catalogue, catalogue_date

    sources = catalogue().sources
    return {
        "schema": "localai.recommend/1",
        "task": task,
        "profile": profile,
        "catalogue_date": catalogue_date().isoformat(),
        "kept_hub": None if kept is None else _kept_hub(kept),
        "recommendations": [_recommendation(each, sources) for each in found],
    }


def _kept_hub(kept: KeptHub) -> KeptHubDocument:
    from localai.recommend.catalogued import catalogued

    return {
        "host": kept.server,
        "asked_at": kept.asked_at,
        "whole": kept.whole,
        "model_count": len(kept.models),
        "in_catalogue": [each.name for each in kept.models if catalogued(each) is not None],
        "too_large": kept.too_large,
        "unread": [_unread(each) for each in kept.unread],
        "unasked": [_unread(each) for each in kept.unasked],
    }


def _unread(unread: Unread) -> UnreadDocument:
    return {"name": unread.name, "reason": unread.reason}


def _recommendation(found: Recommendation, sources: Mapping[str, Source]) -> RecommendationDocument:
    entry, file = found.entry, found.quantization
    return {
        "model": found.pull_name,
        "base_model": entry.name,
        "quantization": file.quantization,
        "size_bytes": file.size_bytes,
        "size_computed": file.computed,
        "parameter_count": entry.parameters,
        "active_parameter_count": entry.active_parameters,
        "license": entry.license,
        "tasks": list(entry.tasks),
        "capabilities": list(entry.capabilities),
        "installed": found.installed,
        "fits": found.fits,
        "comfortable": found.comfortable,
        "in_gpu": found.in_gpu,
        "memory": memory_document(entry.memory(file, min(8192, entry.context_tokens))),
        "headroom_bytes": found.headroom_bytes,
        "fitting_context_tokens": found.context_tokens,
        "context_limit_tokens": entry.context_tokens,
        "speed": speed_document(found.speed),
        "why": found.why,
        "hub": _repository(found),
        "sources": _sources(found, sources),
    }


def _repository(found: Recommendation) -> RepositoryDocument | None:
    from localai.recommend.hub_model import HubModel

    model = found.entry
    if not isinstance(model, HubModel):
        return None
    return {
        "repository": model.repo,
        "format": model.format,
        "base_repository": model.base,
        "created": model.created,
        "downloads": model.downloads,
        "gated": model.gated,
        "commit": model.commit,
        "read_at": model.read_at,
    }


def _sources(found: Recommendation, sources: Mapping[str, Source]) -> list[CitationDocument]:
    """The sources of the catalogue's facts. Those of the hub's are all in its repository."""
    from localai.recommend.hub_model import HubModel

    entry = found.entry
    if isinstance(entry, HubModel):
        return []
    named = {**entry.sources, "size": found.quantization.source}
    return [_citation(fact, sources[key]) for fact, key in named.items()]


def _citation(fact: str, source: Source) -> CitationDocument:
    return {
        "fact": fact,
        "what": source.what,
        "url": source.url,
        "date": source.date.isoformat(),
    }
