"""What is shown of a message that was found: a piece as it was written, its hits marked. Pure.

The index holds folded words (`search_words`), so what SQLite marks is laid over the text again. Of
a long text only the surroundings of one hit are.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Final

from localai.database.search_words import UNSPACED, begins_cluster, folded, origins, without_gaps
from localai.patterns import lazy_pattern

HIT_BEGINS: Final = "\x02"
HIT_ENDS: Final = "\x03"
_WORDS: Final = 28
_WORDS_BEFORE: Final = 8
_MOST_HITS: Final = 500
# A piece of the text, and how near to each other hits are that are shown together.
_PIECE: Final = 1000
_NEAR: Final = 150
_MARKS: Final = lazy_pattern(f"[{HIT_BEGINS}{HIT_ENDS}]")
_WORD: Final = lazy_pattern(f"[{UNSPACED}]|[^\\s{UNSPACED}]+")
Spans = tuple[tuple[int, int], ...]


def excerpt(text: str, highlighted: str) -> tuple[str, Spans]:
    """About 28 words of `text` with as many hits as fit, with an ellipsis where something was left
    out, and the places of the hits in it; `highlighted` is the whole text as the index has it, the
    hits between `HIT_BEGINS` and `HIT_ENDS`."""
    words, hits = _hits(without_gaps(highlighted))
    at = _densest([begin for begin, _ in hits[:_MOST_HITS]], _NEAR)
    start, end, passed = _surroundings(text, at)
    piece = text[start:end]
    shown, marks = _excerpt(piece, _laid_over(piece, words[passed:], hits, passed))
    before = "…" if start and not shown.startswith("…") else ""
    after = "…" if end < len(text) and not shown.endswith("…") else ""
    shift = len(before)
    return f"{before}{shown}{after}", tuple((b + shift, e + shift) for b, e in marks)


def _hits(highlighted: str) -> tuple[str, list[tuple[int, int]]]:
    """The folded text, and where in it the hits are."""
    hits: list[tuple[int, int]] = []
    at = begin = 0
    for piece in re.split(f"({_MARKS.pattern})", highlighted):
        if piece == HIT_BEGINS:
            begin = at
        elif piece == HIT_ENDS:
            hits.append((begin, at))
        else:
            at += len(piece)
    return _MARKS.sub("", highlighted), hits


def _densest(places: Sequence[int], near: int) -> int:
    """The earliest of the places after which the most others are near; 0 where there are none."""
    if not places:
        return 0
    return max(
        places, key=lambda place: (sum(place <= other < place + near for other in places), -place)
    )


def _surroundings(text: str, at: int) -> tuple[int, int, int]:
    """Where the pieces of `text` around the folded place `at` begin and end, and how much of the
    folded text lies before them."""
    cuts = [0]
    while cuts[-1] < len(text):
        cut = cuts[-1] + _PIECE
        while cut < len(text) and not begins_cluster(text[cut]):
            cut += 1
        cuts.append(min(cut, len(text)))
    passed = before = 0
    for number, (start, end) in enumerate(itertools.pairwise(cuts)):
        length = len(folded(text[start:end]))
        if passed + length > at or end == len(text):
            first = max(0, number - 1)
            return cuts[first], cuts[min(number + 2, len(cuts) - 1)], before if number else 0
        before, passed = passed, passed + length
    return 0, len(text), 0


def _laid_over(
    text: str, words: str, hits: Sequence[tuple[int, int]], passed: int
) -> tuple[tuple[int, int], ...]:
    """Where in `text` the hits are that lie in it; none where `words` begins with another text."""
    own, places = origins(text)
    if not words.startswith(own):
        return ()
    return tuple(
        (places[begin - passed], _end_of(places, end - passed))
        for begin, end in hits
        if passed <= begin < end <= passed + len(own)
    )


def _end_of(places: Sequence[int], at: int) -> int:
    """Where in the text the character before the folded one at `at` ends: where the next begins
    that came from another one."""
    last = places[at - 1]
    while at < len(places) - 1 and places[at] == last:
        at += 1
    return places[at]


def _excerpt(text: str, hits: Spans) -> tuple[str, Spans]:
    words = [match.span() for match in _WORD.finditer(text)]
    first = _first_word(words, hits)
    shown = words[first : first + _WORDS]
    if not shown:
        return text.strip(), ()
    begin = 0 if first == 0 else shown[0][0]
    end = len(text) if first + _WORDS >= len(words) else shown[-1][1]
    before, after = "…" if begin else "", "…" if end < len(text) else ""
    shift = len(before) - begin
    marks = tuple((b + shift, min(e, end) + shift) for b, e in hits if begin <= b < end)
    return f"{before}{text[begin:end]}{after}", marks


def _first_word(words: Sequence[tuple[int, int]], hits: Spans) -> int:
    """With which word to begin, to show the most hits: the earliest such."""
    at = 0
    positions: list[int] = []
    for begin, _ in hits[:_MOST_HITS]:
        while at < len(words) - 1 and words[at][1] <= begin:
            at += 1
        positions.append(at)
    best = _densest(positions, _WORDS - _WORDS_BEFORE)
    return max(0, min(best - _WORDS_BEFORE, len(words) - _WORDS))
