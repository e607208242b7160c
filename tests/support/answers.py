"""What a test wants of the events of an answer, and an Ollama to ask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from localai.events import Done, Event, ReasoningDelta, TextDelta
from localai.providers.ollama import Ollama
from localai.providers.ollama_daemon import Daemon, target_of
from tests.contract.rows import identity


def text_of(events: Sequence[Event]) -> str:
    """The text of an answer."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def reasoning_of(events: Sequence[Event]) -> str:
    """What the model thought before."""
    return "".join(event.text for event in events if isinstance(event, ReasoningDelta))


def end_of(events: Sequence[Event]) -> Done:
    """The last event, which must be the one end of the answer."""
    ends = [event for event in events if isinstance(event, Done)]
    assert len(ends) == 1 and events[-1] is ends[0]
    return ends[0]


def open_ollama(home: Path, host: str, **settings: str) -> Ollama:
    """The provider for the Ollama at `host`; settings as in `cloud_allow="ollama"`."""
    variables = {f"LOCALAI_{name.upper()}": value for name, value in settings.items()}
    config, paths = identity(home, variables)
    target = target_of(config, {"OLLAMA_HOST": host})
    return Ollama(config, Daemon(config, target, paths.cache_dir))
