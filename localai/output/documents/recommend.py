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
    from localai.recommend.ranking import Recommendation


class CitationDocument(TypedDict):
    """Where a fact of the catalogue was read."""

    fact: Annotated[str, "which"]
    what: Annotated[str, "what there is to read"]
    url: Annotated[str, "where"]
    date: Annotated[str, "the date of what was read"]


class RecommendationDocument(TypedDict):
    """A model, held against a machine."""

    model: Annotated[str, "its name, as `localai pull` takes it"]
    base_model: Annotated[str, "the same in its usual quantization"]
    quantization: Annotated[str, "such as Q4_K_M"]
    size_bytes: Annotated[int, "size on disk"]
    size_computed: Annotated[bool, "whether that is parameters times bits, not a published size"]
    parameter_count: Annotated[int, "all of them, also of a mixture of experts"]
    active_parameter_count: Annotated[int, "those that a token reads"]
    license: Annotated[str, "its SPDX identifier, or a name"]
    tasks: Annotated[list[str], "what it is for, the first before all"]
    capabilities: Annotated[list[str], "completion, tools, vision, thinking, embedding"]
    installed: Annotated[bool, "whether it is on this machine"]
    fits: Annotated[bool, "whether the machine has room for it"]
    comfortable: Annotated[bool, "whether it is fast enough for the task"]
    in_gpu: Annotated[bool, "whether a GPU's memory holds all of it"]
    memory: Annotated[MemoryDocument, "with up to 8,192 tokens of context"]
    headroom_bytes: Annotated[int, "memory left beside the smallest context; negative: missing"]
    fitting_context_tokens: Annotated[int | None, "the longest context that fits"]
    context_limit_tokens: Annotated[int, "the largest context it was made for"]
    speed: Annotated[SpeedDocument, "predicted, with 1,024 tokens in the context"]
    why: Annotated[str, "a sentence"]
    sources: Annotated[list[CitationDocument], "where each fact was read"]


class Recommend(TypedDict):
    """`localai recommend --json`"""

    schema: Annotated[Literal["localai.recommend/1"], "the promise that the rest keeps"]
    task: Annotated[str, "chat, code, reasoning, vision, extract or embed"]
    profile: Annotated[str | None, "the `--profile` that stands in; null is this machine"]
    catalogue_date: Annotated[str, "the date of the newest source of the catalogue"]
    recommendations: Annotated[list[RecommendationDocument], "the best first, those too large last"]


def recommend_document(
    task: str,
    profile: str | None,
    found: Iterable[Recommendation],
) -> Recommend:
    """What `localai recommend` prints; `profile` is the name of a machine that stands in."""
    from localai.recommend.catalogue import catalogue, catalogue_date

    sources = catalogue().sources
    return {
        "schema": "localai.recommend/1",
        "task": task,
        "profile": profile,
        "catalogue_date": catalogue_date().isoformat(),
        "recommendations": [_recommendation(each, sources) for each in found],
    }


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
        "sources": [
            _citation(fact, sources[key])
            for fact, key in {**entry.sources, "size": file.source}.items()
        ],
    }


def _citation(fact: str, source: Source) -> CitationDocument:
    return {
        "fact": fact,
        "what": source.what,
        "url": source.url,
        "date": source.date.isoformat(),
    }
