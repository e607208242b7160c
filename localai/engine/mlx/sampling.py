"""How the next token is chosen: our sampling options as mlx-lm's samplers and processors.

Only the worker imports this module.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import mlx.core as mx
from mlx_lm.sample_utils import make_logits_processors, make_sampler

from localai.types import Options

PENALTY_WINDOW_TOKENS = 64
# llama.cpp's defaults, so that both local engines answer alike; mlx-lm's default is greedy.
_TEMPERATURE = 0.8
# Spreads neighbouring seeds, so that none draws what another does a token later.
_SPREAD = 0x9E3779B97F4A7C15

Sampler = Callable[[mx.array], mx.array]
Processor = Callable[[mx.array, mx.array], mx.array]


def sampler(options: Options, seed: int, position: int) -> Sampler:
    """A function that chooses an answer's tokens from log probabilities, one a call, from the one
    at `position` on.

    MLX has one random state for all: it is set before each draw, so that what an answer draws
    depends on its seed alone, whoever is computed beside it.
    """
    temperature = _or(options.temperature, _TEMPERATURE)
    chosen: Sampler = make_sampler(
        temp=temperature,
        # To mlx-lm, 0 means off; to the wire it means only the likeliest token.
        top_p=max(_or(options.top_p, 1.0), 1e-6),
        min_p=_or(options.min_p, 0.0),
        top_k=int(_or(options.top_k, 0)),
    )
    if temperature == 0:
        # Not wrapped: mlx-lm chooses at once for all answers that share a sampler.
        return chosen
    positions = itertools.count(position)

    def seeded(logprobs: mx.array) -> mx.array:
        mx.random.seed((seed * _SPREAD + next(positions)) % (1 << 64))
        return chosen(logprobs)

    return seeded


def processors(options: Options) -> list[Processor]:
    """The penalties that were asked for, over the last tokens of prompt and answer."""
    penalty = _or(options.repeat_penalty, 1.0)
    made: list[Processor] = make_logits_processors(
        repetition_penalty=None if penalty in (0.0, 1.0) else penalty,
        repetition_context_size=PENALTY_WINDOW_TOKENS,
        presence_penalty=_or(options.presence_penalty, 0.0) or None,
        presence_context_size=PENALTY_WINDOW_TOKENS,
        frequency_penalty=_or(options.frequency_penalty, 0.0) or None,
        frequency_context_size=PENALTY_WINDOW_TOKENS,
    )
    return made


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


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else float(value)
