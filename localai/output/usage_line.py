"""What `-u` prints under an answer: tokens, speed, and where it was computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localai.units import money_text

if TYPE_CHECKING:
    from localai.answers import Answer
    from localai.cost.prices import Cost
    from localai.types import Done, ResolvedModel


def usage_lines(answer: Answer, cost: Cost) -> list[str]:
    """Two lines for a person; what is unknown is left out, never shown as zero."""
    numbers = _numbers(answer.done)
    if cost.amount:
        numbers += f" · {money_text(cost.amount, places=6)}"
    return [numbers, _where(answer.model, answer.done)]


def _numbers(done: Done) -> str:
    usage, timings = done.usage, done.timings
    parts = []
    if usage.input_tokens is not None:
        cached = f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""
        parts.append(f"{usage.input_tokens:,} tokens in{cached}")
    if usage.output_tokens is not None:
        parts.append(f"{usage.output_tokens:,} out")
    if timings.time_to_first_token_s is not None:
        parts.append(f"first token {timings.time_to_first_token_s:.2f} s")
    if timings.load_s is not None:
        parts.append(f"load {timings.load_s:.2f} s")
    if timings.prefill_tokens_per_s is not None:
        parts.append(f"prefill {timings.prefill_tokens_per_s:,.0f} tok/s")
    if timings.decode_tokens_per_s is not None:
        parts.append(f"decode {timings.decode_tokens_per_s:,.1f} tok/s")
    if timings.clock is not None:
        parts.append(f"{timings.clock}'s clock")
    return " · ".join(parts)


def _where(model: ResolvedModel, done: Done) -> str:
    locality = done.locality
    zone = "unproven" if locality.zone is None else locality.zone.label
    process = ""
    if locality.process is not None:
        pid = "" if locality.process.pid is None else f" {locality.process.pid}"
        process = f" · {locality.process.name}{pid}"
    denied = " · no network (kernel)" if locality.network_denied else ""
    return f"{model.provider}/{model.id} · {zone}{process}{denied} · {locality.evidence}"
