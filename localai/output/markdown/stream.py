"""Markdown that arrives piece by piece, on a terminal: finished blocks are printed once.

Only the block that is still open is drawn again as it grows, never more of it than fits the screen.
A fenced code block is open line by line, so that code longer than the screen streams. At the end,
screen and scrollback have what `render_markdown` returns for the whole text, however it was cut
into pieces.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from localai.output.live_region import LiveRegion, Row
from localai.output.markdown.blocks import Code, Leaf, is_final, is_open_code, parse_leaves
from localai.output.markdown.code_colors import CONTEXT_LINES
from localai.output.markdown.layout import Layout
from localai.output.markdown.wrapping import fold, to_ansi

if TYPE_CHECKING:
    from rich.text import Text

_FRAME_S = 0.05
_FRAME_SHARE = 4
"""A frame that took t seconds to make is followed by a pause of at least this many t."""


def render_markdown(text: str, *, columns: int, color: bool) -> list[str]:
    """The lines of the whole sanitized `text`, with their escapes."""
    blocks = _OpenBlocks()
    blocks.source = text
    return [to_ansi(line) for line in blocks.rest(Layout(columns, color=color), ended=True)]


class MarkdownStream:
    """Shows sanitized markdown on the terminal behind `stream` while it arrives.

    `width` and `height` are called for each frame, so the window may change. Not for two threads at
    once. There are at most 20 frames a second; after a pause in the text, the owner calls `refresh`
    to show what the last `feed` left waiting.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        width: Callable[[], int],
        height: Callable[[], int],
        color: bool,
        dim: bool = False,
    ) -> None:
        self._width = width
        self._height = height
        self._color = color
        self._dim = dim
        self._region = LiveRegion(stream, width)
        self._blocks = _OpenBlocks()
        self._waiting = False
        self._next_frame = 0.0

    def feed(self, text: str) -> None:
        """Take the next piece of the text. Show it unless the last frame was just now."""
        self._blocks.source += text
        self._waiting = True
        if time.monotonic() >= self._next_frame:
            self.refresh()

    def refresh(self) -> None:
        """Show what has come since the last frame."""
        if not self._waiting:
            return
        started = time.monotonic()
        layout = self._layout()
        finished = self._blocks.take_finished(layout)
        live = self._blocks.rest(layout, ended=False)
        self._region.draw([to_ansi(line) for line in finished], self._live_rows(live, layout))
        self._waiting = False
        ended = time.monotonic()
        self._next_frame = ended + max(_FRAME_S, _FRAME_SHARE * (ended - started))

    def close(self) -> None:
        """The text has ended: print the open rest for good. The cursor is left on a new line."""
        rest = self._blocks.rest(self._layout(), ended=True)
        self._region.draw([to_ansi(line) for line in rest], [])
        self._blocks = _OpenBlocks()
        self._waiting = False

    def _layout(self) -> Layout:
        return Layout(self._width(), color=self._color, dim=self._dim)

    def _live_rows(self, lines: list[Text], layout: Layout) -> list[Row]:
        """The last of `lines` as rows, at most two fewer than the screen has: rows that scrolled
        off could not be reached again."""
        most = max(1, self._height() - 2)
        rows = [row for line in lines[-most:] for row in fold(line, layout.columns)]
        return [Row(to_ansi(row), row.cell_len) for row in rows[-most:]]


class _OpenBlocks:
    """The source from the last top-level block on, and how much of it was printed for good."""

    def __init__(self) -> None:
        self.source = ""
        self._looked_at = 0
        self._leaves_done = 0
        self._lines_done = 0
        self._is_continuation = False
        self._blank_before: str | None = None
        self._parsed: tuple[str, list[Leaf]] = ("", [])

    def take_finished(self, layout: Layout) -> list[Text]:
        """The lines that later text cannot change and that were not taken before."""
        complete = self.source[: self.source.rfind("\n") + 1]
        if len(complete) == self._looked_at:
            return []
        self._looked_at = len(complete)
        lines = complete.split("\n")[:-1]
        leaves = self._leaves(complete)
        finished: list[Text] = []
        while self._leaves_done < len(leaves):
            index = self._leaves_done
            leaf = leaves[index]
            if is_final(leaf, last=index == len(leaves) - 1, lines=lines):
                finished += self._lines(layout, leaves, lines, index, ended=True)
                self._leaves_done += 1
                self._lines_done = 0
            elif is_open_code(leaf, lines):
                finished += self._blank(layout, leaves, lines, index)
                code = layout.lines(leaf, first=self._lines_done, unfinished=True)
                finished += code
                self._lines_done += len(code)
                self._forget_printed_code(leaf, lines)
                break
            else:
                break
        self._forget_finished_blocks(leaves, lines)
        return finished

    def rest(self, layout: Layout, *, ended: bool) -> list[Text]:
        """The lines that were not taken. Unless the text has `ended`, the last block is shown as
        unfinished."""
        lines = self.source.split("\n")
        leaves = self._leaves(self.source)
        return [
            line
            for index in range(self._leaves_done, len(leaves))
            for line in self._lines(
                layout, leaves, lines, index, ended=ended or index < len(leaves) - 1
            )
        ]

    def _leaves(self, source: str) -> list[Leaf]:
        """The leaves of `source`. A frame that ends with a line asks for the same ones twice."""
        if source != self._parsed[0]:
            self._parsed = source, parse_leaves(source)
        return self._parsed[1]

    def _lines(
        self, layout: Layout, leaves: list[Leaf], lines: list[str], index: int, *, ended: bool
    ) -> list[Text]:
        first = self._lines_done if index == self._leaves_done else 0
        return [
            *self._blank(layout, leaves, lines, index),
            *layout.lines(leaves[index], first=first, unfinished=not ended),
        ]

    def _blank(
        self, layout: Layout, leaves: list[Leaf], lines: list[str], index: int
    ) -> list[Text]:
        """The blank line before a leaf, if the source has one: the spacing is the author's."""
        if index == self._leaves_done and self._lines_done:
            return []
        start = leaves[index].start
        if index == 0:
            if not self._is_continuation or (start == 0 and self._blank_before is None):
                return []
        elif start == leaves[index - 1].end:
            return []
        return [layout.blank(lines[start - 1] if start else self._blank_before or "")]

    def _forget_printed_code(self, leaf: Leaf, lines: list[str]) -> None:
        """Drop the printed part of a long open fence, except the lines that the colours of later
        ones depend on."""
        surplus = self._lines_done - 1 - CONTEXT_LINES
        fenced = isinstance(leaf.body, Code) and leaf.body.fence
        if surplus < CONTEXT_LINES or not fenced:
            return
        del lines[leaf.start + 1 : leaf.start + 1 + surplus]
        complete = "".join(line + "\n" for line in lines)
        self.source = complete + self.source[self._looked_at :]
        self._looked_at = len(complete)
        self._lines_done -= surplus

    def _forget_finished_blocks(self, leaves: list[Leaf], lines: list[str]) -> None:
        """Drop all but the last top-level block, because each look parses everything that is
        kept."""
        if not leaves or leaves[-1].block_start == leaves[0].block_start:
            return
        cut = leaves[-1].block_start
        forgotten = sum(leaf.block_start < cut for leaf in leaves)
        has_blank = leaves[forgotten].start > leaves[forgotten - 1].end
        self._blank_before = lines[cut - 1] if has_blank else None
        dropped = sum(len(line) + 1 for line in lines[:cut])
        self.source = self.source[dropped:]
        self._looked_at -= dropped
        self._leaves_done -= forgotten
        self._is_continuation = True
