"""The drift of models from a reference, for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from localai.compare.drift import TOP, Drift
from localai.output.output import Output
from localai.output.table import Column
from localai.statistics import FEWEST_CASES
from localai.units import counted

_COLUMNS = (
    Column("model"),
    Column("divergence", right=True),
    Column("95%", drop=3, right=True),
    Column("p99", drop=2, right=True),
    Column("same top", right=True),
    Column("perplexity", drop=1, right=True),
    Column("parts after", right=True),
)


def print_drift(
    output: Output, reference: str, found: Sequence[Drift], names: Mapping[str, str]
) -> None:
    """Print a row for each model, its largest differences below it, and the meaning of the
    figures."""
    shown = output.table(_COLUMNS, [_row(each) for each in found])
    places, count = found[0].places, len(found[0].parted)
    prompts = counted(count, "prompt")
    output.paragraph(
        f"against {names[reference]}, which wrote {counted(places, 'token')} to {prompts}, greedily"
        f" (perplexity {found[0].reference_perplexity:.2f}). divergence: mean KL in nats, at least"
        f" that ({TOP} likeliest tokens and the rest as one); same top: places with the same"
        " likeliest token; parts after: tokens until greedy answers would differ, the median"
    )
    if count < FEWEST_CASES and "95%" in shown:
        output.paragraph(f"no 95% interval: it takes {FEWEST_CASES} prompts at least")
    for each in found:
        for place in each.worst:
            output.line("")
            output.line((names[each.model], "bold"), f" · {place.case} · {place.divergence:.2f}")
            output.line(("…" + place.before, "dim"), f" {place.reference!r} → {place.model!r}")


def _row(drift: Drift) -> list[str]:
    low, high = drift.divergence.low, drift.divergence.high
    return [
        drift.model,
        f"{drift.divergence.value:.3f}",
        "–" if low is None or high is None else f"{low:.3f}–{high:.3f}",
        f"{drift.p99:.2f}",
        f"{drift.same_top:.1%}",
        f"{drift.perplexity:.2f}",
        _parted(drift.parted),
    ]


def _parted(parted: Sequence[int | None]) -> str:
    """The median, over the prompts, of the tokens until the texts differ. A prompt whose texts
    never differ counts as the largest."""
    if all(each is None for each in parted):
        return "never"
    middle = median([float("inf") if each is None else each for each in parted])
    return "never" if middle == float("inf") else f"{middle:g}"
