"""Choosing a conversation: `localai history` alone, and `/load`."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from localai.database import Database
from localai.paths import Paths
from localai.types import Message
from tests.session.conftest import Typist
from tests.support.command import RunLocalai
from tests.support.terminal import Terminal

PATIENCE_S = 60
KEYS = "Esc leaves"

Pty = Callable[..., Terminal]


@pytest.fixture
def others(home: Paths, conversation: str) -> None:
    """Twenty more conversations, the newest called "thing 19"."""
    database = Database(home.database)
    for number in range(20):
        identifier = database.create_conversation()
        database.set_title(identifier, f"thing {number}\x1b[31m")
        database.add_message(identifier, None, Message("user", f"About {number}?"))
    database.close()


def chosen(terminal: Terminal) -> str:
    (line,) = (line for line in terminal.screen.split("\n") if line.startswith("> "))
    return line


def test_history_alone_lets_one_choose_and_goes_on(
    pty: Pty, others: None, conversation: str
) -> None:
    terminal = pty("history")
    terminal.wait_for(KEYS, PATIENCE_S)
    assert chosen(terminal).endswith("thing 19") and "1 of 21" in terminal.screen
    terminal.send("\x1b[B\x1b[B\x1b[A")
    terminal.wait_for("> ", PATIENCE_S)
    terminal.wait_until(lambda: chosen(terminal).endswith("thing 18"), "the next", PATIENCE_S)
    terminal.send("sein")
    terminal.wait_for("1 of 1 ·", PATIENCE_S)
    assert f"> {conversation}  Rivers and towns" in terminal.screen, "it was said, not in the title"
    terminal.send("\r")
    typist = Typist(terminal)
    typist.ready()
    assert KEYS not in typist.screen
    assert f"going on with {conversation}" in typist.screen and "Paris." in typist.screen
    assert typist.leave() == 0


@pytest.mark.parametrize("key", ["\x1b", "\x03", "\x04"])
def test_who_leaves_leaves_nothing_behind(pty: Pty, others: None, key: str) -> None:
    terminal = pty("history")
    terminal.wait_for(KEYS, PATIENCE_S)
    terminal.send("no such thing")
    terminal.wait_for("nothing has that in title or text", PATIENCE_S)
    terminal.send("\r" + key)
    assert terminal.wait_exit(PATIENCE_S) == 0
    assert terminal.screen.strip() == ""


def test_it_fits_a_small_terminal(pty: Pty, others: None, conversation: str) -> None:
    terminal = pty("history", columns=40, rows=10)
    terminal.wait_for("Enter Esc", PATIENCE_S)
    terminal.send("\x1b[B" * 30)
    terminal.wait_until(lambda: conversation in chosen(terminal), "the last", PATIENCE_S)
    assert max(map(len, terminal.screen.split("\n"))) <= 40
    assert "history:" in terminal.screen
    facts = terminal.screen.split("\n")[-2]
    assert re.fullmatch(r"  21 of 21 · \d{4}-\d\d-\d\d \d\d:\d\d", facts), "no half of a fact"


def test_the_list_has_whole_facts_on_a_small_terminal(pty: Pty, conversation: str) -> None:
    terminal = pty("history", "list", columns=40)
    assert terminal.wait_exit(PATIENCE_S) == 0
    title, facts = terminal.screen.split("\n")
    assert title == f"{conversation}  Rivers and towns"
    assert re.fullmatch(r" {12}\d{4}-\d\d-\d\d \d\d:\d\d", facts)


def test_in_a_pipe_and_on_a_dumb_terminal_it_is_the_list(
    run_localai: RunLocalai, pty: Pty, others: None, conversation: str
) -> None:
    assert run_localai("history").stdout == run_localai("history", "list").stdout != b""
    dumb = pty("history", env={"TERM": "dumb"}, rows=60)
    assert dumb.wait_exit(PATIENCE_S) == 0
    assert "thing 19" in dumb.screen and KEYS not in dumb.screen


def test_where_nothing_is_kept_that_is_said(pty: Pty, home: Paths) -> None:
    terminal = pty("history")
    assert terminal.wait_exit(PATIENCE_S) == 0
    assert "none is kept yet" in terminal.screen


def test_load_lets_one_choose(
    session: Callable[..., Typist], others: None, conversation: str
) -> None:
    typist = session()
    typist.terminal.send("/load\r")
    typist.terminal.wait_for(KEYS, PATIENCE_S)
    typist.keys("towns", "1 of 1 ·")
    assert f"going on with {conversation}" in typist.enter()
