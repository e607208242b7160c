"""What the subcommands share: the open database, ids as they are typed, a number of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from localai.errors import NotFound
from localai.paths import Paths

if TYPE_CHECKING:
    from localai.store import Store

Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Its id, or how that begins.")]


@contextmanager
def opened(paths: Paths) -> Iterator[Store | None]:
    """The database; None where nothing was ever kept, for opening it would create it."""
    if not paths.database.exists():
        yield None
        return
    from localai.store import Store

    store = Store(paths.database)
    try:
        yield store
    finally:
        store.close()


def required(store: Store | None) -> Store:
    """The database that there is. Raises NotFound."""
    if store is None:
        raise NotFound("there is no conversation yet", hint='localai chat "hello"')
    return store


def found_ids(store: Store, prefixes: Iterable[str]) -> list[str]:
    """The ids that begin so, each once. Raises NotFound."""
    return list(dict.fromkeys(store.find_conversation(prefix) for prefix in prefixes))


def count_text(number: int) -> str:
    """`3 conversations`."""
    return "1 conversation" if number == 1 else f"{number:,} conversations"
