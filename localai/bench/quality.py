"""What a quantization costs in quality: how well a model predicts a text, and how far its
predictions are from those of the reference. Pure.

    perplexity    e to the mean loss a token, in nats; lower is better, and only of one text
    divergence    Kullback and Leibler's, of the prediction from the reference's, in nats a token
    same top      the share of tokens for which both find the same one likeliest

The reference is the variant with the most bits that was measured. Its own file, computed a second
time, is the floor of the method: what lies below says nothing.
"""

from __future__ import annotations

import math
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from localai.dataclass import dataclass
from localai.statistics import Interval, mean_interval, quantile, wilson

if TYPE_CHECKING:
    from localai.engine.llamacpp.evaluation import Evaluated


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a model predicts `tokens` tokens.

    `reference` is the model that it is compared with, None for that one itself. `loss` is how much
    larger the perplexity is than the reference's, a fraction. `floor` is the mean divergence of the
    reference from itself. `unavailable` says why there is nothing.
    """

    tokens: int = 0
    perplexity: Interval | None = None
    reference: str | None = None
    loss: Interval | None = None
    divergence: Interval | None = None
    divergence_p99: float | None = None
    same_top: Interval | None = None
    floor: float | None = None
    unavailable: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Any) -> Quality:
        """What `as_json` wrote."""
        intervals = {each.name for each in fields(cls)} & {
            name for name, value in document.items() if isinstance(value, dict)
        }
        return cls(**{**document, **{name: Interval(**document[name]) for name in intervals}})


def quality_of(
    evaluated: Evaluated,
    reference: Evaluated | None = None,
    *,
    name: str | None = None,
    floor: float | None = None,
) -> Quality:
    """The quality of `evaluated`, beside the `reference` called `name`, if there is one. Where the
    two have not the same tokens, only the perplexity is known, and is not comparable."""
    log = mean_interval(evaluated.losses)
    alone = Quality(tokens=len(evaluated.losses), perplexity=_exponential(log), floor=floor)
    if reference is None:
        return alone
    if reference.tokens_id != evaluated.tokens_id:
        return Quality(
            tokens=alone.tokens,
            perplexity=alone.perplexity,
            unavailable=f"it has other tokens than {name}, so the two cannot be held together",
        )
    pairs = zip(evaluated.losses, reference.losses, strict=True)
    more = mean_interval([mine - theirs for mine, theirs in pairs])
    same = sum(map(int.__eq__, evaluated.likeliest, reference.likeliest))
    return Quality(
        tokens=alone.tokens,
        perplexity=alone.perplexity,
        reference=name,
        loss=_exponential(more, less=1.0),
        divergence=mean_interval(evaluated.divergences),
        divergence_p99=quantile(evaluated.divergences, 0.99),
        same_top=wilson(same, alone.tokens),
        floor=floor,
    )


def _exponential(log: Interval, less: float = 0.0) -> Interval:
    def of(value: float | None) -> float | None:
        return None if value is None else math.exp(value) - less

    return Interval(math.exp(log.value) - less, of(log.low), of(log.high))
