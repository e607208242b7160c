"""What can be said of a chat template without running it: whether it is whole, and what in it has
no business there. Pure."""

from __future__ import annotations

import re
from typing import Final

_TAG: Final = re.compile(r"\{%-?\+?\s*(\w+)")
_BLOCKS: Final = ("if", "for", "macro", "filter", "call", "generation")
_STRANGE: Final = re.compile(
    r"__(?:class|globals|subclasses|mro|bases|import|builtins|init)__|\b(?:os\.(?:system|popen)"
    r"|subprocess|eval|exec|importlib)\b\s*\(?"
)
# Zero-width, bidirectional and tag characters: a person does not see them, a model reads them.
# U+200D joins emoji and is left alone.
_INVISIBLE: Final = re.compile(
    "[\u200b\u200c\u2060\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)
_RAW: Final = re.compile(r"\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}|\{#.*?#\}", re.S)
_STRING: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.S)


def template_problems(template: str) -> tuple[str, ...]:
    """Why no engine can run a template: what is opened and not closed."""
    text = _RAW.sub("", template)
    bare = _STRING.sub("", text)
    problems = [
        f"{opening} is there {bare.count(opening)} times, {closing} {bare.count(closing)} times"
        for opening, closing in (("{%", "%}"),)
        if bare.count(opening) != bare.count(closing)
    ]
    if problems:
        return tuple(problems)
    tags = _TAG.findall(bare)
    for block in _BLOCKS:
        opened, closed = tags.count(block), tags.count(f"end{block}")
        if opened != closed:
            problems.append(f"{opened} × {block}, {closed} × end{block}")
    return tuple(problems)


def template_suspicions(template: str) -> tuple[str, ...]:
    """What a chat template does not need, and an attack on its reader does."""
    found = [f"it has {match}" for match in dict.fromkeys(_STRANGE.findall(template))]
    invisible = sorted({f"U+{ord(each):04X}" for each in _INVISIBLE.findall(template)})
    if invisible:
        found.append(f"it has invisible characters: {', '.join(invisible[:5])}")
    return tuple(found)
