"""How probable each token of a text is to a model: an ability of providers that have its weights.

A `TokenOdds` is one loaded model, for one block. Token numbers are those of its vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from localai.dataclass import dataclass
from localai.errors import Unreachable
from localai.types import ChatRequest


@dataclass(frozen=True, slots=True)
class Odds:
    """The likeliest next tokens: by its number, the text and the log probability of each."""

    top: Mapping[int, tuple[str, float]]

    @property
    def likeliest(self) -> int:
        """The number of the likeliest token."""
        return max(self.top, key=lambda token: self.top[token][1])


class TokenOdds(Protocol):
    """A loaded model that gives its odds. Every method raises Unreachable if the model breaks
    off."""

    def prompt(self, request: ChatRequest) -> list[int]:
        """The tokens of the prompt, by the model's own template."""

    def tokens(self, text: str) -> list[int]:
        """The tokens of a text, without any template."""

    def next(self, tokens: Sequence[int], count: int) -> Odds:
        """The odds of the `count` likeliest tokens after `tokens`."""


@runtime_checkable
class TellsOdds(Protocol):
    """A provider with this ability."""

    def odds(self, request: ChatRequest) -> AbstractContextManager[TokenOdds]:
        """The model of the request, loaded for as long as the block runs."""


def odds_of(document: Any) -> Odds:
    """The odds in llama.cpp's answer to `/completion` with `n_predict: 1, n_probs: N`.

    Raises Unreachable if they are missing.
    """
    try:
        [first] = document["completion_probabilities"][:1]
        top = {
            int(each["id"]): (str(each["token"]), float(each["logprob"]))
            for each in first["top_logprobs"]
        }
    except (KeyError, TypeError, ValueError) as error:
        raise Unreachable("the engine does not say how probable its tokens are") from error
    if not top:
        raise Unreachable("the engine does not say how probable its tokens are")
    return Odds(top)
