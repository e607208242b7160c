"""Two small things that splitters of text streams share. Pure, standard library only."""

from __future__ import annotations

from collections.abc import Iterable

from localai.types import ReasoningDelta, TextDelta

Delta = ReasoningDelta | TextDelta


def joined(deltas: Iterable[Delta]) -> list[Delta]:
    """The deltas without empty ones, neighbours of one kind made into one."""
    result: list[Delta] = []
    for delta in deltas:
        if result and type(result[-1]) is type(delta):
            result[-1] = type(delta)(result[-1].text + delta.text)
        elif delta.text:
            result.append(delta)
    return result


def partial_length(text: str, tags: Iterable[str]) -> int:
    """How many characters at the end of `text` may be the beginning of one of `tags`, in
    whatever case."""
    longest = 0
    for tag in tags:
        for length in range(min(len(tag) - 1, len(text)), longest, -1):
            if tag.lower().startswith(text[-length:].lower()):
                longest = length
                break
    return longest
