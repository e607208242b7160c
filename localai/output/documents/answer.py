"""What documents say of an answer: its tokens, speed, place and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.types import ZoneName

if TYPE_CHECKING:
    from localai.cost.prices import Cost
    from localai.types import Locality, Timings, Usage, Zone


class UsageDocument(TypedDict):
    """Tokens, as the provider counts them."""

    input_tokens: Annotated[int | None, "prompt tokens, the cached ones included"]
    output_tokens: Annotated[int | None, "answer tokens, reasoning included"]
    cached_tokens: Annotated[int | None, "prompt tokens that were not computed again"]
    reasoning_tokens: Annotated[int | None, "tokens of thinking"]
    cache_write_tokens: Annotated[int | None, "prompt tokens that a cloud charged for caching"]


class TimingsDocument(TypedDict):
    """Where the time went."""

    load_s: Annotated[float | None, "loading the model, seconds"]
    time_to_first_token_s: Annotated[float | None, "from the request to the first token, our clock"]
    prefill_tokens_per_s: Annotated[float | None, "computed prompt tokens a second"]
    decode_tokens_per_s: Annotated[float | None, "answer tokens a second"]
    total_s: Annotated[float | None, "from the request to the end, our clock"]
    clock: Annotated[Literal["server", "client"] | None, "who timed load, prefill and decode"]


class ProcessDocument(TypedDict):
    """A process on this machine."""

    pid: Annotated[int | None, "its number"]
    name: Annotated[str, "what it is, with its version"]


class LocalityDocument(TypedDict):
    """Where an answer was computed, and what that claim rests on."""

    process: Annotated[ProcessDocument | None, "the process that computed it"]
    machine: Annotated[str | None, "the machine's name"]
    zone: Annotated[ZoneName | None, "null is unproven"]
    evidence: Annotated[str, "what the claim rests on, in a sentence"]
    network_denied: Annotated[bool | None, "whether the kernel keeps the process off the network"]


class CostDocument(TypedDict):
    """What it cost."""

    amount: Annotated[float | None, "0 only where it truly is"]
    currency: Annotated[str, "USD"]
    basis: Annotated[str | None, "what the amount rests on, with the price list's date"]


def usage_document(usage: Usage) -> UsageDocument:
    """The token counts of an answer."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
    }


def timings_document(timings: Timings) -> TimingsDocument:
    """The speed of an answer."""
    return {
        "load_s": timings.load_s,
        "time_to_first_token_s": timings.time_to_first_token_s,
        "prefill_tokens_per_s": timings.prefill_tokens_per_s,
        "decode_tokens_per_s": timings.decode_tokens_per_s,
        "total_s": timings.total_s,
        "clock": timings.clock,
    }


def locality_document(locality: Locality) -> LocalityDocument:
    """Where an answer was computed, and the evidence."""
    process = locality.process
    return {
        "process": None if process is None else {"pid": process.pid, "name": process.name},
        "machine": locality.machine,
        "zone": zone_name(locality.zone),
        "evidence": locality.evidence,
        "network_denied": locality.network_denied,
    }


def cost_document(cost: Cost) -> CostDocument:
    """What a call cost and what that rests on."""
    amount = None if cost.amount is None else float(cost.amount)
    return {"amount": amount, "currency": cost.currency, "basis": cost.basis}


def zone_name(zone: Zone | None) -> ZoneName | None:
    """device, lan, cloud; None where it is not proven."""
    return None if zone is None else zone.label
