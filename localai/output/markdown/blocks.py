"""Markdown source into leaf blocks, each with its source lines and its prefix.

A leaf is a block without blocks inside: a paragraph, a heading, code, a table, a rule. Lists and
quotes are only prefixes ("- ", "> ") of their leaves. The dialect is CommonMark with tables and
strikethrough, and two omissions, which keep text on the screen and make blocks final early: HTML is
text, and link reference definitions are text.

Streaming rests on that early finality (`is_final`): a leaf that is followed by another leaf never
changes again, whatever follows. A property test compares this with the parser.

Pure; knows nothing of terminals. markdown-it-py is imported on first use (40 ms).
"""

from __future__ import annotations

from dataclasses import field
from functools import cache
from typing import TYPE_CHECKING, Literal

from localai.dataclass import dataclass

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MAX_NESTING = 100
"""Containers within containers that are parsed; what is deeper is shown as it was written."""

Alignment = Literal["left", "center", "right"]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """`text` is markdown with inline markup."""

    text: str


@dataclass(frozen=True, slots=True)
class Heading:
    """`text` is markdown with inline markup; `level` is 1 to 6."""

    text: str
    level: int


@dataclass(frozen=True, slots=True)
class Code:
    """Verbatim lines. `fence` is the marker, "" for indented code; `closed`: its end has come."""

    lines: tuple[str, ...]
    fence: str = ""
    info: str = ""
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Cells are markdown with inline markup; the first row is the header."""

    rows: tuple[tuple[str, ...], ...]
    alignments: tuple[Alignment, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A thematic break."""


Body = Paragraph | Heading | Code | Table | Rule


@dataclass(frozen=True, slots=True)
class Leaf:
    """A block without blocks inside.

    `start` and `end` are its source lines, half open; `block_start` is the first line of the
    top-level block that holds it. `first_prefix` stands before its first line of output, `prefix`
    before the others.
    """

    body: Body
    start: int
    end: int
    block_start: int
    first_prefix: str
    prefix: str


def parse_leaves(source: str) -> list[Leaf]:
    """The leaves of `source` in order. Every line that is not blank belongs to a leaf."""
    return _Walk(source).leaves()


def is_final(leaf: Leaf, *, last: bool, lines: list[str]) -> bool:
    """Whether no further lines can change `leaf`, one of the leaves of the complete `lines`."""
    if not last:
        return True
    if _may_become_table(leaf, lines):
        return False
    match leaf.body:
        case Heading() | Rule():
            return True
        case Code(fence=fence, closed=closed):
            return closed and bool(fence)
        case Paragraph() | Table():
            return leaf.end < len(lines)


def is_open_code(leaf: Leaf, lines: list[str]) -> bool:
    """Whether `leaf`, the last one of the complete `lines`, is an open code block. Its lines are
    final as they come, although the block is not."""
    return isinstance(leaf.body, Code) and not _may_become_table(leaf, lines)


def _may_become_table(leaf: Leaf, lines: list[str]) -> bool:
    """Whether the leaf is a single line that the next line could make the header of a table."""
    return leaf.end == len(lines) and leaf.end - leaf.start == 1 and "|" in lines[leaf.start]


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    options = {"html": False, "maxNesting": MAX_NESTING}
    parser = MarkdownIt("commonmark", options).enable("table").disable("reference")
    parser.core.ruler.disable("inline")  # Inline markup is parsed when a leaf is laid out.
    return parser


@dataclass(slots=True)
class _Container:
    marker: str
    indent: str
    first_line: int
    end_line: int
    used: bool = False
    next_number: int = 1


