"""Flags of `localai chat` of which one would have no effect, or not the one that was meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from localai.errors import InvalidInput
from localai.output.output import Output

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


def warn_of_a_number(
    prompt: Sequence[str] | None, output: Output, *, no_log: bool, goes_on: bool
) -> None:
    """Warn where `-n 128 …` or `-c 4096 …` were probably meant as llama.cpp takes them: here
    neither takes a number, which becomes a word of the question."""
    first, *others = prompt or [""]
    if others and first.isdecimal() and (no_log or goes_on):
        flag = "-n keeps no record" if no_log else "-c goes on"
        meant = "--max-tokens" if no_log else "--ctx"
        output.warn(f"{flag}, and {first} is part of the question: did you mean {meant} {first}?")
