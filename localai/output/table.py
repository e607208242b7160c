"""Rows under a header, in the cells that there are. Pure.

If a table is too wide, its long texts are wrapped. If that is not enough, the least important
columns are left out; then a text stands below its row; at last each key gets a line of its own, and
its other cells stand on the lines below. A key is never cut, because users copy it. In a pipe all
columns are printed, separated by tabs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from localai.dataclass import dataclass
from localai.output.cells import cells, pad, wrap
from localai.untrusted import sanitize_line

_GAP = "  "
_INDENT = "    "
_LEAST_WRAPPED = 24
"""A narrower column of wrapped text is worse to read than the text below its row."""
_LONGEST_BESIDE = 28
"""A longer key stands on a line of its own rather than making every line wide."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: how its cells are shown, and what happens to it if there is little room.

    `drop` is 0 for a column that always stays; of the others the highest is left out first. A
    column with `wraps` is broken into lines, `right` is for numbers, `label` is the short heading
    on a terminal, and `only_piped` is a column that a person does not need.
    """

    name: str
    drop: int = 0
    wraps: bool = False
    right: bool = False
    label: str = ""
    only_piped: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row, with a text `below` it, indented; `dim` if it is less important.

    `under` are further rows of the same thing; a terminal shows those of their cells that are not
    empty.
    """

    cells: Sequence[str]
    below: str = ""
    dim: bool = False
    under: Sequence[Sequence[str]] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the drawn table."""

    text: str
    dim: bool = False


def tabbed(columns: Sequence[Column], rows: Sequence[Row]) -> Iterator[str]:
    """The header and a line for each row, without the texts `below` and `under` it."""
    yield "\t".join(column.name for column in columns)
    for row in rows:
        yield "\t".join(map(sanitize_line, row.cells))


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawn table: its lines, and the names of the columns that are in them."""

    lines: Sequence[Line]
    shown: frozenset[str]


def drawn(columns: Sequence[Column], rows: Sequence[Row], available: int) -> Drawn:
    """The table, no line longer than `available` cells except for keys that are longer."""
    shown = [number for number, column in enumerate(columns) if not column.only_piped]
    columns = [columns[number] for number in shown]
    groups = [
        [[sanitize_line(each[number]) for number in shown] for each in (row.cells, *row.under)]
        for row in rows
    ]
    fitted = _Fitted(columns, [line for group in groups for line in group], available)
    lines = []
    if not fitted.is_a_list:
        headings = [column.label or column.name for column in columns]
        lines.append(Line(fitted.line(headings), dim=True))
    for row, group in zip(rows, groups, strict=True):
        lines += [Line(text, row.dim) for line in group for text in fitted.lines(line)]
        lines += [Line(text, dim=True) for text in _below(row.below, available)]
    return Drawn(lines, fitted.shown)


class _Fitted:
    """Which columns are shown in `available` cells, and how wide."""

    def __init__(
        self, columns: Sequence[Column], rows: Sequence[Sequence[str]], available: int
    ) -> None:
        self._columns = columns
        self._available = available
        self._below: list[int] = []
        self._widths = [
            max([cells(column.label or column.name), *(cells(row[number]) for row in rows)])
            for number, column in enumerate(columns)
        ]
        self._shown = list(range(len(columns)))
        if self._excess() > 0:
            self._narrow_key(rows)
            self._fit()

    @property
    def shown(self) -> frozenset[str]:
        """The names of the columns that are shown, in the row or below it."""
        return frozenset(self._columns[number].name for number in (*self._shown, *self._below))

    @property
    def is_a_list(self) -> bool:
        """Whether everything stands below its key, so that a heading would tell nothing."""
        named = [number for number in self._shown if self._columns[number].name]
        return bool(self._below) and len(named) == 1

    def line(self, row: Sequence[str]) -> str:
        """The row in one line, as the header is."""
        parts = [self._padded(row[number], number) for number in self._shown]
        return _GAP.join(parts).rstrip()

    def lines(self, row: Sequence[str]) -> Iterator[str]:
        """The row, with its wrapped texts."""
        row = list(row)
        if cells(row[0]) > self._widths[0]:
            yield row[0]
            row[0] = ""
        wrapped = {
            number: wrap(row[number], self._widths[number])
            if self._columns[number].wraps
            else [row[number]]
            for number in self._shown
        }
        for number in range(max(map(len, wrapped.values()))):
            parts = [
                self._padded(lines[number] if number < len(lines) else "", column)
                for column, lines in wrapped.items()
            ]
            if any(map(str.strip, parts)):
                yield _GAP.join(parts).rstrip()
        for number in self._below:
            column, text = self._columns[number], row[number]
            named = text and not column.wraps
            yield from _below(
                f"{column.label or column.name}: {text}" if named else text, self._available
            )

    def _fit(self) -> None:
        droppable = sorted(
            (number for number in self._shown if self._columns[number].drop),
            key=lambda number: -self._columns[number].drop,
        )
        while self._excess() > 0 and not self._wrap_texts():
            if droppable:
                self._shown.remove(droppable.pop(0))
                continue
            texts = [number for number in self._shown if self._columns[number].wraps]
            if not texts:
                self._put_below()
                return
            self._shown.remove(texts[-1])
            self._below.insert(0, texts[-1])

    def _put_below(self) -> None:
        """Narrow the key, and put below the row what does not fit beside it even so."""
        key, heading = self._widths[0], cells(self._columns[0].label or self._columns[0].name)
        self._widths[0] = max(len(_INDENT), heading, key - self._excess())
        while self._excess() > 0 and len(self._shown) > 1:
            self._below.insert(0, self._shown.pop())
        self._widths[0] = min(key, self._widths[0] - self._excess())

    def _narrow_key(self, rows: Sequence[Sequence[str]]) -> None:
        beside = [cells(row[0]) for row in rows if cells(row[0]) <= _LONGEST_BESIDE]
        heading = cells(self._columns[0].label or self._columns[0].name)
        self._widths[0] = max([heading, *beside])

    def _wrap_texts(self) -> bool:
        """Narrow the columns of text so that everything fits. Returns False if they would be too
        narrow to read."""
        texts = [number for number in self._shown if self._columns[number].wraps]
        if not texts:
            return False
        room = self._available - self._taken([n for n in self._shown if n not in texts])
        room -= len(_GAP) * len(texts)
        widths = dict.fromkeys(texts, 0)
        for left, number in enumerate(sorted(texts, key=lambda each: self._widths[each])):
            share = room // (len(texts) - left)
            widths[number] = min(self._widths[number], share)
            if widths[number] < min(self._widths[number], _LEAST_WRAPPED):
                return False
            room -= widths[number]
        for number, width in widths.items():
            self._widths[number] = width
        return True

    def _excess(self) -> int:
        return self._taken(self._shown) - self._available

    def _taken(self, shown: Sequence[int]) -> int:
        return sum(self._widths[each] for each in shown) + len(_GAP) * (len(shown) - 1)

    def _padded(self, text: str, number: int) -> str:
        return pad(text, self._widths[number], right=self._columns[number].right)


def _below(text: str, available: int) -> Iterator[str]:
    if text:
        room = max(20, available - len(_INDENT))
        lines = wrap(sanitize_line(text), room, break_words=False)
        yield from (_INDENT + line for line in lines)
