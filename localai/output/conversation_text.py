"""A whole conversation to be read: markdown drawn on a terminal as in the session, plain text in a
pipe. What the models wrote is untrusted in both."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from localai.chat.turn_tree import Turn, TurnTree
from localai.output.conversation_markdown import CUT
from localai.output.streams import color_wanted, is_terminal, width
from localai.output.untrusted import sanitize


def print_branch(turns: Iterable[Turn]) -> None:
    """The messages one after the other on stdout."""
    author: str | None = None
    for turn in turns:
        author = _print_turn(turn, author)


def print_tree(tree: TurnTree) -> None:
    """Every branch on stdout; what two of them share is printed once."""
    author: str | None = None
    before: int | None = None
    numbers: dict[int | None, int] = {None: 0}
    for turn in tree.walk():
        numbers[turn.id] = numbers[turn.parent] + (turn.message.role != "system")
        if turn.parent != before:
            print(_dim(f"--- another branch, after message {numbers[turn.parent]} ---\n"))
            author = None
        before = turn.id
        author = _print_turn(turn, author)


def _print_turn(turn: Turn, author: str | None) -> str | None:
    """Print it; who wrote the newest answer by now, which is said where that changes."""
    text = sanitize(turn.message.text).strip("\n")
    if turn.message.role == "system":
        print(_dim(f"system: {text}\n"))
        return author
    if turn.message.role == "user":
        print(f">>> {text}\n")
        return author
    name = " · ".join(part for part in (turn.model, turn.zone or "unproven") if part)
    if name != author:
        print(_dim(f"{sanitize(name)}:"))
    for line in _lines(text):
        print(line)
    if turn.is_cut:
        print(_dim(f"({CUT[turn.finish_reason]})"))
    print()
    return name


def _lines(text: str) -> Iterator[str]:
    if not is_terminal(sys.stdout):
        yield text
        return
    from localai.output.markdown.stream import render_markdown

    yield from render_markdown(text, columns=width(), color=color_wanted(sys.stdout))


def _dim(text: str) -> str:
    return f"\x1b[2m{text}\x1b[0m" if color_wanted(sys.stdout) else text
