"""Makes model output harmless to print: no terminal escape, no invisible control gets through.

A model repeats what it has read, and a terminal obeys escapes: set the clipboard (OSC 52), hide
a link's target (OSC 8), rewrite the screen, answer back as if the user had typed. What is
removed, and what stands instead:

- escape sequences, 7-bit (ESC …) and 8-bit (C1, U+0080 to U+009F), wholly: CSI, OSC, DCS, APC,
  PM, SOS, and the short ones. The text between two OSC 8 hyperlinks stays.
- every other C0 control but newline and tab, and DEL. A carriage return (alone or before a
  newline) becomes a newline: alone it would let a line overwrite itself.
- bidirectional embeddings, overrides and isolates (U+202A to U+202E, U+2066 to U+2069): they
  make text read otherwise than it runs ("Trojan Source"). Right-to-left text needs none of them;
  the harmless marks (U+200E, U+200F, U+061C) and the joiners that emoji and Persian need stay.
- Unicode tag characters (U+E0000 to U+E007F): invisible text. The three flags spelt with them
  (England, Scotland, Wales) are shown as a black flag.
- lone surrogates, which no stream can encode, become U+FFFD.

A control string that never ends hides nothing: at a newline, another control, or
`MAX_CONTROL_STRING` characters only its introducer is removed and the rest is text.

Standard library only. This module prints nothing.
"""

from __future__ import annotations

import json
import re

from localai.patterns import lazy_pattern

MAX_CONTROL_STRING = 4096
"""Characters of an OSC, DCS, APC, PM or SOS that are held back while its end is awaited."""

_CONTROLS = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f"
)
_SUSPECT = lazy_pattern(f"[{_CONTROLS}]")
_SEQUENCE = lazy_pattern(
    rf"""
      (?P<csi> (?:\x1b\[|\x9b) [0-?]{{0,64}} [\ -/]{{0,8}} [@-~]? )
    | (?: \x1b[\]PX^_] | [\x90\x98\x9d-\x9f] )
      (?P<payload> [^\n{_CONTROLS}]{{0,{MAX_CONTROL_STRING}}} )
      (?P<end> \x1b\\ | [\x07\x18\x1a\x9c] )?
    | (?P<escape> \x1b [\ -/]{{0,8}} [0-~]? )
    | (?P<newline> \r\n? )
    | (?P<surrogate> [\ud800-\udfff] )
    | [{_CONTROLS}]
    """,
    re.VERBOSE,
)
_UNFINISHED = lazy_pattern(
    rf"""
      (?:\x1b\[|\x9b) [0-?]{{0,64}} [\ -/]{{0,8}} \Z
    | (?: \x1b[\]PX^_] | [\x90\x98\x9d-\x9f] )
      [^\n{_CONTROLS}]{{0,{MAX_CONTROL_STRING - 1}}} \x1b? \Z
    | \x1b [\ -/]{{0,8}} \Z
    """,
    re.VERBOSE,
)


class Sanitizer:
    """Sanitizes a stream: an escape that is split over chunks is removed like any other.

    Whatever the chunks, the concatenated output is that of `sanitize` on the whole text.
    """

    def __init__(self) -> None:
        self._held = ""
        self._after_carriage_return = False

    def feed(self, text: str) -> str:
        """The harmless text that is certain by now. The start of an escape is held back."""
        if not text:
            return ""
        if self._after_carriage_return:
            self._after_carriage_return = False
            text = text.removeprefix("\n")
        if self._held:
            text = self._held + text
            self._held = ""
        elif not _SUSPECT.search(text):
            return text
        self._after_carriage_return = text.endswith("\r")
        return self._clean(text, at_end=False)

    def close(self) -> str:
        """The text of a control string that was never ended, if one was held back."""
        held, self._held = self._held, ""
        return self._clean(held, at_end=True)

    def _clean(self, text: str, *, at_end: bool) -> str:
        pieces: list[str] = []
        position = 0
        for match in _SEQUENCE.finditer(text):
            pieces.append(text[position : match.start()])
            if not at_end and _UNFINISHED.match(text, match.start()):
                self._held = text[match.start() :]
                return "".join(pieces)
            pieces.append(_replacement(match))
            position = match.end()
        pieces.append(text[position:])
        return "".join(pieces)


def sanitize(text: str) -> str:
    """`text` without everything that a terminal would obey. The module's docstring has the
    rules."""
    if not _SUSPECT.search(text):
        return text
    sanitizer = Sanitizer()
    return sanitizer.feed(text) + sanitizer.close()


def _replacement(match: re.Match[str]) -> str:
    if match["newline"]:
        return "\n"
    if match["surrogate"]:
        return "\N{REPLACEMENT CHARACTER}"
    if match["payload"] and not match["end"]:
        return match["payload"]
    return ""


# An underscore within a word means nothing there.
_SPECIAL = lazy_pattern(r"([\\`*\[\]<>#!|~]|(?<![^\W_])_|_(?![^\W_]))")
_BREAKS = lazy_pattern("[\t\n\u2028\u2029]+")


def sanitize_line(text: str) -> str:
    """`text` without escapes, on one line: newlines and tabs become spaces."""
    return _BREAKS.sub(" ", sanitize(text))


def markdown_words(text: str) -> str:
    """`text` on one line, escaped so that Markdown shows it as it is, loads nothing for it, and
    GitHub mentions nobody."""
    return _SPECIAL.sub(r"\\\1", sanitize_line(text)).replace("@", "@\u200b")


def spreadsheet_words(text: str) -> str:
    """`text` on one line, in a form that a spreadsheet does not take for a formula."""
    line = sanitize_line(text)
    return f"'{line}" if line.lstrip().startswith(("=", "+", "-", "@")) else line


def escaped(document: str) -> str:
    """A JSON `document` in which everything that a terminal would obey is written as an escape; it
    means the same. The newlines between its lines stay."""
    if not _SUSPECT.search(document):
        return document
    return _SUSPECT.sub(lambda match: json.dumps(match[0])[1:-1], document)
