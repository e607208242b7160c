"""A schema's regular expression in the form that llama.cpp's grammar can hold a string to. Pure.

llama.cpp's converter knows no `\\d` and no `\\w`, wants `^` and `$` around the whole pattern, and
lets `.` or `[^a]` write a quote that ends the string too early. So an expression is rewritten with
character classes, groups and repetitions only. It describes the string as JSON writes it, where a
quote is `\\"`.

JSON Schema searches for a pattern anywhere in the string. So an end of the pattern without an
anchor permits any text beyond it.
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

# The characters that JSON writes in a string without an escape, except DEL, which the grammar does
# not produce.
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
    """An expression for the grammar, anchored as `^(…)$`; it is empty if every string matches.

    `shortest` and `longest` are the lengths of matching strings in characters; `longest` None is
    without end.
    """

    expression: str
    shortest: int
    longest: int | None


def held_pattern(pattern: str) -> Pattern:
    """`pattern` for the grammar. Raises NotHeld if the grammar cannot hold a string to it."""
    choice = read_expression(pattern)
    whole = Choice(tuple(_searched(sequence) for sequence in _flattened(choice)))
    shortest, longest = _width(whole)
    if any(
        sequence.nodes in ((_ANYTHING,), (_ANYTHING, _ANYTHING)) for sequence in whole.sequences
    ):
        return Pattern("", 0, None)
    return Pattern(f"^{_written(whole)}$", shortest, longest)


_ANYTHING: Final = Repeated(Chars(ALL), 0, None)


def _searched(sequence: Sequence) -> Sequence:
    """The sequence with both anchors. A side without an anchor gets a node for any text."""
    _refuse_anchors(sequence.nodes)
    nodes = list(sequence.nodes)
    # Beside any text, a node that may be left out asks for nothing.
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
    """The alternatives of `choice`. An alternative that is one group is replaced by the group's
    alternatives: `^(a|b$)` has two."""
    for sequence in choice.sequences:
        if len(sequence.nodes) == 1 and isinstance(inner := sequence.nodes[0], Choice):
            for part in _flattened(inner):
                start, end = sequence.at_start, sequence.at_end
                yield Sequence(part.nodes, part.at_start or start, part.at_end or end)
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
    """Whether a repetition sign after `written` repeats all of it: it is one class or one group."""
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
    """The expressions for the characters as JSON writes them: unescaped, and with a backslash."""
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
