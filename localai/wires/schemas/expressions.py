"""A parser for regular expressions in the syntax that ECMA-262 and Python share. Pure.

ECMA-262 and Python define `\\d`, `\\w` and `\\s` differently. The parsed sets are chosen so that a
string that satisfies them satisfies both definitions.
"""

from __future__ import annotations

from typing import Final

from localai.dataclass import dataclass

Ranges = tuple[tuple[int, int], ...]
"""A set of characters as ranges of code points, both ends included."""

_MOST_DEPTH: Final = 40
_END: Final = 0x10FFFF
_DIGITS: Final[Ranges] = ((48, 57),)
_WORD: Final[Ranges] = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: Final[Ranges] = ((9, 13), (32, 32), (0xA0, 0xA0), (0x2028, 0x2029))
_NEWLINES: Final[Ranges] = ((10, 10), (13, 13), (0x2028, 0x2029))
ALL: Final[Ranges] = ((0, _END),)
_CONTROL: Final = {"n": 10, "r": 13, "t": 9, "f": 12, "v": 11, "0": 0}
# Each class by the narrower of the two definitions and by the wider one. A complement is taken of
# the wider one.
_CLASSES: Final = {
    "d": (
        _DIGITS,
        (*_DIGITS, (0x660, 0x1FFF), (0xA620, 0xABFF), (0xFF10, 0xFF19), (0x10000, 0x1FFFF)),
    ),
    "w": (_WORD, (*_WORD, (0x80, _END))),
    "s": (
        _SPACE,
        (
            *_SPACE,
            (28, 31),
            (0x85, 0x85),
            (0x1680, 0x1680),
            (0x2000, 0x200A),
            (0x202F, 0x202F),
            (0x205F, 0x205F),
            (0x3000, 0x3000),
            (0xFEFF, 0xFEFF),
        ),
    ),
}


