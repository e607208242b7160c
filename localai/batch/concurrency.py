"""How many requests a provider is asked at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from localai.batch.shared_context import Room
from localai.errors import ContextOverflow, InsufficientResources
from localai.providers.registry import facts_of
from localai.sizing.context import shared_context
from localai.types import ChatRequest

if TYPE_CHECKING:
    from localai.chat.select import SelectedModel
    from localai.config import Config


def requests_at_once(provider: str, asked: int | None, config: Config) -> int:
    """What was asked for, else what the config says of the provider, else what is known to help."""
    facts = facts_of(provider, config)
    if asked is not None:
        return min(asked, facts.most_concurrent or asked)
    key = facts.concurrency_setting
    if key is not None and config.values[key].origin != "default":
        return int(config[key])
    return facts.concurrency


def make_ready(
    chosen: SelectedModel, at_once: int, sample: Sequence[ChatRequest]
) -> tuple[int, Room]:
    """How many requests like those of `sample` the provider really takes at once, fewer where
    memory is short; and the room that they share. Raises what loading the model raises."""
    while True:
        try:
            shared = chosen.provider.prepare(sample[0], at_once, shared_context(sample, at_once))
        except ContextOverflow:
            raise
        except InsufficientResources:
            if at_once == 1:
                raise
            at_once //= 2
        else:
            return at_once, Room(shared)
