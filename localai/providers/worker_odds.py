"""Odds of tokens from a worker of llama.cpp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from localai.net.framing import ServerRefused
from localai.net.http import call
from localai.providers.token_odds import Odds, odds_of
from localai.providers.worker_chat import rendered_prompt
from localai.wires.refusals import worker_failure

if TYPE_CHECKING:
    from localai.engine.lifecycle import Lease
    from localai.types import ChatRequest

_WHO = "the embedded engine"
_CERTAIN: Final = 1000.0


class WorkerOdds:
    """The model in the worker of `lease`."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        # llama.cpp tells no odds where the token that it draws is half a character.
        self._drawn = self.tokens("a")[0]

    def prompt(self, request: ChatRequest) -> list[int]:
        """The tokens of the prompt, by the model's own template."""
        text = rendered_prompt(request, self._lease, _WHO).text
        return self._tokens(text, special=True)

    def tokens(self, text: str) -> list[int]:
        """The tokens of a text, without any template."""
        return self._tokens(text, special=False)

    def next(self, tokens: Sequence[int], count: int) -> Odds:
        """The odds of the `count` likeliest tokens after `tokens`.

        llama.cpp's `echo` would score a whole text at once, but it is silently ignored. So this
        asks for one token at a time, after a prefix that stays in the cache. Which token is drawn
        is of no use, and `logit_bias` changes none of the odds, which are the model's own.
        """
        body = {
            "prompt": list(tokens),
            "n_predict": 1,
            "n_probs": count,
            "logit_bias": [[self._drawn, _CERTAIN]],
            "cache_prompt": True,
            "samplers": [],
        }
        return odds_of(self._call("/completion", body))

    def _tokens(self, text: str, *, special: bool) -> list[int]:
        body = {"content": text, "add_special": special, "parse_special": special}
        return [int(each) for each in self._call("/tokenize", body)["tokens"]]

    def _call(self, path: str, body: Any) -> Any:
        try:
            return call(self._lease.files.socket, "POST", path, body, timeout_s=600)
        except ServerRefused as error:
            raise worker_failure(_WHO, error.status, error.error) from error
