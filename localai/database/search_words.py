"""The words of a text for the search, and the meaning of a typed query. Pure.

Both are folded in the same way: case, width, ligatures and other compatible forms (NFKC), and the
marks that a reader of the script may leave out, as accents of Latin, Greek and Cyrillic, points of
Hebrew and vowel signs of Arabic. Signs that make another word stay: those of India's scripts, of
Thai, of kana. The index has the folded words: a change here needs a migration that rebuilds the
index. What is assigned in Unicode does not change, so another Python folds in the same way.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from localai.patterns import lazy_pattern

# Scripts that are written without spaces, or (Hangul) with endings joined to the words. In these a
# character counts as a word, so that a part of a sentence is found as a phrase. SQLite's own
# trigram tokenizer would find it, too, but nothing shorter than three characters, which most
# Chinese words are, and its index takes several times the space.
UNSPACED: Final = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\uac00-\ud7af"  # Hangul
    "\U000f0000-\U000fffff"  # pictures, as they stand in the index
)
# Marks that are left out of words: general, Cyrillic, Hebrew, Arabic, Syriac, N'Ko, Samaritan, the
# general ones' supplements, those for symbols, and what chooses a variant's shape.
_MARKS: Final = lazy_pattern(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
    "\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0711"
    "\u0730-\u074a\u07eb-\u07f3\u0816-\u0819\u081b-\u0823\u0825-\u0827\u0829-\u082d\u08d3-\u08ff"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\U0001f3fb-\U0001f3ff"
    "\U000e0100-\U000e01ef]"
)
# What is within a word and not seen: soft hyphens, joiners, directions, and our own gap.
_UNSEEN: Final = lazy_pattern(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]"
)
# Emoji and the like are no words to SQLite; in the index they stand as private characters.
_PICTURES: Final = lazy_pattern("[\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001fbff]")
_FIRST_PRIVATE: Final = 0xF0000
_GAP: Final = "\u200b"
_GAPS: Final = lazy_pattern(f"(?<=[{UNSPACED}])(?=.)|(?<=.)(?=[{UNSPACED}])", re.DOTALL)
_TERM: Final = lazy_pattern(r'"(?P<phrase>[^"]*)(?:"|$)(?P<star>\*?)|(?P<word>[^\s"]+)')
# What normalization may compose with the character before, besides marks: Hangul's vowels and ends,
# the voicing signs of narrow kana.
_COMPOSED: Final = lazy_pattern("[\u1160-\u11ff\u314f-\u3163\uff9e\uff9f\uffc2-\uffdc]")


def search_words(text: str) -> str:
    """`text` folded, with a zero-width space wherever the tokenizer sees no gap between two words.
    About 0.1 µs a character of ASCII, 1 µs of others."""
    words = folded(text)
    return words if words.isascii() else _GAPS.sub(_GAP, words)


def match_expression(query: str) -> str | None:
    """The FTS5 expression for a typed query; None if it has no word.

    All words must occur. "Quoted words" must follow each other, and `begin*` is any word that
    begins with it. Nothing else has a meaning, so no query is an error.
    """
    plain = query.replace("\0", " ").replace("“", '"').replace("”", '"')
    terms = []
    for found in _TERM.finditer(plain.encode("utf-8", "replace").decode()):
        word = found["word"] or ""
        text = search_words(found["phrase"] or word.rstrip("*")).replace('"', " ")
        if any(character.isalnum() or character >= chr(_FIRST_PRIVATE) for character in text):
            star = "*" if found["star"] or word.endswith("*") else ""
            terms.append(f'"{text}"{star}')
    return " ".join(terms) or None


def without_gaps(words: str) -> str:
    """What `search_words` gave, without the gaps."""
    return words.replace(_GAP, "")


def origins(text: str) -> tuple[str, list[int]]:
    """`text` folded, without gaps, and of each character of that the place in `text` from which it
    came; at the end the length of `text`."""
    if text.isascii():
        return folded(text), list(range(len(text) + 1))
    pieces: list[str] = []
    places: list[int] = []
    for at, cluster in _clusters(text):
        piece = folded(cluster)
        pieces.append(piece)
        places += [at] * len(piece)
    return "".join(pieces), [*places, len(text)]


def begins_cluster(character: str) -> bool:
    """Whether what comes before cannot be composed with the character."""
    if character.isascii():
        return True
    return unicodedata.category(character)[0] != "M" and not _COMPOSED.match(character)


def _clusters(text: str) -> list[tuple[int, str]]:
    """The pieces of `text` that are folded each by itself, with their places."""
    starts = [at for at, each in enumerate(text) if at == 0 or begins_cluster(each)]
    return [
        (start, text[start:end])
        for start, end in zip(starts, [*starts[1:], len(text)], strict=False)
    ]


def folded(text: str) -> str:
    """`text` without what makes no difference to the search."""
    if text.isascii():
        return text.lower().translate(_ASCII_FOLDS)
    composed = unicodedata.normalize("NFKC", text).casefold()
    return composed.translate(_FOLDS)


class _Folds(dict[int, str]):
    """What becomes of each character, found when it is first met."""

    def __missing__(self, number: int) -> str:
        self[number] = folded = _fold(chr(number))
        return folded


def _fold(character: str) -> str:
    if _MARKS.match(character) or _UNSEEN.match(character):
        return ""
    if _PICTURES.match(character):
        return chr(_FIRST_PRIVATE + ord(character) % 0x10000)
    # The marks of hits are two of them.
    if character < " ":
        return character if character in "\t\n\r" else " "
    parts = unicodedata.normalize("NFD", character)
    kept = _MARKS.sub("", parts)
    return character if kept == parts else kept


_FOLDS: Final = _Folds()
_ASCII_FOLDS: Final = {number: _fold(chr(number)) for number in range(32)}
