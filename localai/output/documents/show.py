"""The document of `localai show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.output.documents.answer import zone_name
from localai.output.documents.model import (
    MemoryDocument,
    PlaceDocument,
    SpeedDocument,
    memory_document,
    place_document,
    speed_document,
)
from localai.providers.registry import full_name
from localai.types import ZoneName

if TYPE_CHECKING:
    from localai.library.details import MemoryAt, ModelDetails
    from localai.sizing.speed import SpeedRange


class FileDocument(TypedDict):
    """A file of a model."""

    path: Annotated[str, "the path of the file"]
    size_bytes: Annotated[int, "the size in bytes"]


class Show(TypedDict):
    """`localai show --json`"""

    schema: Annotated[Literal["localai.show/1"], "the name and version of the document"]
    model: Annotated[str, "the model, as `-m` takes it"]
    preset: Annotated[str | None, "the preset that was named, which is of that model"]
    provider: Annotated[str, "the provider of the model"]
    zone: Annotated[ZoneName | None, "where it would be computed; null is unproven"]
    path: Annotated[
        str | None, "the path of the model's file or folder; null if only a server has it"
    ]
    title: Annotated[str | None, "the name that the model's makers gave it"]
    architecture: Annotated[str | None, "the architecture, such as llama"]
    parameters: Annotated[str | None, "the size class, such as 8B"]
    parameter_count: Annotated[
        int | None, "the number of all parameters, also in a mixture of experts"
    ]
    quantization: Annotated[str | None, "the quantization, such as Q4_K_M"]
    context_limit_tokens: Annotated[
        int | None, "the largest context that the model was made for, in tokens"
    ]
    layers: Annotated[int | None, "the number of blocks"]
    embedding_length: Annotated[int | None, "the width of a token's vector"]
    vocabulary: Annotated[int | None, "the number of the tokenizer's tokens"]
    experts: Annotated[int | None, "the number of experts; null for a dense model"]
    experts_used: Annotated[int | None, "the number of experts for each token"]
    predicts_ahead: Annotated[
        bool, 'whether layers of it predict several tokens, for `engine.draft = "mtp"`'
    ]
    tokenizer: Annotated[str | None, "the kind of the tokenizer"]
    template: Annotated[str | None, "the chat template, Jinja; null for a base model"]
    template_problems: Annotated[list[str], "what is wrong with the template in force"]
    given_template: Annotated[str | None, "models.NAME.chat_template: the file in its place"]
    system_prompt: Annotated[str | None, "the system prompt that the publisher advises"]
    license: Annotated[str | None, "the licence that the model's files state"]
    capabilities: Annotated[list[str] | None, "completion, tools, vision, thinking, …"]
    purpose: Annotated[str | None, "the use of a model that does not chat; null for one that does"]
    size_bytes: Annotated[int | None, "the size of all its files, in bytes"]
    digest: Annotated[str | None, "sha256:… of the model's file, if its store states it"]
    files: Annotated[list[FileDocument], "the files of the model"]
    places: Annotated[
        list[PlaceDocument], "the places of the model on this machine, with its names there"
    ]
    memory: Annotated[
        MemoryDocument | None, "the memory at the context of --ctx; null without --ctx"
    ]
    memory_table: Annotated[
        list[MemoryDocument], "the memory at each context, with each type of KV"
    ]
    speed: Annotated[SpeedDocument, "the predicted speed"]


def show_document(
    details: ModelDetails,
    table: tuple[MemoryAt, ...],
    speed: SpeedRange,
    context_tokens: int | None,
) -> Show:
    """The document of `localai show`. `context_tokens` is the context of `--ctx`, whose memory then
    comes first in `table`."""
    from localai.formats.prediction_heads import predicts_ahead

    model = details.model
    return {
        "schema": "localai.show/1",
        "model": full_name(model.provider, model.id),
        "preset": model.preset,
        "provider": model.provider,
        "zone": zone_name(model.zone),
        "path": None if model.path is None else str(model.path),
        "title": details.title,
        "architecture": details.architecture,
        "parameters": model.parameters,
        "parameter_count": details.parameter_count,
        "quantization": model.quantization,
        "context_limit_tokens": model.context_limit,
        "layers": details.layers,
        "embedding_length": details.embedding,
        "vocabulary": details.vocabulary,
        "experts": None if details.experts is None else details.experts[0],
        "experts_used": None if details.experts is None else details.experts[1],
        "predicts_ahead": predicts_ahead(details.source),
        "tokenizer": details.tokenizer,
        "template": details.template,
        "template_problems": list(details.template_problems),
        "given_template": None if details.given_template is None else str(details.given_template),
        "system_prompt": model.system_prompt,
        "license": details.license,
        "capabilities": None if model.capabilities is None else sorted(model.capabilities),
        "purpose": model.purpose,
        "size_bytes": details.size_bytes,
        "digest": model.digest,
        "files": [{"path": str(file), "size_bytes": file.stat().st_size} for file in details.files],
        "places": [place_document(place) for place in details.places],
        "memory": memory_document(table[0].need, table[0].kv_type)
        if context_tokens is not None and table
        else None,
        "memory_table": [memory_document(at.need, at.kv_type) for at in table],
        "speed": speed_document(speed),
    }
