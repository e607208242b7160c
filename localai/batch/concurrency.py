"""How many requests a provider is asked at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from localai.batch.shared_context import Room, tokens_to_share
from localai.errors import ContextOverflow, InsufficientResources
from localai.types import ChatRequest

if TYPE_CHECKING:
    from localai.chat.select import Chosen
    from localai.config import Config

# On two cores the embedded engine gives 1.8 to 2 times the rate with 8 slots, and with 16 no more
# (docs/guides/batch.md). The MLX worker computes one at a time; the second waits at its door.
# Ollama and LM Studio queue what they do not compute at once, and clouds count requests.
_AT_ONCE = {"llamacpp": 8, "mlx": 2, "ollama": 4, "lmstudio": 4, "openai": 8, "anthropic": 4}
# llama.cpp refuses to start with more than a few hundred, and computes none of them sooner.
_MOST_SLOTS = 64
_OF_A_SERVER = 8
_OF_OTHERS = 4


@runtime_checkable
class SharesContext(Protocol):
    """A provider whose requests share one context."""

    def prepare(self, request: ChatRequest, at_once: int, context_tokens: int) -> None:
        """Be ready for `at_once` requests like `request` in `context_tokens`. Raises
        InsufficientResources."""


def requests_at_once(provider: str, asked: int | None, config: Config) -> int:
    """What was asked for, else what the config says of the provider, else what is known to help."""
    if asked is not None:
        return min(asked, _MOST_SLOTS) if provider == "llamacpp" else asked
    if provider in config.endpoints:
        return config.endpoints[provider].concurrency or _OF_A_SERVER
    if provider == "llamacpp" and config.values["engine.slots"].origin != "default":
        return int(config["engine.slots"])
    return _AT_ONCE.get(provider, _OF_OTHERS)


def make_ready(chosen: Chosen, at_once: int, sample: Sequence[ChatRequest]) -> tuple[int, Room]:
    """How many requests like those of `sample` the provider really takes at once, fewer where
    memory is short; and the room that they share. Raises what loading the model raises."""
    provider = chosen.provider
    if not isinstance(provider, SharesContext):
        return at_once, Room()
    while True:
        tokens = tokens_to_share(sample, at_once)
        try:
            provider.prepare(sample[0], at_once, tokens)
        except ContextOverflow:
            raise
        except InsufficientResources:
            if at_once == 1:
                raise
            at_once //= 2
        else:
            return at_once, Room(tokens)
