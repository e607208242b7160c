"""One leaf block of markdown into lines of styled text for a terminal of a given width.

Text that a person copies from the screen is clean: code stands at its own indentation without
frames or padding and is never wrapped by us, a list keeps "- ", a quote "> ", and no line ends in
spaces. Without colour the same can be seen: inline code keeps its backticks then, code blocks
always keep their fences, a link shows its target.

Pure; rich and markdown-it-py are imported on first use.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, assert_never

from localai.output.markdown.blocks import Code, Heading, Leaf, Paragraph, Rule, Table
from localai.output.markdown.code_colors import color_lines
from localai.output.markdown.table import table_lines
from localai.output.markdown.wrapping import wrap
from localai.untrusted import sanitize

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token
    from rich.text import Text

MAX_PROSE_COLUMNS = 100
"""Longer lines of prose are hard to read; tables and code use the whole width."""

_INDENT = "    "
_MIN_COLUMNS = 10
_RULE_COLUMNS = 40
# No formula is longer. Each beginning without an end would be searched to the end of the text.
_MATH = re.compile(r"\\\(.{1,2000}?\\\)|\\\[.{1,2000}?\\\]|\$\$.{1,2000}?\$\$", re.DOTALL)
_LINE_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)
_OPENING_STYLES = {
    "strong_open": "bold",
    "em_open": "italic",
    "s_open": "strike",
    "link_open": "underline",
}


class Layout:
    """Lays leaves out for `columns`. Without `color` there are attributes (bold) but no colours.

    One column stays free, so that no line fills the row and wraps the cursor.
    """

    def __init__(self, columns: int, *, color: bool, dim: bool = False) -> None:
        self.columns = max(columns - 1, _MIN_COLUMNS)
        self._color = color
        self._dim = dim

    def lines(self, leaf: Leaf, *, first: int = 0, unfinished: bool = False) -> list[Text]:
        """The lines of `leaf` from number `first` on.

        Code gives a line for each line of its source, the fences included, so that finished
        lines can be printed while the block is open. `unfinished` leaves the last fence out and
        shows inline markup that is not closed yet as if it were.
        """
        from rich.text import Text

        available = max(self.columns - len(leaf.prefix), _MIN_COLUMNS)
        body = leaf.body
        match body:
            case Paragraph(text=text):
                lines = self._prose(text, available, unfinished=unfinished)
            case Heading(text=text, level=level):
                lines = self._prose(text, available, unfinished=unfinished)
                for line in lines:
                    line.stylize("bold underline" if level == 1 else "bold")
            case Code():
                lines = self._code(body, first, unfinished=unfinished)
            case Table():
                lines = table_lines(
                    [[self.inline(cell) for cell in row] for row in body.rows],
                    body.alignments,
                    available,
                )
            case Rule():
                lines = [Text("─" * min(available, _RULE_COLUMNS), "dim")]
            case _:
                assert_never(body)
        if not isinstance(body, Code):
            lines = lines[first:]
        return [
            self._prefixed(leaf.first_prefix if first + number == 0 else leaf.prefix, line)
            for number, line in enumerate(lines)
        ]

    def blank(self, source_line: str) -> Text:
        """The blank line between two leaves; within a quote it keeps the quote's marks."""
        from rich.text import Text

        line = Text(source_line.rstrip())
        line.stylize("dim")
        return line

    def inline(self, content: str) -> Text:
        """`content`, markdown without blocks, as styled text; it may have newlines in it."""
        from rich.text import Text

        shown = Text()
        styles: list[str] = []
        links: list[tuple[int, str]] = []
        for token in _parse_inline(content):
            kind = token.type
            if kind in _OPENING_STYLES:
                styles.append(_OPENING_STYLES[kind])
                if kind == "link_open":
                    links.append((len(shown), _link_target(token)))
            elif kind.endswith("_close"):
                styles.pop()
                if kind == "link_close":
                    start, target = links.pop()
                    if target and target != shown.plain[start:]:
                        shown.append(f" ({target})", "dim")
            elif kind in ("softbreak", "hardbreak"):
                shown.append("\n")
            elif kind == "code_inline":
                text = sanitize(token.content)
                code = text if self._color else f"`{text}`"
                shown.append(code, " ".join([*styles, *(["cyan"] if self._color else [])]))
            elif kind == "image":
                text = f"[image: {sanitize(token.content)}] ({_link_target(token)})"
                shown.append(text, " ".join(styles))
            else:
                text = _LINE_BREAK_TAG.sub("\n", sanitize(token.content))
                shown.append(text, " ".join(styles))
        return shown

    def _prose(self, markdown: str, available: int, *, unfinished: bool) -> list[Text]:
        text = self.inline(close_open_markup(markdown) if unfinished else markdown)
        return wrap(text, min(available, MAX_PROSE_COLUMNS))

    def _code(self, code: Code, first: int, *, unfinished: bool) -> list[Text]:
        from rich.text import Text

        if not code.fence:
            return [Text(_INDENT + sanitize(line)) for line in code.lines[first:]]
        lines: list[Text] = []
        if first == 0:
            lines.append(Text(sanitize(code.fence + code.info), "dim"))
        start = max(0, first - 1)
        if start < len(code.lines):
            content = [sanitize(line) for line in code.lines]
            language = code.info.split()[0].lower() if code.info and self._color else ""
            lines += color_lines(content, start, language)
        if code.closed or not unfinished:
            lines.append(Text(code.fence, "dim"))
        return lines

    def _prefixed(self, prefix: str, line: Text) -> Text:
        from rich.text import Text

        joined = Text(prefix)
        joined.highlight_regex("[>]", "dim")
        joined.append_text(line)
        joined.rstrip()
        if self._dim:
            joined.stylize("dim")
        return joined


def close_open_markup(content: str) -> str:
    """`content`, still being written, with its open `**` and backtick closed.

    A marker that has just begun at the end is left out until the next text decides, so that a line
    on the screen does not flicker between asterisks and bold.
    """
    content = content.rstrip("*_`~")
    outside_code = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", content, flags=re.DOTALL)
    before_code, backtick, _ = outside_code.partition("`")
    closing = backtick
    if before_code.count("**") % 2:
        closing += "**"
    return content.rstrip() + closing if closing else content


@cache
def _inline_parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("strikethrough")
    parser.inline.ruler.before("escape", "math", _math)
    parser.inline.ruler.at("newline", _newline)
    return parser


def _math(state: StateInline, silent: bool) -> bool:
    r"""Keep \( … \), \[ … \] and $$ … $$ as they are: markdown would eat the backslashes."""
    match = _MATH.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    if not silent:
        state.pending += match[0]
    state.pos = match.end()
    return True


def _newline(state: StateInline, silent: bool) -> bool:
    """Keep a line break as a line break, and the next line's indentation: small models write code
    without a fence around it."""
    if state.src[state.pos] != "\n":
        return False
    if not silent:
        state.pending = state.pending.rstrip(" ")
        state.push("softbreak", "br", 0)
    state.pos += 1
    return True


def _parse_inline(content: str) -> list[Token]:
    return _inline_parser().parseInline(content)[0].children or []


def _link_target(token: Token) -> str:
    if token.info == "auto":
        return ""
    target = token.attrs.get("href") or token.attrs.get("src") or ""
    return sanitize(_inline_parser().normalizeLinkText(str(target)))