@dataclass(slots=True)
class _Walk:
    source: str
    found: list[Leaf] = field(default_factory=list)
    containers: list[_Container] = field(default_factory=list)
    block_start: int = 0

    def leaves(self) -> list[Leaf]:
        tokens = _parser().parse(self.source)
        lines = self.source.split("\n")
        for index, token in enumerate(tokens):
            if token.level == 0 and token.map:
                self.block_start = token.map[0]
            kind = token.type
            if kind.endswith("_open") and kind.removesuffix("_open") in _CONTAINERS:
                self._open(token)
            elif kind.endswith("_close") and kind.removesuffix("_close") in _CONTAINERS:
                self._close(lines)
            elif (body := _body(tokens, index, lines)) is not None:
                assert token.map is not None
                self._add(body, token.map[0], _end_line(body, token.map))
        return self.found

    def _open(self, token: Token) -> None:
        assert token.map is not None
        marker = indent = ""
        number = 1
        if token.type == "blockquote_open":
            marker = indent = "> "
        elif token.type == "ordered_list_open":
            number = int(token.attrs.get("start", 1))
        elif token.type == "list_item_open":
            marker = "- "
            if token.info:
                ordered = self.containers[-1]
                marker = f"{ordered.next_number}{token.markup} "
                ordered.next_number += 1
            indent = " " * len(marker)
        self.containers.append(
            _Container(marker, indent, token.map[0], token.map[1], next_number=number)
        )

    def _close(self, lines: list[str]) -> None:
        container = self.containers[-1]
        if not container.used:
            raw = [line.strip() for line in lines[container.first_line : container.end_line]]
            shown = tuple(line for line in raw if line.strip(_MARKERS))
            body = Code(shown) if shown else Paragraph("")
            self._add(body, container.first_line, container.end_line)
        self.containers.pop()

    def _add(self, body: Body, start: int, end: int) -> None:
        first_prefix = "".join(c.indent if c.used else c.marker for c in self.containers)
        prefix = "".join(c.indent for c in self.containers)
        for container in self.containers:
            container.used = True
        self.found.append(Leaf(body, start, end, self.block_start, first_prefix, prefix))


_MARKERS = "->+*0123456789.) \t"
_CONTAINERS = {"blockquote", "bullet_list", "ordered_list", "list_item"}


def _body(tokens: list[Token], index: int, lines: list[str]) -> Body | None:
    token = tokens[index]
    match token.type:
        case "paragraph_open":
            return Paragraph(tokens[index + 1].content)
        case "heading_open":
            return Heading(tokens[index + 1].content, int(token.tag[1:]))
        case "fence" | "code_block":
            return _code(token)
        case "table_open":
            return _table(tokens, index, lines)
        case "hr":
            return Rule()
    return None


def _code(token: Token) -> Code:
    assert token.map is not None
    lines = token.content.removesuffix("\n").split("\n") if token.content else []
    closed = token.type == "fence" and token.map[1] - token.map[0] == len(lines) + 2
    if not closed:
        # Blank lines at the end of an open block may turn out to be behind it.
        while lines and not lines[-1].strip():
            lines.pop()
    fence = token.markup if token.type == "fence" else ""
    return Code(tuple(lines), fence, token.info.strip(), closed)


def _end_line(body: Body, source_lines: list[int]) -> int:
    if isinstance(body, Code) and not body.closed:
        return source_lines[0] + bool(body.fence) + len(body.lines)
    return source_lines[1]


def _table(tokens: list[Token], index: int, lines: list[str]) -> Table:
    rows: list[tuple[str, ...]] = []
    row: list[str] = []
    alignments: list[Alignment] = []
    for position in range(index + 1, len(tokens)):
        token = tokens[position]
        if token.type == "table_close":
            break
        if token.type == "tr_close":
            rows.append(tuple(row))
        elif token.type == "tr_open":
            row = []
            surplus = _surplus_cells(lines[token.map[0]], len(alignments)) if token.map else []
        elif token.type in ("th_open", "td_open"):
            row.append(tokens[position + 1].content)
            if token.type == "th_open":
                alignments.append(_alignment(token))
            elif len(row) == len(alignments):
                row[-1] = " | ".join([row[-1], *surplus])
    return Table(tuple(rows), tuple(alignments))


def _surplus_cells(line: str, columns: int) -> list[str]:
    """The cells of a row beyond the header's number, which the dialect would silently drop."""
    from markdown_it.rules_block.table import escapedSplit

    cells = [cell.strip() for cell in escapedSplit(line)]
    if cells and not cells[-1]:
        cells.pop()
    if cells and not cells[0].strip(_MARKERS):
        cells.pop(0)
    return cells[columns:] if columns else []


def _alignment(token: Token) -> Alignment:
    match token.attrs.get("style"):
        case "text-align:right":
            return "right"
        case "text-align:center":
            return "center"
    return "left"
