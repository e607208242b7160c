"""A regular expression of a schema, as llama.cpp's grammar can hold a string to it. Pure.

The grammar's own reading of patterns has no `\\d` and no `\\w`, wants `^` in front and `$` at the
end of the whole, and lets a `.` or `[^a]` write a quote that ends the string too early. So an
expression is written again with character classes, groups and repetitions alone, for the text as it
stands in JSON: a quote is `\\"` there.

A pattern is searched for in the string, as JSON Schema says; what is not anchored may have anything
before and behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from localai.dataclass import dataclass
from localai.wires.schemas.expressions import (
    ALL,
    Chars,
    Choice,
    Node,
    NotHeld,
    Ranges,
    Repeated,
    Sequence,
    has,
    intersection,
    read_expression,
)

MOST_REPETITIONS: Final = 1000
"""llama.cpp refuses rules that repeat more often than some thousand times."""

# What JSON lets stand in a string as it is, but for DEL, which the grammar leaves out as well.
_PLAIN: Final[Ranges] = (
    (0x20, 0x21),
    (0x23, 0x5B),
    (0x5D, 0x7E),
    (0x80, 0xD7FF),
    (0xE000, 0x10FFFF),
)
_ESCAPED: Final = {'"': r"\x22", "\\": r"\x5C", "\n": "n", "\r": "r", "\t": "t"}
_LITERAL: Final = frozenset(
    " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_,;:=@/"
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """An expression for the grammar: anchored, `^(…)$`; and how long what it takes is, in
    characters (`longest` None: without end). Empty where it takes every string."""

    expression: str
    shortest: int
    longest: int | None


def held_pattern(pattern: str) -> Pattern:
    """`pattern` as the grammar can hold a string to it. Raises NotHeld."""
    choice = read_expression(pattern)
    whole = Choice(tuple(_searched(each) for each in _flattened(choice)))
    shortest, longest = _width(whole)
    if any(
        sequence.nodes in ((_ANYTHING,), (_ANYTHING, _ANYTHING)) for sequence in whole.sequences
    ):
        return Pattern("", 0, None)
    return Pattern(f"^{_written(whole)}$", shortest, longest)


_ANYTHING: Final = Repeated(Chars(ALL), 0, None)


def _searched(sequence: Sequence) -> Sequence:
    """The sequence, with anything where it is not bound."""
    _refuse_anchors(sequence.nodes)
    nodes = list(sequence.nodes)
    # Beside anything, what may be left out says nothing, and what is repeated says it once.
    if not sequence.at_start:
        while nodes and isinstance(first := nodes[0], Repeated) and first.least == 0:
            nodes.pop(0)
    if not sequence.at_end:
        while nodes and isinstance(last := nodes[-1], Repeated) and last.least == 0:
            nodes.pop()
    before = () if sequence.at_start else (_ANYTHING,)
    behind = () if sequence.at_end else (_ANYTHING,)
    return Sequence((*before, *nodes, *behind), True, True)


def _flattened(choice: Choice) -> Iterator[Sequence]:
    """The alternatives, those of a group that is all of one among them: `^(a|b$)`."""
    for sequence in choice.sequences:
        if len(sequence.nodes) == 1 and isinstance(inner := sequence.nodes[0], Choice):
            for each in _flattened(inner):
                start, end = sequence.at_start, sequence.at_end
                yield Sequence(each.nodes, each.at_start or start, each.at_end or end)
        else:
            yield sequence


def _refuse_anchors(nodes: tuple[Node, ...]) -> None:
    for node in nodes:
        if isinstance(node, Repeated):
            _refuse_anchors((node.of,))
        elif isinstance(node, Choice):
            for sequence in node.sequences:
                if sequence.at_start or sequence.at_end:
                    raise NotHeld("an anchor within it")
                _refuse_anchors(sequence.nodes)


def _width(node: Node) -> tuple[int, int | None]:
    if isinstance(node, Chars):
        return 1, 1
    if isinstance(node, Repeated):
        shortest, longest = _width(node.of)
        most = None if node.most is None or longest is None else node.most * longest
        return node.least * shortest, 0 if longest == 0 else most
    widths = [_sequence_width(sequence) for sequence in node.sequences]
    ends = [longest for _, longest in widths]
    return (
        min(shortest for shortest, _ in widths),
        None if None in ends else max(end for end in ends if end is not None),
    )


def _sequence_width(sequence: Sequence) -> tuple[int, int | None]:
    widths = [_width(node) for node in sequence.nodes]
    ends = [longest for _, longest in widths]
    shortest = sum(least for least, _ in widths)
    return shortest, None if None in ends else sum(end for end in ends if end is not None)


# Writing


def _written(node: Node) -> str:
    if isinstance(node, Chars):
        return _written_set(node.ranges)
    if isinstance(node, Repeated):
        return _written_repeated(node)
    written = [
        "".join(_written(each) for each in sequence.nodes)
        for sequence in node.sequences
        if _is_possible(sequence)
    ]
    if not written:
        raise NotHeld("a character that no string of JSON can have")
    optional = "?" if "" in written else ""
    some = list(dict.fromkeys(each for each in written if each))
    return f"({'|'.join(some)}){optional}" if some else ""


def _is_possible(sequence: Sequence) -> bool:
    return all(not isinstance(node, Chars) or _forms(node.ranges) for node in sequence.nodes)


def _written_repeated(node: Repeated) -> str:
    impossible = isinstance(node.of, Chars) and not _forms(node.of.ranges)
    if node.most == 0 or (impossible and node.least == 0):
        return ""
    inner = _written(node.of)
    if not inner:
        return ""
    if len(inner) == 1:
        inner = f"[{inner}]"
    elif not _is_one(inner, node.of):
        inner = f"({inner})"
    bounds = {(0, None): "*", (1, None): "+", (0, 1): "?", (1, 1): ""}
    if (node.least, node.most) in bounds:
        return inner + bounds[node.least, node.most]
    if max(node.least, node.most or 0) > MOST_REPETITIONS:
        raise NotHeld(f"more than {MOST_REPETITIONS:,} repetitions")
    if node.least == node.most:
        return f"{inner}{{{node.least}}}"
    return f"{inner}{{{node.least},{'' if node.most is None else node.most}}}"


def _is_one(written: str, node: Node) -> bool:
    """Whether what follows it would repeat all of it: a class alone, or a group."""
    if isinstance(node, Repeated):
        return False
    if written.startswith("("):
        return written.endswith(")")
    return written.count("[") == 1


def _written_set(ranges: Ranges) -> str:
    forms = _forms(ranges)
    if not forms:
        raise NotHeld("a character that no string of JSON can have")
    return forms[0] if len(forms) == 1 else f"({'|'.join(forms)})"


def _forms(ranges: Ranges) -> list[str]:
    """How the characters are written in JSON: as they are, and with a backslash."""
    plain = intersection(ranges, _PLAIN)
    escapes = [form for char, form in _ESCAPED.items() if has(ranges, ord(char))]
    forms = []
    if len(plain) == 1 and plain[0][0] == plain[0][1] and chr(plain[0][0]) in _LITERAL:
        forms.append(chr(plain[0][0]))
    elif plain:
        forms.append("[" + "".join(_range(low, high) for low, high in plain) + "]")
    if escapes:
        forms.append(rf"[\x5C][{''.join(escapes)}]")
    return forms


def _range(low: int, high: int) -> str:
    return _in_class(low) if low == high else f"{_in_class(low)}-{_in_class(high)}"


def _in_class(point: int) -> str:
    char = chr(point)
    return char if char.isalnum() or point >= 0x80 else f"\\x{point:02X}"
