"""The width of texts in a terminal's cells: measuring, cutting, wrapping between words.

Pure. Rich knows the wide characters; it is imported only if a text may have some.
"""

from __future__ import annotations

from localai.patterns import lazy_pattern
from localai.untrusted import sanitize_line

_NARROW = lazy_pattern("[ -~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0482\u2010-\u2027\u2500-\u25fc✓]*")
"""One cell a character: Latin, Greek, Cyrillic, dashes, boxes and blocks."""

# A space, but not one between a number and its unit.
_BREAK = lazy_pattern(r" (?<![0-9] (?=(?:[kMGT]?B|[MG]iB|GB/s|tok/s)\b))")

_SHELL_WORD = lazy_pattern(r"""(?:[^\s'"\\]|\\.|'[^']*'|"(?:\\.|[^"\\])*"|['"\\])+""")


def cells(text: str) -> int:
    """The number of cells that `text`, a single line, takes."""
    if _NARROW.fullmatch(text):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def one_line(text: str, columns: int) -> str:
    """`text` without escapes and line breaks, in at most `columns` cells. An ellipsis stands for
    the part that was cut."""
    return cut(" ".join(sanitize_line(text[: 20 * max(columns, 1)]).split()), columns)


def cut(line: str, columns: int) -> str:
    """`line` in at most `columns` cells. An ellipsis stands for the part that was cut."""
    if cells(line) <= columns:
        return line
    from rich.cells import set_cell_size

    return set_cell_size(line, max(0, columns - 1)).rstrip() + "…"


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """`text` with spaces up to `columns` cells: behind it, or with `right` before it."""
    spaces = " " * (columns - cells(text))
    return spaces + text if right else text + spaces


def wrap(text: str, columns: int, *, break_words: bool = True) -> list[str]:
    """`text` in lines of at most `columns` cells, broken at spaces; at least one line.

    A number and its unit (`1,008 GB/s`) stay together. Without `break_words`, a longer word, such
    as a path to be copied, stays whole and makes a longer line.
    """
    lines = [""]
    for word in _BREAK.split(text):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cells(joined) <= columns:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        pieces = _chopped(word, columns) if break_words else [word]
        lines[-1] = pieces[0]
        lines += pieces[1:]
    return lines


def wrap_command(command: str, columns: int) -> list[str]:
    """A line for a shell in lines of at most `columns` cells, which end between its words. Each but
    the last ends with the backslash after which a shell reads on, so that they can be pasted."""
    if cells(command) <= columns or command.startswith("/"):
        return [command]
    first, *words = _SHELL_WORD.findall(command)
    lines = [first]
    for word in words:
        if cells(f"{lines[-1]} {word}") + 2 <= columns:
            lines[-1] += f" {word}"
        else:
            lines[-1] += " \\"
            lines.append(f"  {word}")
    return lines


def _chopped(word: str, columns: int) -> list[str]:
    if cells(word) <= columns:
        return [word]
    from rich.cells import chop_cells

    return chop_cells(word, columns)
