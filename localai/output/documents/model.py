"""The parts of documents that describe a model: its places, its memory, its predicted speed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.hardware.facts import Confidence
from localai.stores.folders import StoreName

if TYPE_CHECKING:
    from localai.sizing.memory import MemoryNeed
    from localai.sizing.speed import SpeedRange
    from localai.stores.inventory import Place


class PlaceDocument(TypedDict):
    """A place of a model on this machine."""

    store: Annotated[StoreName, "the model store"]
    name: Annotated[str, "the model's name in that store"]
    path: Annotated[str, "the path of the model's file or folder"]


class MemoryDocument(TypedDict):
    """The memory that a model takes."""

    weights_bytes: Annotated[int, "the weights"]
    context_bytes: Annotated[int, "the keys and values of the context"]
    compute_bytes: Annotated[int, "the compute buffers"]
    total_bytes: Annotated[int, "the sum"]
    context_tokens: Annotated[int, "the context that the figures hold for, in tokens"]
    kv_type: Annotated[str, "the type of keys and values, such as f16 or q8_0"]
    basis: Annotated[
        Literal["engine", "formula"],
        "the source of the figures: the engine's own projection, or a formula",
    ]


class SpeedDocument(TypedDict):
    """The predicted decode rate, in tokens a second."""

    low_tokens_per_s: Annotated[
        float | None, "the lower end of the range; null if nothing can be said"
    ]
    expected_tokens_per_s: Annotated[float | None, "the likeliest rate"]
    high_tokens_per_s: Annotated[float | None, "the upper end of the range"]
    basis: Annotated[str, "what the prediction rests on, or why there is none"]
    confidence: Annotated[
        Confidence | None,
        "measured by answers on this machine, inferred from a known bandwidth, or assumed",
    ]


def place_document(place: Place) -> PlaceDocument:
    """A place of a model."""
    return {"store": place.store, "name": place.name, "path": str(place.path)}


def memory_document(need: MemoryNeed, kv_type: str = "f16") -> MemoryDocument:
    """The memory that a model takes at a context, with keys and values of the type `kv_type`."""
    return {
        "weights_bytes": need.weights_bytes,
        "context_bytes": need.context_bytes,
        "compute_bytes": need.compute_bytes,
        "total_bytes": need.total_bytes,
        "context_tokens": need.context_tokens,
        "kv_type": kv_type,
        "basis": need.basis,
    }


def speed_document(speed: SpeedRange) -> SpeedDocument:
    """A predicted speed."""
    return {
        "low_tokens_per_s": _rounded(speed.low),
        "expected_tokens_per_s": _rounded(speed.expected),
        "high_tokens_per_s": _rounded(speed.high),
        "basis": speed.basis,
        "confidence": speed.confidence,
    }


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 2)
