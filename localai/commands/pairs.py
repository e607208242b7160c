"""Options that take two values, `-o KEY VALUE`, any number of times.

Typer cannot declare a repeatable option of two values ("List types with complex sub-types are
not currently supported"), while the parser below it can: this class says so to the parser.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

PAIR = "KEY VALUE"


class PairCommand(TyperCommand):
    """A command whose options with the metavar `KEY VALUE` take two values each.

    Such an option is declared as `list[str]` and received as a list of pairs.
    """

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        for parameter in self.params:
            if parameter.metavar == PAIR:
                parameter.nargs = 2
