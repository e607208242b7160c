"""What of a text is a word to the search, and what a typed query asks for. Pure."""

from __future__ import annotations

import re

# Scripts that are written without spaces, or (Hangul) with endings grown onto the words: there a
# character is a word, so that a part of a sentence is found as a phrase. SQLite's own trigram
# tokenizer would find it, too, but nothing of fewer than three characters, which most Chinese words
# are, and its index takes several times the space.
_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\uac00-\ud7af"  # Hangul
)
_GAP = "\u200b"
_GAPS = re.compile(f"(?<=[{_UNSPACED}])(?=.)|(?<=.)(?=[{_UNSPACED}])", re.DOTALL)
_TERM = re.compile(r'"(?P<phrase>[^"]*)(?:"|$)(?P<star>\*?)|(?P<word>[^\s"]+)')


def search_words(text: str) -> str:
    """`text` with a zero-width space wherever the tokenizer sees no gap between two words.

    The index was filled with what this gives: whoever changes it rebuilds the index by a migration.
    """
    return text if text.isascii() else _GAPS.sub(_GAP, text)


def without_gaps(text: str) -> str:
    """`text` without what `search_words` put in."""
    return text.replace(_GAP, "")


def match_expression(query: str) -> str | None:
    """The FTS5 expression for what a person typed; None if there is no word in it.

    All words must occur. "Quoted words" must follow each other, and `begin*` is any word that
    begins so. Nothing else has a meaning, so no query is an error.
    """
    plain = query.replace("\0", " ").replace("“", '"').replace("”", '"')
    terms = []
    for found in _TERM.finditer(plain.encode("utf-8", "replace").decode()):
        word = found["word"] or ""
        text = found["phrase"] or word.rstrip("*")
        if any(character.isalnum() for character in text):
            star = "*" if found["star"] or word.endswith("*") else ""
            terms.append(f'"{search_words(text)}"{star}')
    return " ".join(terms) or None
