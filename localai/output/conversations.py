"""Conversations for a person: as a list, as search results, as text to read, as Markdown.

On a terminal a list has two lines for each, and a conversation is drawn as in the session. In a
pipe a list has one line for each, with tabs, and a conversation is plain text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from localai.chat.turn_tree import Turn, TurnTree, system_prompt_of, turns_of
from localai.database import ConversationSummary, Hit
from localai.output.cells import cells, one_line, wrap
from localai.output.output import Output, Piece
from localai.types import Picture
from localai.units import UNKNOWN, bytes_text, counted, day_and_minute
from localai.untrusted import sanitize
from localai.wires.parts import data_url

_INDENT = 12
"""Under a title: the columns of an id and the gap behind it."""
_LEAST_OF_A_NAME = 8
"""Fewer cells of a model's name say nothing."""
_MARKS = (">>", "<<")
"""What was searched for stands between these where there is no colour."""
# The remark on an answer that is not whole. None: the command was killed while it came.
_NOT_WHOLE: Mapping[str | None, str] = {
    "cancelled": "stopped",
    "failed": "failed",
    None: "cut off",
    "length": "cut at its limit",
    "context": "cut: the context was full",
    "loop": "stopped: it repeated itself without end",
    "refusal": "refused",
    "other": "perhaps not whole",
}


def moment_text(at: float) -> str:
    """A moment as `2026-11-22 18:05`, in local time."""
    return day_and_minute(at)


def conversation_name(title: str | None) -> str:
    """The conversation's title on one line."""
    return " ".join((title or "").split()) or "(without a title)"


# Lists.


def print_conversations(rows: Sequence[ConversationSummary], output: Output) -> None:
    """Print a list: id, title, time of the last message, length, zone and model."""
    if not output.on_terminal:
        columns = ("id", "updated", "messages", "model", "zone", "title")
        output.table(
            columns, [[row.id, *_cells(row), conversation_name(row.title)] for row in rows]
        )
        return
    for row in rows:
        output.line(*_heading(row.id, row.title, output.columns))
        output.line(" " * _INDENT, (conversation_facts(row, output.columns - _INDENT), "dim"))


def conversation_facts(row: ConversationSummary, columns: int, *before: str) -> str:
    """After `before`, when it was last written to, its length, zone and model, in at most `columns`
    cells: `2026-11-22 18:05 · 2 messages …`. What does not fit is left out whole, from the end;
    of a model's name its beginning may stay."""
    when, _, model, zone = _cells(row)
    known = [cell for cell in (zone, model) if cell != UNKNOWN]
    facts = [*before, when, counted(row.messages, "message"), *known]
    while len(facts) > 1 and cells(" · ".join(facts)) > columns:
        last = facts.pop()
        room = columns - cells(" · ".join([*facts, ""]))
        if last == model and room >= _LEAST_OF_A_NAME:
            facts.append(one_line(last, room))
    return one_line(" · ".join(facts), columns)


def conversation_line(row: ConversationSummary) -> str:
    """The conversation as a question names it: `4f2a… Its title, 2026-11-22 18:05`."""
    return f"{row.id}  {conversation_name(row.title)}, {moment_text(row.updated_at)}"


def print_hits(hits: Sequence[Hit], output: Output) -> None:
    """Print the search results. Matches are styled if there is colour, else marked by >> and <<."""
    if not output.on_terminal:
        rows = [
            [
                hit.conversation_id,
                moment_text(hit.created_at),
                _hit_author(hit),
                _excerpt(hit, _MARKS)[0].strip(),
            ]
            for hit in hits
        ]
        output.table(("id", "when", "who", "text"), rows)
        return
    before = None
    for hit in hits:
        if hit.conversation_id != before:
            output.line(*_heading(hit.conversation_id, hit.title, output.columns))
        before = hit.conversation_id
        author = one_line(_hit_author(hit), output.columns - 20)
        output.line((f"  {moment_text(hit.created_at)}  {author}", "dim"))
        for pieces in _wrapped(hit, output):
            output.line("    ", *pieces)


def _cells(row: ConversationSummary) -> tuple[str, str, str, str]:
    model = UNKNOWN if row.model is None else f"{row.provider}/{row.model}"
    zone = row.widest_zone or UNKNOWN
    return moment_text(row.updated_at), str(row.messages), model, zone


def _heading(identifier: str, title: str | None, columns: int) -> tuple[Piece, ...]:
    name = one_line(conversation_name(title), columns - len(identifier) - 3)
    return (identifier, "yellow"), "  ", (name, "bold")


def _hit_author(hit: Hit) -> str:
    return "you" if hit.role == "user" else hit.model or hit.role


