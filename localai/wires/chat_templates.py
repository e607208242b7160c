"""What can be said of a chat template without running it: whether it is whole, what in it has no
business there, and what an engine means that has refused it. Pure."""

from __future__ import annotations

import re
from typing import Final

from localai.patterns import lazy_pattern
from localai.units import counted

_TAG: Final = lazy_pattern(r"\{%-?\+?\s*(\w+)")
_BLOCKS: Final = ("if", "for", "macro", "filter", "call", "generation")
_STRANGE: Final = lazy_pattern(
    r"__(?:class|globals|subclasses|mro|bases|import|builtins|init)__|\b(?:os\.(?:system|popen)"
    r"|subprocess|eval|exec|importlib)\b\s*\(?"
)
# Zero-width, bidirectional and tag characters: a person does not see them, a model reads them.
# U+200D joins emoji and is left alone.
_INVISIBLE: Final = lazy_pattern(
    "[\u200b\u200c\u2060\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)
_REASON: Final = lazy_pattern(r"^Error: (.+)$", re.MULTILINE)
_PLACE: Final = lazy_pattern(r"at line (\d+), column (\d+)")
# What is opened and never closed is looked for once: again from each opening, a template of 128 kB
# took 45 s.
_OPENING: Final = lazy_pattern(r"\{#|\{%-?\s*(?P<raw>raw)\s*-?%\}")
_RAW_ENDS: Final = lazy_pattern(r"\{%-?\s*endraw\s*-?%\}")
_COMMENT_ENDS: Final = lazy_pattern(r"#\}")
_QUOTE: Final = lazy_pattern(r"['\"]")
_QUOTED: Final = {
    "'": lazy_pattern(r"[^'\\]*+(?:\\.[^'\\]*+)*+'", re.S),
    '"': lazy_pattern(r'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.S),
}


def words_of_engine(words: str) -> str:
    """What llama.cpp says of a template that it cannot parse or run, in one line: the reason, and
    where it stands. Its own text has the place before the reason, drawn over several lines."""
    reason = next(iter(reversed(_REASON.findall(words))), None)
    if reason is None:
        return words.strip().partition("\n")[0].strip()
    place = _PLACE.search(words)
    message = reason.strip().removeprefix("Jinja Exception: ")
    return f"{message} (line {place[1]}, column {place[2]})" if place is not None else message


def template_problems(template: str) -> tuple[str, ...]:
    """Why no engine can run a template: what is opened and not closed."""
    bare = _without_strings(_without_raw(template))
    problems = [
        f"{opening} is there {counted(bare.count(opening), 'time')},"
        f" {closing} {counted(bare.count(closing), 'time')}"
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


def _without_raw(template: str) -> str:
    """The template without its comments and its raw blocks."""
    kept: list[str] = []
    begin = at = 0
    endless: set[str | None] = set()
    while (opening := _OPENING.search(template, at)) is not None:
        at = opening.end()
        if opening["raw"] in endless:
            continue
        ends = (_RAW_ENDS if opening["raw"] else _COMMENT_ENDS).search(template, at)
        if ends is None:
            endless.add(opening["raw"])
            continue
        kept.append(template[begin : opening.start()])
        begin = at = ends.end()
    return "".join(kept) + template[begin:]


def _without_strings(text: str) -> str:
    kept: list[str] = []
    begin = at = 0
    endless: set[str] = set()
    while (quote := _QUOTE.search(text, at)) is not None:
        at = quote.end()
        if quote[0] in endless:
            continue
        ends = _QUOTED[quote[0]].match(text, at)
        if ends is None:
            endless.add(quote[0])
            continue
        kept.append(text[begin : quote.start()])
        begin = at = ends.end()
    return "".join(kept) + text[begin:]


def template_suspicions(template: str) -> tuple[str, ...]:
    """Signs of an attack: parts that no chat template needs, such as invisible characters."""
    found = [f"it has {match}" for match in dict.fromkeys(_STRANGE.findall(template))]
    invisible = sorted({f"U+{ord(each):04X}" for each in _INVISIBLE.findall(template)})
    if invisible:
        found.append(f"it has invisible characters: {', '.join(invisible[:5])}")
    return tuple(found)
