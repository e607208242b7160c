"""What documents say of a model: where it lies, what memory it takes, how fast it would be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.hardware.facts import Confidence
from localai.stores.folders import StoreName

if TYPE_CHECKING:
    from localai.sizing.memory import MemoryNeed
    from localai.sizing.speed import SpeedRange
    from localai.stores.inventory import Place


class PlaceDocument(TypedDict):
    """Where a model lies on this machine."""

    store: Annotated[StoreName, "whose store: ours, or whose"]
    name: Annotated[str, "what it is called there"]
    path: Annotated[str, "its file or folder"]


class MemoryDocument(TypedDict):
    """What a model takes in memory."""

    weights_bytes: Annotated[int, "the weights"]
    context_bytes: Annotated[int, "keys and values of the context"]
    compute_bytes: Annotated[int, "buffers"]
    total_bytes: Annotated[int, "all of it"]
    context_tokens: Annotated[int, "with a context of so many tokens"]
    kv_type: Annotated[str, "how keys and values are kept: f16, q8_0"]
    basis: Annotated[Literal["engine", "formula"], "who says so"]


class SpeedDocument(TypedDict):
    """A predicted speed of decoding, tokens a second."""

    low_tokens_per_s: Annotated[float | None, "the lower end; null where nothing can be said"]
    expected_tokens_per_s: Annotated[float | None, "the likeliest"]
    high_tokens_per_s: Annotated[float | None, "the upper end"]
    basis: Annotated[str, "what it rests on, or why it is unknown"]
    confidence: Annotated[
        Confidence | None,
        "measured: by answers on this machine; inferred: from a known bandwidth; else assumed",
    ]


def place_document(place: Place) -> PlaceDocument:
    """A place where a model lies."""
    return {"store": place.store, "name": place.name, "path": str(place.path)}


def memory_document(need: MemoryNeed, kv_type: str = "f16") -> MemoryDocument:
    """The memory that a model takes at a context, with keys and values kept as `kv_type`."""
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
