"""The selection of checks by groups and codes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from localai.doctor.checks import CHECKS, GROUPS, all_checks
from localai.errors import InvalidInput
from localai.near_names import did_you_mean


def codes_of(words: Sequence[str]) -> frozenset[str]:
    """The codes that `words` name; all codes if there are no words. Raises InvalidInput."""
    if not words:
        return frozenset(CHECKS)
    found: set[str] = set()
    for word in words:
        if word in GROUPS:
            found |= {each.code for each in all_checks() if each.group == word}
        else:
            found.add(require_code(word))
    return frozenset(found)


def require_code(word: str) -> str:
    """`word`, if it is a check's code. Raises InvalidInput with near names."""
    if word in GROUPS:
        raise InvalidInput(
            f"{word} is a group of checks, and no check",
            hint=", ".join(each.code for each in all_checks() if each.group == word),
            command=("localai", "doctor", "--list"),
        )
    if word not in CHECKS:
        raise InvalidInput(
            f"there is no check and no group {word!r}",
            hint=did_you_mean(word, (*CHECKS, *GROUPS), likeness=0.5),
            command="localai doctor --list",
        )
    return word
