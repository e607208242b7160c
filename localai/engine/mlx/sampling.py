"""How the next token is chosen: our sampling options as mlx-lm's samplers and processors.

Only the worker imports this module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mlx.core as mx
from mlx_lm.sample_utils import make_logits_processors, make_sampler

from localai.types import Options

# llama.cpp's defaults, so that both local engines answer alike; mlx-lm's default is greedy.
_TEMPERATURE = 0.8
_PENALTY_WINDOW_TOKENS = 64

Processor = Callable[[mx.array, mx.array], mx.array]


def sampler(options: Options) -> Callable[[mx.array], mx.array]:
    """A function that chooses a token from log probabilities."""
    chosen: Callable[[mx.array], mx.array] = make_sampler(
        temp=_or(options.temperature, _TEMPERATURE),
        # To mlx-lm, 0 means off; to the wire it means only the likeliest token.
        top_p=max(_or(options.top_p, 1.0), 1e-6),
        min_p=_or(options.min_p, 0.0),
        top_k=int(_or(options.top_k, 0)),
    )
    return chosen


def processors(options: Options, cached: Sequence[int]) -> list[Processor]:
    """The penalties that were asked for. `cached` are the tokens that mlx-lm will not see; without
    them an answer would depend on what happens to be in the cache."""
    penalty = _or(options.repeat_penalty, 1.0)
    made = make_logits_processors(
        repetition_penalty=None if penalty in (0.0, 1.0) else penalty,
        repetition_context_size=_PENALTY_WINDOW_TOKENS,
        presence_penalty=_or(options.presence_penalty, 0.0) or None,
        presence_context_size=_PENALTY_WINDOW_TOKENS,
        frequency_penalty=_or(options.frequency_penalty, 0.0) or None,
        frequency_context_size=_PENALTY_WINDOW_TOKENS,
    )
    before = mx.array(cached[-_PENALTY_WINDOW_TOKENS:], mx.int32)
    return [_with_prefix(processor, before) for processor in made]


def top_logprobs(
    logprobs: mx.array, token: int, count: int
) -> tuple[float, list[tuple[int, float]]]:
    """The log probability of `token`, and the `count` likeliest tokens with theirs, best first."""
    own = float(logprobs[token].item())
    if count < 1:
        return own, []
    likeliest = mx.argpartition(-logprobs, kth=count - 1)[:count]
    pairs = zip(likeliest.tolist(), logprobs[likeliest].tolist(), strict=True)
    return own, sorted(pairs, key=lambda pair: pair[1], reverse=True)


def _with_prefix(processor: Processor, before: mx.array) -> Processor:
    def with_prefix(tokens: mx.array, logits: mx.array) -> mx.array:
        return processor(mx.concatenate([before, tokens]), logits)

    return with_prefix


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else float(value)
