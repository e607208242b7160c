"""The constant facts of a model in Ollama, remembered by its digest.

`/api/show` reads the whole header of the file: 25 ms with a vocabulary of 49,000 tokens, 95 ms with
262,000, before every first word. A digest names a content, so its facts hold as long as `/api/tags`
(1 ms) gives the same digest. The key includes Ollama's version, because Ollama judges what a model
can do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from localai.dataclass import dataclass
from localai.remembered import Remembered
from localai.types import Capability
from localai.wires.ollama.model import (
    capabilities_of,
    context_limit_of,
    makers_context_of,
    makers_limit_of,
    remote_of,
    think_switches_of,
)

# Version of the remembered format; raise it when that changes.
_VERSION: Final = 4
_MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts from `/api/show`. Contexts and the limit of an answer are in tokens; None is
    unknown. `may_think_off` and `has_levels` are what the model's template knows of thinking."""

    family: str = ""
    capabilities: frozenset[Capability] | None = None
    context_limit: int | None = None
    makers_context: int | None = None
    makers_limit: int | None = None
    system_prompt: str | None = None
    remote: str | None = None
    may_think_off: bool | None = None
    has_levels: bool | None = None


def facts_of(show: Mapping[str, Any], remote: str | None = None) -> Facts:
    """The facts in an answer of `/api/show`, or the part of them that an answer of `/api/tags` has.

    `remote` is the host where the model is computed, if that is known otherwise.
    """
    may_think_off, has_levels = think_switches_of(show)
    return Facts(
        family=(show.get("details") or {}).get("family") or "",
        capabilities=capabilities_of(show),
        context_limit=context_limit_of(show),
        makers_context=makers_context_of(show),
        makers_limit=makers_limit_of(show),
        system_prompt=show.get("system") or None,
        remote=remote or remote_of(show),
        may_think_off=may_think_off,
        has_levels=has_levels,
    )


class FactsByDigest:
    """Facts that were read before, in the cache's `file`."""

    def __init__(self, file: Path) -> None:
        self._remembered = Remembered(file, version=_VERSION, most=_MOST)
        self._known: dict[str, Facts] = {}

    def get(self, digest: str, version: str, show: Callable[[], Mapping[str, Any]]) -> Facts:
        """The facts of `digest`; `show` is called if they are not remembered. Raises what it
        raises."""
        key = f"{version} {digest}"
        if key not in self._known:
            found = _read(self._remembered.get(key))
            if found is None:
                found = facts_of(show())
                self._remembered.put(key, _to_json(found))
                self._remembered.save()
            self._known[key] = found
        return self._known[key]


def _to_json(facts: Facts) -> dict[str, Any]:
    fields = asdict(facts)
    if facts.capabilities is not None:
        fields["capabilities"] = sorted(facts.capabilities)
    return fields


def _read(remembered: Any) -> Facts | None:
    try:
        known = remembered["capabilities"]
        return Facts(**{**remembered, "capabilities": None if known is None else frozenset(known)})
    except (TypeError, KeyError):
        return None
