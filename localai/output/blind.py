"""Answers without their models' names, and the vote on them with one key on a terminal."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING

from localai.compare.asking import Reply
from localai.errors import Interrupted
from localai.output.panes import reply_text

if TYPE_CHECKING:
    from localai.output.output import Output

ALIKE, SKIP = "t", "s"


def shuffled(replies: Sequence[Reply]) -> list[Reply]:
    """The replies in a random order."""
    return random.SystemRandom().sample(list(replies), len(replies))


def label(number: int) -> str:
    """The letter that stands for the answer with this number: A, B, …"""
    return string.ascii_uppercase[number]


def print_unnamed(output: Output, replies: Sequence[Reply]) -> None:
    """Print the answers under A, B, …, one after the other."""
    print_unnamed_texts(output, [reply_text(reply) for reply in replies])


def print_unnamed_texts(output: Output, texts: Sequence[str]) -> None:
    """Print the texts under A, B, …, one after the other."""
    for number, text in enumerate(texts):
        output.line((f"── {label(number)} ──", "bold"))
        output.markdown(text)
        output.line("")


def ask_for_vote(output: Output, count: int) -> str:
    """The key that the person presses: a number, `t` for alike, `s` for no vote. Raises Interrupted
    for Ctrl-C and at the end of the input."""
    keys = [str(number + 1) for number in range(count)]
    choices = " ".join(f"[{key}] {label(number)}" for number, key in enumerate(keys))
    output.announce(f"which is better?  {choices}  [{ALIKE}] alike  [{SKIP}] skip")
    while True:
        key = _read_key(output)
        if key in (*keys, ALIKE, SKIP):
            return key
        if key in ("", "\x03", "\x04"):
            raise Interrupted("interrupted")


def _read_key(output: Output) -> str:
    import os
    import termios
    import tty

    descriptor = output.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        return os.read(descriptor, 1).decode("ascii", "replace").lower()
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
