"""The known names that a user may have meant by a misspelt one: "did you mean" for all commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

_MOST: Final = 3
_LIKENESS: Final = 0.6


def near_names(
    name: str,
    known: Iterable[str],
    *,
    means: Mapping[str, str] | None = None,
    likeness: float = _LIKENESS,
) -> list[str]:
    """At most three of `known` that are spelled like `name`, the likest first, or that begin with
    it; case is ignored.

    `means` maps a spelling in `known` to the name that it stands for. `likeness` is difflib's
    ratio, 0 to 1.
    """
    from difflib import get_close_matches

    spellings = {each.casefold(): (means or {}).get(each, each) for each in known}
    # Several spellings may mean the same name.
    begun = [each for each in spellings if each.startswith(name.casefold())] if name[1:] else []
    close = get_close_matches(name.casefold(), spellings, n=2 * _MOST, cutoff=likeness)
    return list(dict.fromkeys(spellings[spelling] for spelling in (close or begun)))[:_MOST]


def did_you_mean(
    name: str,
    known: Iterable[str],
    *,
    means: Mapping[str, str] | None = None,
    likeness: float = _LIKENESS,
) -> str | None:
    """The near names as an error's hint; None if there are none."""
    near = near_names(name, known, means=means, likeness=likeness)
    return f"did you mean {' or '.join(near)}?" if near else None
