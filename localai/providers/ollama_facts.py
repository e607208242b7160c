"""What is constant about a model in Ollama, kept by its digest.

`/api/show` reads the whole header of the file: 25 ms with a vocabulary of 49,000 tokens, 95 ms
with 262,000, before every first word. A digest names its content, so what was shown for it once
holds as long as `/api/tags` (1 ms) gives the same digest; the version is in the key because
what a model can is Ollama's judgement.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from localai.paths import private_dir, write_atomically
from localai.types import Capability
from localai.wires.ollama import client as wire


@dataclass(frozen=True, slots=True)
class Facts:
    """What `/api/show` says of a model. Contexts are in tokens; None is unknown."""

    family: str = ""
    capabilities: frozenset[Capability] | None = None
    context_limit: int | None = None
    own_context: int | None = None
    system_prompt: str | None = None
    remote: str | None = None


def facts_of(show: Mapping[str, Any], remote: str | None = None) -> Facts:
    """The facts in an answer of `/api/show`, or as far as they are there, in one of `/api/tags`.

    `remote` is where the model is known to be computed by other signs.
    """
    return Facts(
        family=(show.get("details") or {}).get("family") or "",
        capabilities=wire.capabilities_of(show),
        context_limit=wire.context_limit_of(show),
        own_context=wire.own_context_of(show),
        system_prompt=show.get("system") or None,
        remote=remote or wire.remote_of(show),
    )


class FactsByDigest:
    """Facts that were read before, in files of `folder`. A file that cannot be used is ignored."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Facts] = {}

    def get(self, digest: str, version: str, show: Callable[[], Mapping[str, Any]]) -> Facts:
        """The facts of `digest`; `show` is called if they are not known. Raises what it raises."""
        key = hashlib.sha256(f"{version} {digest}".encode()).hexdigest()[:32]
        if key not in self._known:
            file = self._folder / f"{key}.json"
            found = _read(file)
            if found is None:
                found = facts_of(show())
                with suppress(OSError):
                    private_dir(file.parent)
                    write_atomically(file, _to_json(found))
            self._known[key] = found
        return self._known[key]


def _to_json(facts: Facts) -> bytes:
    fields = asdict(facts)
    if facts.capabilities is not None:
        fields["capabilities"] = sorted(facts.capabilities)
    return json.dumps(fields).encode()


def _read(file: Path) -> Facts | None:
    try:
        fields = json.loads(file.read_bytes())
        if fields["capabilities"] is not None:
            fields["capabilities"] = frozenset(fields["capabilities"])
        return Facts(**fields)
    except (OSError, ValueError, TypeError, KeyError):
        return None
