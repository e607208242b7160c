"""Conversations and what was found in them, as lists: two lines each for a person, one line with
tabs for a pipe."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence

from localai.database import ConversationSummary, Hit
from localai.output.cells import one_line
from localai.output.streams import color_wanted, is_terminal, print_table, width
from localai.output.units import UNKNOWN
from localai.output.untrusted import sanitize

_ID_COLUMNS = 10
_PLAIN_MARKS = (">>", "<<")
_ZONES = ("cloud", "unproven", "lan", "device")


def widest_zone(zones: frozenset[str]) -> str | None:
    """The widest zone that any answer came from, `unproven` being wider than any but the cloud;
    None where there is no answer."""
    return next((zone for zone in _ZONES if zone in zones), None)


def moment_text(at: float) -> str:
    """2026-11-22 18:05, local time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def conversation_name(title: str | None) -> str:
    """What it is called, harmless and on one line."""
    return " ".join(sanitize(title or "").split()) or "(without a title)"


def print_conversations(rows: Sequence[ConversationSummary]) -> None:
    """The conversations on stdout."""
    if not is_terminal(sys.stdout):
        columns = ["id", "updated", "messages", "model", "zone", "title"]
        print_table(columns, [[row.id, *_facts(row), conversation_name(row.title)] for row in rows])
        return
    for row in rows:
        for line in conversation_lines(row):
            print(line)


def conversation_lines(row: ConversationSummary) -> Iterator[str]:
    """Its id and title, and under it when, how long, where and with whom, dim."""
    yield _heading(row.id, row.title)
    when, messages, model, zone = _facts(row)
    known = [fact for fact in (zone, model) if fact != UNKNOWN]
    plural = "message" if messages == "1" else "messages"
    facts = " · ".join([when, f"{messages} {plural}", *known])
    yield _dim(f"{'':{_ID_COLUMNS}}  {one_line(facts, width() - _ID_COLUMNS - 2)}")


def print_hits(hits: Sequence[Hit]) -> None:
    """What was found on stdout: styled where there is colour, between >> and << elsewhere."""
    if not is_terminal(sys.stdout):
        rows = [
            [
                hit.conversation_id,
                moment_text(hit.created_at),
                _speaker(hit),
                "".join(piece for piece, _ in _pieces(hit, *_PLAIN_MARKS)).strip(),
            ]
            for hit in hits
        ]
        print_table(["id", "when", "who", "text"], rows)
        return
    before = None
    for hit in hits:
        if hit.conversation_id != before:
            print(_heading(hit.conversation_id, hit.title))
        before = hit.conversation_id
        print(_dim(f"  {moment_text(hit.created_at)}  {one_line(_speaker(hit), width() - 20)}"))
        for line in _wrapped(hit):
            print(line)


def _facts(row: ConversationSummary) -> tuple[str, str, str, str]:
    model = UNKNOWN if row.model is None else sanitize(f"{row.provider}/{row.model}")
    zone = widest_zone(row.zones) or UNKNOWN
    return moment_text(row.updated_at), str(row.messages), model, zone


def _heading(identifier: str, title: str | None) -> str:
    name = one_line(conversation_name(title), width() - len(identifier) - 3)
    if not color_wanted(sys.stdout):
        return f"{identifier}  {name}"
    return f"\x1b[33m{identifier}\x1b[0m  \x1b[1m{name}\x1b[0m"


def _speaker(hit: Hit) -> str:
    return "you" if hit.role == "user" else sanitize(hit.model or hit.role)


def _pieces(hit: Hit, begins: str, ends: str) -> Iterator[tuple[str, bool]]:
    """The excerpt on one line, harmless, in pieces: the text, and whether it was asked for."""
    at = 0
    for begin, end in hit.marks:
        yield _flat(hit.excerpt[at:begin]), False
        yield f"{begins}{_flat(hit.excerpt[begin:end])}{ends}", True
        at = end
    yield _flat(hit.excerpt[at:]), False


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", sanitize(text))


def _wrapped(hit: Hit) -> Iterator[str]:
    from rich.text import Text

    from localai.output.markdown.wrapping import to_ansi, wrap

    colored = color_wanted(sys.stdout)
    text = Text()
    for piece, is_hit in _pieces(hit, *(("", "") if colored else _PLAIN_MARKS)):
        text.append(piece, "bold magenta" if is_hit and colored else "")
    for line in wrap(text, max(20, width() - 5)):
        yield "    " + to_ansi(line)


def _dim(text: str) -> str:
    return f"\x1b[2m{text}\x1b[0m" if color_wanted(sys.stdout) else text
