"""Carrying out the set-up plan, and the proof: a question whose answer is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from localai.chat.ask import Asker
from localai.chat.conversation import Conversation
from localai.chat.recorder import Recorder
from localai.chat.request import AskSettings
from localai.chat.select import select_model
from localai.config import load, set_value
from localai.events import Events
from localai.types import Options

if TYPE_CHECKING:
    from localai.fetch.allowed_hosts import AllowedHosts
    from localai.fetch.plan import PullEvent
    from localai.paths import Paths
    from localai.providers.pool import ProviderPool
    from localai.setup.plan import SetupPlan

QUESTION: Final = "What is the capital of France?"
_EXPECTED: Final = "paris"
# Enough for a model that always reasons before it answers.
_MAX_TOKENS: Final = 1024


def fetch(
    plan: SetupPlan, paths: Paths, hosts: AllowedHosts, on_connect: Callable[[str, int], None]
) -> Iterator[PullEvent]:
    """Fetch or copy the plan's model; the last event is `Pulled`.

    `on_connect` is called with each host and port that pip connects to. Raises what a pull raises.
    """
    from localai.fetch.backups import make_store

    if plan.bundled is not None:
        from localai.setup.offline import place_model

        make_store(plan.bundled.target.parent, paths)
        yield from place_model(plan.bundled)
    elif plan.download is not None:
        from localai.fetch.pull import fetch_model

        make_store(plan.download.store, paths)
        yield from fetch_model(plan.download, hosts)
    else:
        from localai.fetch.starter import fetch_starter

        yield from fetch_starter(paths, on_connect)


def write_settings(plan: SetupPlan, paths: Paths) -> None:
    """Write the plan's settings into the configuration file. Raises InvalidInput."""
    for key, value in plan.settings.items():
        set_value(paths, key, value)


def first_answer(
    plan: SetupPlan, paths: Paths, providers: ProviderPool, announce: Callable[[str], None]
) -> Events:
    """The events of the planned model's answer to QUESTION, which is not stored.

    Raises what a chat raises.
    """
    config = load(paths).with_flags(provider=plan.settings.get("provider"))
    chosen = select_model(plan.model, config, providers)
    thinks = "thinking" in (chosen.model.capabilities or ())
    settings = AskSettings(
        # Greedy, so that a model that answers right always does.
        options=Options(temperature=0.0, max_tokens=_MAX_TOKENS),
        think="off" if thinks else None,
    )
    asker = Asker(chosen, config, paths, providers, announce, settings)
    return Conversation(asker, Recorder()).ask(QUESTION)


def is_right(answer: str) -> bool:
    """Whether `answer` answers QUESTION."""
    return _EXPECTED in answer.lower()
