"""The document of `localai quantize`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.library.quantization.conversion import Program
from localai.output.documents.model import MemoryDocument, memory_document

if TYPE_CHECKING:
    from localai.library.quantization.plan import QuantizationPlan
    from localai.library.quantization.run import Quantized


class Quantize(TypedDict):
    """`localai quantize --json`"""

    schema: Annotated[Literal["localai.quantize/1"], "the name and version of the document"]
    model: Annotated[str, "the model, as `-m` takes it"]
    source_model: Annotated[str, "the model that the result is made from"]
    path: Annotated[str, "the path of the model's file or folder"]
    quantization: Annotated[str, "the quantization of the result"]
    made_by: Annotated[Program, "the program that makes it"]
    fallback_shares: Annotated[
        dict[str, float],
        "shares of the weights that take another type, because their rows do not fit, by that type",
    ]
    dry_run: Annotated[bool, "whether nothing was done"]
    source_size_bytes: Annotated[int, "the size of the source in bytes"]
    size_bytes: Annotated[int, "the size of the result in bytes; an estimate if nothing was done"]
    source_memory: Annotated[
        MemoryDocument | None, "the memory that the source takes at 4,096 tokens"
    ]
    memory: Annotated[
        MemoryDocument | None, "the memory that the result takes; null if nothing was done"
    ]
    answer: Annotated[str | None, "the result's answer to a trial question"]


def quantize_document(plan: QuantizationPlan, made: Quantized | None) -> Quantize:
    """The document of `localai quantize`. `made` is None if only the plan was asked for."""
    after = None if made is None else made.need
    return {
        "schema": "localai.quantize/1",
        "model": plan.name,
        "source_model": plan.source.id,
        "path": str(plan.target),
        "quantization": plan.conversion.to,
        "made_by": plan.conversion.by,
        "fallback_shares": dict(plan.conversion.fallbacks),
        "dry_run": made is None,
        "source_size_bytes": plan.conversion.size_bytes,
        "size_bytes": plan.conversion.made_bytes if made is None else made.size_bytes,
        "source_memory": None if plan.need is None else memory_document(plan.need),
        "memory": None if after is None else memory_document(after),
        "answer": None if made is None else made.answer,
    }
