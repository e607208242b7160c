"""Special tokens in a user's text: text that a tokenizer reads as a mark of the model's. Pure.

`<|im_end|><|im_start|>user` in a file would end the user's turn and begin another. So when localai
renders a prompt, it replaces each such text by a placeholder character while the template renders.
Afterwards the placeholder becomes the ordinary tokens of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput

# The forms of special tokens, whatever a vocabulary has. Each is looked for by itself: one of
# another form may stand within it, as in `[<|im_end|>]`.
_FORMS: Final = tuple(
    map(re.compile, (r"<[^<>\s]{1,80}>", r"\[[^\[\]\s]{1,40}\]", r"◁[^◁▷\s]{1,40}▷"))
)
# The marks that open and close turns in the templates of well-known families.
_WELL_KNOWN: Final = re.compile(
    r"<\|[A-Za-z][\w -]{1,40}\|>|<｜[^<>｜\n]{2,40}｜>|\[/?INST\]|\[/?SYSTEM_PROMPT\]"
    r"|<(?:start|end)_of_turn>|<\|turn>|<turn\|>|<\|channel>|<channel\|>|<(?:bos|eos)>"
)
_PLACEHOLDERS: Final = range(0xF0000, 0xFFFFE)


def candidates(texts: Iterable[str]) -> list[str]:
    """The parts of the texts that have the form of a special token, each once."""
    return list(
        dict.fromkeys(found for text in texts for form in _FORMS for found in form.findall(text))
    )


def well_known(texts: Iterable[str]) -> list[str]:
    """The marks of well-known families of models in the texts, each once."""
    return list(dict.fromkeys(found for text in texts for found in _WELL_KNOWN.findall(text)))


@dataclass(frozen=True, slots=True)
class Hidden:
    """A conversation whose special tokens are replaced by one placeholder character each.
    `originals` maps the placeholders back."""

    messages: list[dict[str, Any]]
    originals: Mapping[str, str]

    def pieces(self, rendered: str) -> list[tuple[str, bool]]:
        """The rendered prompt in pieces. The flag of a piece says that it is a special token in the
        user's text, which must be tokenized as text."""
        pieces = re.split(f"([{''.join(self.originals)}])", rendered)
        return [
            (self.originals.get(piece, piece), piece in self.originals) for piece in pieces if piece
        ]


def texts_of(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    """The texts in the messages of a Chat Completions body."""
    contents = [message.get("content") for message in messages]
    return [content for content in contents if isinstance(content, str)]


def hide(messages: Iterable[Mapping[str, Any]], special: Iterable[str]) -> Hidden:
    """The messages with placeholders for the `special` tokens. Longer tokens are replaced first.

    Raises InvalidInput for a text that has so many of the characters which could stand for them
    that none is left.
    """
    whole = "".join(texts_of(messages := list(messages)))
    marks = sorted(set(special), key=len, reverse=True)
    taken = set(whole)
    free = (chr(point) for point in _PLACEHOLDERS if chr(point) not in taken)
    places = dict(zip(marks, free, strict=False))
    if len(places) < len(marks):
        raise InvalidInput("the text has too many private characters beside special tokens")
    pattern = re.compile("|".join(map(re.escape, marks)))
    hidden = [
        {**message, "content": pattern.sub(lambda found: places[found[0]], message["content"])}
        if isinstance(message.get("content"), str)
        else dict(message)
        for message in messages
    ]
    return Hidden(hidden, {place: mark for mark, place in places.items()})
