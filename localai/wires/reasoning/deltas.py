"""Two functions that the splitters of text streams share. Pure, standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from localai.dataclass import dataclass
from localai.events import Delta, ThinkingEnded


def joined(deltas: Iterable[Delta]) -> list[Delta]:
    """The deltas without empty ones. Neighbours of the same kind are joined."""
    result: list[Delta] = []
    for delta in deltas:
        if isinstance(delta, ThinkingEnded):
            result.append(delta)
        elif result and isinstance(last := result[-1], type(delta)):
            result[-1] = type(delta)(last.text + delta.text)
        elif delta.text:
            result.append(delta)
    return result


def partial_length(text: str, tags: Iterable[str]) -> int:
    """The number of characters at the end of `text` that may be the beginning of one of `tags`, in
    upper or lower case."""
    beginnings = _beginnings(tuple(tags))
    end = text[-beginnings.longest :].lower()
    # Nearly every token returns here: none of its last characters begins a tag.
    if beginnings.first.isdisjoint(end):
        return 0
    return next((len(each) for each in beginnings.all if end.endswith(each)), 0)


@dataclass(frozen=True, slots=True)
class _Beginnings:
    """The beginnings of tags in lower case: every proper beginning, longest first; the first
    characters; the longest one's length."""

    all: tuple[str, ...]
    first: frozenset[str]
    longest: int


@cache
def _beginnings(tags: tuple[str, ...]) -> _Beginnings:
    every = {tag[:length].lower() for tag in tags for length in range(1, len(tag))}
    ordered = sorted(every, key=len, reverse=True)
    return _Beginnings(tuple(ordered), frozenset(each[0] for each in ordered), len(ordered[0]))
