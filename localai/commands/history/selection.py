"""The selection of conversations: the filters of `list` and `search`, and ids as they are typed."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from localai import types
from localai.cost.summary import since as moment_since
from localai.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from localai.database import Criteria, Database

_Found = TypeVar("_Found")
_UNPROVEN = "unproven"

Model = Annotated[
    str | None,
    typer.Option(
        "-m", "--model", help="Only conversations with this model, or a part of its name."
    ),
]
Zone = Annotated[
    str | None,
    typer.Option(
        "--zone",
        help="Only conversations that were answered there: device, lan, cloud or unproven.",
    ),
]
Since = Annotated[
    str | None, typer.Option("--since", help="Only what is newer: a date, or a time ago (7d).")
]
Until = Annotated[
    str | None, typer.Option("--until", help="Only what is older: a date, or a time ago (7d).")
]

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID…", help="The conversation's id or title, or the beginning of one."),
]


def required(found: _Found | None) -> _Found:
    """`found`, the database or what was looked for in it. Raises NotFound if it is None, because
    nothing is kept yet."""
    if found is None:
        raise NotFound("there is no conversation yet", command='localai chat "hello"')
    return found


def found_ids(database: Database, prefixes: Iterable[str]) -> list[str]:
    """The ids that begin with the given texts, each once. Raises NotFound."""
    return list(dict.fromkeys(database.find_conversation(prefix) for prefix in prefixes))


def criteria_of(
    model: str | None = None,
    zone: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Criteria:
    """The criteria that the filters ask for. Raises InvalidInput."""
    from localai.database import Criteria

    return Criteria(
        model=model,
        zone=_parsed_zone(zone),
        since=None if since is None else _moment("--since", since),
        until=None if until is None else _moment("--until", until, end_of_day=True),
    )


def _parsed_zone(text: str | None) -> str | None:
    known = [*(zone.label for zone in types.Zone), _UNPROVEN]
    if text is not None and text not in known:
        raise InvalidInput(f"--zone takes {', '.join(known)}, not {text!r}", hint="--zone cloud")
    return text


def _moment(flag: str, text: str, *, end_of_day: bool = False) -> float:
    """Seconds since the epoch, from a date, a date and time, or a time ago."""
    try:
        if end_of_day and len(text) == len("2026-11-22"):
            day = datetime.date.fromisoformat(text) + datetime.timedelta(days=1)
            return datetime.datetime.combine(day, datetime.time()).timestamp()
    except ValueError:
        pass
    try:
        return moment_since(text, time.time())
    except InvalidInput as error:
        message = error.message.replace("--since", flag)
        raise InvalidInput(message, hint=f"{flag} 30d") from error