class NotHeld(Exception):
    """The grammar cannot hold a string to the expression. The message names the part that it
    cannot hold."""


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of `ranges`."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Repeated:
    """The node `of`, repeated `least` to `most` times; `most` None is without end."""

    of: Node
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several sequences."""

    sequences: tuple[Sequence, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """Nodes one after the other. `at_start` and `at_end` anchor them to the string's beginning and
    end (`^`, `$`)."""

    nodes: tuple[Node, ...] = ()
    at_start: bool = False
    at_end: bool = False


Node = Chars | Repeated | Choice


def intersection(one: Ranges, other: Ranges) -> Ranges:
    """The characters that are in both sets."""
    common = ((max(low, least), min(high, most)) for low, high in one for least, most in other)
    return _united(tuple((low, high) for low, high in common if low <= high))


def _united(ranges: Ranges) -> Ranges:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _complement(ranges: Ranges) -> Ranges:
    at, found = 0, []
    for low, high in _united(ranges):
        if at < low:
            found.append((at, low - 1))
        at = high + 1
    return (*found, (at, _END)) if at <= _END else tuple(found)


def has(ranges: Ranges, point: int) -> bool:
    """Whether the set has the character with the code point `point`."""
    return any(low <= point <= high for low, high in ranges)


def read_expression(text: str) -> Choice:
    """The parsed expression `text`. Raises NotHeld for syntax that is unknown here, and for text
    that is no regular expression."""
    return _Reader(text).read()


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0
    depth: int = 0

    def read(self) -> Choice:
        choice = self._choice()
        if self.at < len(self.text):
            raise NotHeld("a bracket that was never opened")
        return choice

    def _next(self, length: int = 1) -> str:
        return self.text[self.at : self.at + length]

    def _took(self, expected: str) -> bool:
        if self.text.startswith(expected, self.at):
            self.at += len(expected)
            return True
        return False

    def _choice(self) -> Choice:
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise NotHeld("groups that are nested too deeply")
        sequences = [self._sequence()]
        while self._took("|"):
            sequences.append(self._sequence())
        self.depth -= 1
        return Choice(tuple(sequences))

    def _sequence(self) -> Sequence:
        nodes: list[Node] = []
        at_start = at_end = False
        while self._next() not in ("", "|", ")"):
            if self._took("^"):
                if nodes:
                    raise NotHeld("an anchor within it")
                at_start = True
            elif self._took("$"):
                at_end = True
            elif at_end:
                raise NotHeld("an anchor within it")
            else:
                nodes.append(self._repeated(self._atom()))
        return Sequence(tuple(nodes), at_start, at_end)

    def _atom(self) -> Node:
        if self._took("("):
            return self._group()
        if self._took("["):
            return Chars(self._class())
        if self._took("."):
            return Chars(_complement(_NEWLINES))
        if self._took("\\"):
            return Chars(self._escape())
        if self._next() in "*+?":
            raise NotHeld("a repetition of nothing")
        char = self._next()
        self.at += 1
        return Chars(((ord(char), ord(char)),))

    def _group(self) -> Choice:
        if self._took("?"):
            named = self._took("P<") or (self._next(2) not in ("<=", "<!") and self._took("<"))
            if named:
                end = self.text.find(">", self.at)
                if end < 0:
                    raise NotHeld("a group whose name does not end")
                self.at = end + 1
            elif not self._took(":"):
                raise NotHeld("a group that looks ahead, looks behind or sets flags")
        choice = self._choice()
        if not self._took(")"):
            raise NotHeld("a bracket that is not closed")
        return choice

    def _repeated(self, node: Node) -> Node:
        bounds = self._bounds()
        if bounds is None:
            return node
        if self._took("+"):
            raise NotHeld("a repetition that gives nothing back")
        self._took("?")
        if self._bounds() is not None:
            raise NotHeld("a repetition of a repetition")
        least, most = bounds
        if most is not None and most < least:
            raise NotHeld("a repetition whose bounds are the wrong way round")
        return Repeated(node, least, most)

    def _bounds(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._took(sign):
                return bounds
        if self._next() != "{":
            return None
        end = self.text.find("}", self.at)
        inner = self.text[self.at + 1 : end] if end > 0 else ""
        low, comma, high = inner.partition(",")
        if not all(each.isascii() and each.isdigit() for each in (low, high) if each) or not inner:
            return None
        if not low or len(inner) > 18:
            raise NotHeld("a repetition whose bounds mean different things to different readers")
        self.at = end + 1
        least = int(low)
        return least, (int(high) if high else None) if comma else least

    def _class(self) -> Ranges:
        negated = self._took("^")
        found: list[tuple[int, int]] = []
        first = True
        while first or self._next() != "]":
            if not self._next():
                raise NotHeld("a bracket that is not closed")
            if first and self._next() == "]":
                raise NotHeld("an empty class")
            first = False
            low = self._class_part(wide=negated)
            if len(low) == 1 and low[0][0] == low[0][1] and self._is_range():
                self.at += 1
                high = self._class_part(wide=negated)
                if len(high) != 1 or high[0][0] != high[0][1] or high[0][0] < low[0][0]:
                    raise NotHeld("a range whose bounds are the wrong way round")
                found.append((low[0][0], high[0][0]))
            else:
                found.extend(low)
        self.at += 1
        ranges = _united(tuple(found))
        return _complement(ranges) if negated else ranges

    def _is_range(self) -> bool:
        return self._next() == "-" and self._next(2) not in ("-", "-]")

    def _class_part(self, *, wide: bool) -> Ranges:
        if self._took("\\"):
            return ((8, 8),) if self._took("b") else self._escape(wide=wide)
        if self._next(2) in ("[:", "&&", "--", "||", "~~"):
            raise NotHeld("a class of classes")
        char = self._next()
        if not char:
            raise NotHeld("a bracket that is not closed")
        self.at += 1
        return ((ord(char), ord(char)),)

    def _escape(self, *, wide: bool = False) -> Ranges:
        char = self._next()
        self.at += 1
        if char.lower() in _CLASSES and char:
            is_complement = char.isupper()
            ranges = _CLASSES[char.lower()][wide != is_complement]
            return _complement(ranges) if is_complement else ranges
        if char == "x":
            return self._code(2)
        if char == "u":
            return self._code(4)
        if char == "0" and self._next().isdigit():
            raise NotHeld("an octal number")
        if char in _CONTROL:
            return ((_CONTROL[char], _CONTROL[char]),)
        if not char or char.isalnum():
            raise NotHeld(f"\\{char}" if char else "a backslash at its end")
        return ((ord(char), ord(char)),)

    def _code(self, digits: int) -> Ranges:
        text = self._next(digits)
        try:
            point = int(text, 16) if len(text) == digits and text.isalnum() else -1
        except ValueError:
            point = -1
        if not 0 <= point <= _END or 0xD800 <= point <= 0xDFFF:
            raise NotHeld("half a character, or none")
        self.at += digits
        return ((point, point),)
