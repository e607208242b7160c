"""Flags of `localai chat` of which one would have no effect beside the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from localai.errors import InvalidInput

_CONFLICTS: Final = (
    ("-c", "--cid"),
    ("-q", "-u"),
    ("--raw", "--json"),
    ("--dry-run", "--more"),
    ("--airgap", "--allow-cloud"),
)


def refuse_conflicts(given: Mapping[str, object]) -> None:
    """Raise InvalidInput for two flags of which one would have no effect."""
    for one, other in _CONFLICTS:
        if given[one] and given[other]:
            raise InvalidInput(f"{one} and {other} exclude each other", hint="give one of them")
