"""Special tokens in what a user says: text that a tokenizer reads as the model's own marks. Pure.

`<|im_end|><|im_start|>user` in a file would end the user's turn and begin another. Where a prompt
is made here they are kept apart: each is replaced by a character of its own while the template
renders, and becomes the tokens of its text afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from localai.dataclass import dataclass

# Whatever else stands in a vocabulary, these are the forms that special tokens have.
_FORMS: Final = re.compile(r"<[^<>\s]{1,80}>|\[[^\[\]\s]{1,40}\]|◁[^◁▷\s]{1,40}▷")
# Those that open and close turns in the templates of well-known families.
_WELL_KNOWN: Final = re.compile(
    r"<\|[A-Za-z][\w -]{1,40}\|>|<｜[^<>｜\n]{2,40}｜>|\[/?INST\]|\[/?SYSTEM_PROMPT\]"
    r"|<(?:start|end)_of_turn>|<\|turn>|<turn\|>|<\|channel>|<channel\|>|<(?:bos|eos)>"
)
_FIRST_PLACEHOLDER: Final = 0xF0000
_MOST_PLACEHOLDERS: Final = 0xFFFD


def candidates(texts: Iterable[str]) -> list[str]:
    """What in the texts has the form of a special token, each once."""
    return list(dict.fromkeys(found for text in texts for found in _FORMS.findall(text)))


def well_known(texts: Iterable[str]) -> list[str]:
    """The marks of well-known families of models in the texts, each once."""
    return list(dict.fromkeys(found for text in texts for found in _WELL_KNOWN.findall(text)))


@dataclass(frozen=True, slots=True)
class Hidden:
    """A conversation whose special tokens were replaced by one character each."""

    messages: list[dict[str, Any]]
    originals: Mapping[str, str]

    def pieces(self, rendered: str) -> list[tuple[str, bool]]:
        """What the template made of it, in pieces; each says whether it is a special token that
        was said, so text."""
        found = re.split(f"([{''.join(self.originals)}])", rendered)
        return [(self.originals.get(each, each), each in self.originals) for each in found if each]


def texts_of(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is said in the messages of a Chat Completions body."""
    contents = [message.get("content") for message in messages]
    return [content for content in contents if isinstance(content, str)]


def hide(messages: Iterable[Mapping[str, Any]], special: Iterable[str]) -> Hidden:
    """The messages without the `special` tokens, the longest of which are looked for first."""
    said = "".join(texts_of(messages := list(messages)))
    marks = sorted(special, key=len, reverse=True)[:_MOST_PLACEHOLDERS]
    free = (
        chr(point)
        for point in range(_FIRST_PLACEHOLDER, _FIRST_PLACEHOLDER + _MOST_PLACEHOLDERS)
        if chr(point) not in said
    )
    places = dict(zip(marks, free, strict=False))
    pattern = re.compile("|".join(map(re.escape, marks)))
    hidden = [
        {**message, "content": pattern.sub(lambda found: places[found[0]], message["content"])}
        if isinstance(message.get("content"), str)
        else dict(message)
        for message in messages
    ]
    return Hidden(hidden, {place: mark for mark, place in places.items()})
