"""The drift of quantized models: how far a model's token probabilities are from those of the
reference.

The reference writes its answer greedily. Every other model is given the same tokens, and at each
position the log probabilities of both are compared. Sources: Kullback and Leibler (1951); the
measures are those of llama.cpp's `perplexity --kl-divergence`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from statistics import fmean

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.providers.token_odds import Odds, TokenOdds
from localai.statistics import Interval, bootstrap_by_case, quantile
from localai.types import ChatRequest

TOP = 256
"""So many of the likeliest tokens are compared; the rest of both counts as one more."""
_PROBE = "Straße, naïve café — 東京 Привет 12,345.67\n\tdef f(x): return {x: 'ü'} 🙂"
_WORST = 3
_ROUNDING = 1e-6
"""The engine's probabilities are floats of 32 bits, and their sum is not quite 1."""


@dataclass(frozen=True, slots=True)
class TokenPosition:
    """A token of the reference's answer, with the log probabilities at its position."""

    token: int
    odds: Odds


@dataclass(frozen=True, slots=True)
class Script:
    """The reference's answer to one prompt: the prompt's tokens, and each token of the answer."""

    case: str
    prompt: tuple[int, ...]
    places: tuple[TokenPosition, ...]

    @property
    def tokens(self) -> list[int]:
        """The tokens of the answer."""
        return [place.token for place in self.places]

    def text_before(self, position: int) -> str:
        """The text of the answer before the position."""
        return "".join(place.odds.top[place.token][0] for place in self.places[:position])


@dataclass(frozen=True, slots=True)
class Worst:
    """A position where the models differ: the text before it, the reference's token, the other
    model's token."""

    case: str
    divergence: float
    before: str
    reference: str
    model: str


@dataclass(frozen=True, slots=True)
class Drift:
    """The distance of a model from the reference.

    `divergence` is the mean over the positions of KL(reference ‖ model) in nats, with an interval
    by prompt; `p99` is its 99th percentile. Both are lower bounds. `same_top` is the share of
    positions with the same likeliest token. The perplexities are those of the reference's tokens.
    `parted` has, for each prompt, the number of tokens until greedy answers differ; None if they
    never do.
    """

    model: str
    places: int
    divergence: Interval
    p99: float
    same_top: float
    perplexity: float
    reference_perplexity: float
    parted: tuple[int | None, ...]
    worst: tuple[Worst, ...]


Opened = Callable[[], AbstractContextManager[TokenOdds]]


def write_scripts(
    reference: TokenOdds, requests: Mapping[str, ChatRequest], tokens: int
) -> Iterator[Script]:
    """The reference's greedy answer to each request, at most `tokens` tokens long."""
    for case, request in requests.items():
        prompt = reference.prompt(request)
        places: list[TokenPosition] = []
        while len(places) < tokens:
            odds = reference.next([*prompt, *(place.token for place in places)], TOP)
            likeliest = odds.likeliest
            text, _ = odds.top[likeliest]
            places.append(TokenPosition(likeliest, odds))
            if not text:
                # The end of the answer, which has no text.
                break
        yield Script(case, tuple(prompt), tuple(places))


def probe(model: TokenOdds) -> list[int]:
    """The tokens of a fixed text, which differ between vocabularies."""
    return model.tokens(_PROBE)


def follow(model: TokenOdds, script: Script) -> Iterator[Odds]:
    """The model's log probabilities at each position of the script."""
    tokens = script.tokens
    for position in range(len(tokens)):
        yield model.next([*script.prompt, *tokens[:position]], TOP)


def drift_of(
    model: str, scripts: Sequence[Script], followed: Mapping[str, Sequence[Odds]]
) -> Drift:
    """The drift of `model`. `followed` has its log probabilities, by the case of each script.
    Raises InvalidInput if a token's number stands for different texts in the two models."""
    by_case: list[float] = []
    all_places: list[float] = []
    worst: list[Worst] = []
    same = 0
    log_reference: list[float] = []
    log_model: list[float] = []
    parted: list[int | None] = []
    for script in scripts:
        odds = followed[script.case]
        _require_same_tokens(model, script, odds)
        found = [divergence(p.odds, q) for p, q in zip(script.places, odds, strict=True)]
        by_case.append(fmean(found))
        all_places += found
        differs = [
            number
            for number, (p, q) in enumerate(zip(script.places, odds, strict=True))
            if q.likeliest != p.token
        ]
        same += len(found) - len(differs)
        parted.append(differs[0] if differs else None)
        log_reference += [p.odds.top[p.token][1] for p in script.places]
        log_model += [_log(q, p.token) for p, q in zip(script.places, odds, strict=True)]
        worst += [
            Worst(
                script.case,
                found[number],
                script.text_before(number)[-40:],
                script.places[number].odds.top[script.places[number].token][0],
                odds[number].top[odds[number].likeliest][0],
            )
            for number in differs
        ]
    worst.sort(key=lambda each: -each.divergence)
    return Drift(
        model=model,
        places=len(all_places),
        divergence=_mean_of_places(all_places, by_case),
        p99=quantile(all_places, 0.99),
        same_top=same / len(all_places),
        perplexity=math.exp(-fmean(log_model)),
        reference_perplexity=math.exp(-fmean(log_reference)),
        parted=tuple(parted),
        worst=tuple(worst[:_WORST]),
    )


def divergence(reference: Odds, model: Odds) -> float:
    """KL(reference ‖ model) in nats, over the tokens that both list, with all other tokens as one.

    The result is a lower bound: joining tokens can only lessen the divergence.
    """
    total = p_listed = q_listed = 0.0
    for token, (_, log_p) in reference.top.items():
        if token not in model.top:
            continue
        log_q = model.top[token][1]
        p, q = math.exp(log_p), math.exp(log_q)
        p_listed, q_listed = p_listed + p, q_listed + q
        total += p * (log_p - log_q)
    p_rest, q_rest = 1 - p_listed, 1 - q_listed
    if p_rest > _ROUNDING and q_rest > _ROUNDING:
        total += p_rest * math.log(p_rest / q_rest)
    return max(0.0, total)


def _log(odds: Odds, token: int) -> float:
    """The log probability of a token. For a token that is not listed, that of the last listed one,
    which is an upper bound."""
    listed = odds.top.get(token)
    return min(log for _, log in odds.top.values()) if listed is None else listed[1]


def _mean_of_places(places: Sequence[float], by_case: Sequence[float]) -> Interval:
    bounds = bootstrap_by_case(list(by_case))
    return Interval(fmean(places), bounds.low, bounds.high)


def _require_same_tokens(model: str, script: Script, odds: Sequence[Odds]) -> None:
    """Raise InvalidInput if a token's number stands for different texts in the two models, which
    would make every comparison nonsense."""
    for place, other in zip(script.places, odds, strict=True):
        for token, (text, _) in other.top.items():
            listed = place.odds.top.get(token)
            if listed is not None and listed[0] != text:
                raise InvalidInput(f"{model} has another vocabulary than the reference")
