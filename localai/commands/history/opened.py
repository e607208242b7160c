"""What the subcommands share: the open database, ids as they are typed, a number of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from localai.errors import NotFound
from localai.paths import Paths

if TYPE_CHECKING:
    from localai.database import Database

Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Its id, or how that begins.")]


@contextmanager
def opened(paths: Paths) -> Iterator[Database | None]:
    """The database; None where nothing was ever kept, for opening it would create it."""
    if not paths.database.exists():
        yield None
        return
    from localai.database import Database

    database = Database(paths.database)
    try:
        yield database
    finally:
        database.close()


def required(database: Database | None) -> Database:
    """The database that there is. Raises NotFound."""
    if database is None:
        raise NotFound("there is no conversation yet", command='localai chat "hello"')
    return database


def found_ids(database: Database, prefixes: Iterable[str]) -> list[str]:
    """The ids that begin so, each once. Raises NotFound."""
    return list(dict.fromkeys(database.find_conversation(prefix) for prefix in prefixes))


def count_text(number: int) -> str:
    """`3 conversations`."""
    return "1 conversation" if number == 1 else f"{number:,} conversations"
