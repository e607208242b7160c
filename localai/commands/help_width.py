"""Help on a narrow terminal: as wide as the terminal is, where Click's is 50 columns at least."""

from __future__ import annotations

from collections.abc import Sequence
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    Formatter = Any
else:
    Formatter = typer.Context.formatter_class

_NARROW: Final = 50
"""Click's least width. Below it, the left column is at most a third of the line."""
_LEAST: Final = 20


class HelpFormatter(Formatter):  # type: ignore[misc]
    """Click's formatter, no wider than the terminal."""

    width: int

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.width = min(self.width, max(get_terminal_size().columns - 2, _LEAST))

    def write_dl(
        self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write a list of two columns; on a narrow terminal what is long on the left gets a line
        of its own."""
        if self.width < _NARROW:
            col_max = min(col_max, self.width // 3)
        super().write_dl(rows, col_max, col_spacing)


class HelpContext(typer.Context):
    """The context of every command."""

    formatter_class = HelpFormatter
