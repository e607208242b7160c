"""The parts of documents that describe an answer: its tokens, speed, place and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.types import ZoneName

if TYPE_CHECKING:
    from localai.cost.prices import Cost
    from localai.events import Locality, Timings, Usage
    from localai.types import Zone


class UsageDocument(TypedDict):
    """Tokens, as the provider counts them."""

    input_tokens: Annotated[int | None, "prompt tokens, the cached ones included"]
    output_tokens: Annotated[int | None, "answer tokens, reasoning included"]
    cached_tokens: Annotated[int | None, "prompt tokens that were read from a cache"]
    reasoning_tokens: Annotated[int | None, "tokens of thinking"]
    cache_write_tokens: Annotated[int | None, "prompt tokens that a cloud charged for caching"]


class TimingsDocument(TypedDict):
    """The times and rates of an answer."""

    load_s: Annotated[float | None, "seconds that loading the model took"]
    time_to_first_token_s: Annotated[
        float | None, "seconds from the request to the first token, by localai's clock"
    ]
    prefill_tokens_per_s: Annotated[float | None, "computed prompt tokens a second"]
    decode_tokens_per_s: Annotated[float | None, "answer tokens a second"]
    total_s: Annotated[float | None, "seconds from the request to the end, by localai's clock"]
    clock: Annotated[
        Literal["server", "client"] | None, "whose clock timed load, prefill and decode"
    ]


class ProcessDocument(TypedDict):
    """A process on this machine."""

    pid: Annotated[int | None, "the process's number"]
    name: Annotated[str, "the program, with its version"]


class LocalityDocument(TypedDict):
    """The place where an answer was computed, and the evidence for it."""

    process: Annotated[ProcessDocument | None, "the process that computed it"]
    machine: Annotated[str | None, "the machine's name"]
    zone: Annotated[ZoneName | None, "the zone of the machine; null is unproven"]
    evidence: Annotated[str, "what the claim rests on, in a sentence"]
    network_denied: Annotated[bool | None, "whether the kernel keeps the process off the network"]


class CostDocument(TypedDict):
    """The cost of a call."""

    amount: Annotated[
        float | None, "the amount; 0 only if the call really was free, null if unknown"
    ]
    currency: Annotated[str, "always USD"]
    basis: Annotated[str | None, "what the amount rests on, with the price list's date"]


def usage_document(usage: Usage) -> UsageDocument:
    """An answer's token counts."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
    }


def timings_document(timings: Timings) -> TimingsDocument:
    """An answer's times and rates."""
    return {
        "load_s": timings.load_s,
        "time_to_first_token_s": timings.time_to_first_token_s,
        "prefill_tokens_per_s": timings.prefill_tokens_per_s,
        "decode_tokens_per_s": timings.decode_tokens_per_s,
        "total_s": timings.total_s,
        "clock": timings.clock,
    }


def locality_document(locality: Locality) -> LocalityDocument:
    """The place where an answer was computed, and the evidence for it."""
    process = locality.process
    return {
        "process": None if process is None else {"pid": process.pid, "name": process.name},
        "machine": locality.machine,
        "zone": zone_name(locality.zone),
        "evidence": locality.evidence,
        "network_denied": locality.network_denied,
    }


def cost_document(cost: Cost) -> CostDocument:
    """The cost of a call, and what it rests on."""
    amount = None if cost.amount is None else float(cost.amount)
    return {"amount": amount, "currency": cost.currency, "basis": cost.basis}


def zone_name(zone: Zone | None) -> ZoneName | None:
    """The name of a zone: device, lan or cloud; None for an unproven one."""
    return None if zone is None else zone.label
