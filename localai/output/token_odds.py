"""What else each token of an answer might have been (`--logprobs`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from localai.output.untrusted import sanitize
from localai.types import TokenLogprobs


def odds_lines(tokens: Iterable[TokenLogprobs]) -> Iterator[str]:
    """A line a token: itself, its probability, and the alternatives with theirs."""
    for token in tokens:
        others = "  ".join(
            f"{_shown(text)} {_percent(logprob)}"
            for text, logprob in token.alternatives
            if text != token.token
        )
        yield f"{_shown(token.token):<16} {_percent(token.logprob):>6}   {others}".rstrip()


def _shown(token: str) -> str:
    """The token so that its spaces and newlines are seen."""
    return repr(sanitize(token))


def _percent(logprob: float) -> str:
    return f"{math.exp(logprob):.1%}"