def _excerpt(hit: Hit, marks: tuple[str, str]) -> tuple[str, list[tuple[int, int]]]:
    """The excerpt on one line without escapes, and the ranges of the matches in it."""
    text, places, at = "", [], 0
    for begin, end in hit.marks:
        text += _flat(hit.excerpt[at:begin])
        places.append((len(text), 0))
        text += f"{marks[0]}{_flat(hit.excerpt[begin:end])}{marks[1]}"
        places[-1] = (places[-1][0], len(text))
        at = end
    return text + _flat(hit.excerpt[at:]), places


def _wrapped(hit: Hit, output: Output) -> Iterator[list[Piece]]:
    text, places = _excerpt(hit, ("", "") if output.color else _MARKS)
    at = 0
    for line in wrap(text, max(20, output.columns - 5)):
        start = text.index(line, at)
        at = start + len(line)
        pieces: list[Piece] = []
        done = start
        for begin, end in places:
            begin, end = max(begin, done), min(end, at)
            if begin < end:
                pieces += [text[done:begin], (text[begin:end], "match")]
                done = end
        yield [*pieces, text[done:at]]


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", sanitize(text))


# A conversation to be read.


def print_branch(turns: Iterable[Turn], output: Output) -> None:
    """Print the messages of a branch, one after the other."""
    author: str | None = None
    for turn in turns:
        author = _print_turn(turn, author, output)


def print_tree(tree: TurnTree, output: Output) -> None:
    """Print every branch. Messages that two branches share are printed once."""
    author: str | None = None
    before: int | None = None
    numbers: dict[int | None, int] = {None: 0}
    for turn in tree.walk():
        numbers[turn.id] = numbers[turn.parent] + (turn.message.role != "system")
        if turn.parent != before:
            output.line((f"--- another branch, after message {numbers[turn.parent]} ---", "dim"))
            output.line()
            author = None
        before = turn.id
        author = _print_turn(turn, author, output)


def _print_turn(turn: Turn, author: str | None, output: Output) -> str | None:
    """Print the turn. Return the author of the newest answer so far; an author is printed only if
    it differs from the last one."""
    text = turn.message.text.strip("\n")
    if turn.message.role == "system":
        output.text(f"system: {text}\n", style="dim")
        output.line()
        return author
    if turn.message.role == "user":
        output.text(f">>> {text}")
        output.line()
        for line in picture_lines(turn):
            output.line((line, "dim"))
        if turn.message.pictures or turn.lost_pictures:
            output.line()
        return author
    if turn.message.role == "tool":
        output.text(f"result: {text}\n", style="dim")
        output.line()
        return author
    name = " · ".join(part for part in (turn.model, turn.zone or "unproven") if part)
    if name != author:
        output.line((f"{name}:", "dim"))
    if text:
        output.markdown(text)
    for call in turn.message.tool_calls:
        output.text(f"calls {call.name} {call.arguments}\n", style="dim")
    if end := _NOT_WHOLE.get(turn.finish_reason):
        output.line((f"({end})", "dim"))
    output.line()
    return name


def picture_lines(turn: Turn) -> list[str]:
    """The pictures of a question, a line each, and one for those that are no longer kept."""
    lines = [
        f"(picture: {picture.media_type}, {bytes_text(len(picture.data))})"
        for picture in turn.message.pictures
    ]
    if turn.lost_pictures:
        lines.append(f"({counted(turn.lost_pictures, 'picture')}, no longer kept)")
    return lines


def conversation_markdown(title: str | None, branch: Iterable[Turn]) -> str:
    """The branch with a heading for each message, which names the author and says whether the
    message is whole. Escapes are removed, because the file may be read on a terminal."""
    branch = list(branch)
    parts = [f"# {title or 'A conversation'}"]
    system = system_prompt_of(branch)
    if system:
        parts.append("\n".join(f"> {line}".rstrip() for line in system.splitlines()))
    pictures: list[Picture] = []
    for turn in turns_of(branch):
        parts.append(f"## {_turn_author(turn)}")
        if turn.message.reasoning:
            thinking = turn.message.reasoning.strip()
            parts.append(f"<details><summary>Thinking</summary>\n\n{thinking}\n\n</details>")
        for picture in turn.message.pictures:
            pictures.append(picture)
            parts.append(f"![picture {len(pictures)}][picture-{len(pictures)}]")
        if turn.lost_pictures:
            parts.append(f"({counted(turn.lost_pictures, 'picture')}, no longer kept)")
        parts += filter(None, [turn.message.text.strip()])
        parts += [f"Calls `{call.name}` {call.arguments}" for call in turn.message.tool_calls]
    parts += [
        f"[picture-{number}]: {data_url(picture)}" for number, picture in enumerate(pictures, 1)
    ]
    return sanitize("\n\n".join(parts)) + "\n"


def _turn_author(turn: Turn) -> str:
    if turn.message.role == "user":
        return "You"
    if turn.message.role == "tool":
        return "Result"
    name = turn.model or "Assistant"
    end = _NOT_WHOLE.get(turn.finish_reason)
    return f"{name} ({end})" if end else name
