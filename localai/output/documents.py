"""The JSON documents of the promise, under the names that `docs/reference/json.md` lists."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from localai.types import Locality, ResolvedModel, Timings, Zone

if TYPE_CHECKING:
    from localai.answers import Answer
    from localai.cost.prices import Cost


def answer_document(answer: Answer, cost: Cost, conversation: str | None) -> dict[str, Any]:
    """An answer with everything that is known of it; null is unknown."""
    model, done = answer.model, answer.done
    return {
        "model": model.id,
        "provider": model.provider,
        "zone": zone_label(done.locality.zone),
        "text": answer.text,
        "reasoning": answer.reasoning or None,
        "finish_reason": done.finish_reason,
        "usage": asdict(done.usage),
        "timings": timings_document(done.timings),
        "locality": locality_document(done.locality),
        "cost": cost_document(cost),
        "context_tokens": done.context_tokens,
        "conversation": conversation,
    }


def timings_document(timings: Timings) -> dict[str, Any]:
    """Where the time went, with the rates that follow from it."""
    return {
        "load_s": timings.load_s,
        "time_to_first_token_s": timings.time_to_first_token_s,
        "prefill_tokens_per_s": timings.prefill_tokens_per_s,
        "decode_tokens_per_s": timings.decode_tokens_per_s,
        "total_s": timings.total_s,
        "clock": timings.clock,
    }


def cost_document(cost: Cost) -> dict[str, Any]:
    """What a call cost and what that rests on; an unknown amount is null."""
    amount = None if cost.amount is None else float(cost.amount)
    return {"amount": amount, "currency": cost.currency, "basis": cost.basis}


def locality_document(locality: Locality) -> dict[str, Any]:
    """Where an answer was computed, and the evidence."""
    return {
        "process": None if locality.process is None else asdict(locality.process),
        "machine": locality.machine,
        "zone": zone_label(locality.zone),
        "evidence": locality.evidence,
        "network_denied": locality.network_denied,
    }


def model_document(model: ResolvedModel) -> dict[str, Any]:
    """A model that could answer."""
    return {
        "model": model.id,
        "provider": model.provider,
        "zone": zone_label(model.zone),
        "evidence": model.evidence,
        "path": None if model.path is None else str(model.path),
        "size_bytes": model.size_bytes,
        "quantization": model.quantization,
        "parameters": model.parameters,
        "context_tokens": model.context_limit,
        "capabilities": None if model.capabilities is None else sorted(model.capabilities),
        "loaded": model.loaded,
    }


def zone_label(zone: Zone | None) -> str | None:
    """device, lan, cloud; None where it is not proven."""
    return None if zone is None else zone.label
