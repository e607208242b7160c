"""Kept conversations in a session: finding, loading, moving in their tree, saving."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from localai.paths import Paths
from tests.session.conftest import Typist, kept

Start = Callable[..., Typist]


def test_a_conversation_is_found_by_its_title_and_by_what_was_said(
    session: Start, conversation: str
) -> None:
    typist = session()
    assert conversation in typist.line("/history rivers")
    typist.line("/clear")
    found = typist.line("/history seine").rpartition("/history seine")[2]
    assert f"{conversation}  " in found and "Rivers and towns" in found
    assert "there is no such conversation" in typist.line("/history loire")


def test_a_conversation_goes_on_where_it_stood(
    session: Start, conversation: str, home: Paths
) -> None:
    typist = session("--cid", conversation[:4])
    assert "going on with" in typist.screen and "Paris." in typist.screen
    listed = typist.line("/history")
    assert f"* {conversation}" in listed
    forked = typist.line("/fork 2")
    assert "going on after message 2: The Seine." in forked
    typist.leave()
    again = session("-c")
    assert "The Seine." in again.screen
    branches = again.line("/branches")
    assert "*  1    2 messages" in branches and "Which town? → Paris." in branches
    assert "(4 messages)" not in again.screen
    assert "going on after message 4: Paris." in again.line("/branches 2")
    assert len(kept(home)) == 5


def test_a_conversation_that_is_not_there_is_told_with_what_to_type(
    session: Start, conversation: str
) -> None:
    typist = session()
    missed = typist.line("/load zz")
    assert "no conversation starts with 'zz'" in missed and "run: /history" in missed
    loaded = typist.line(f"/load {conversation[:5].upper()}")
    assert f"going on with {conversation}" in loaded


def test_a_conversation_is_saved_once(session: Start, conversation: str, tmp_path: Path) -> None:
    typist = session("-c")
    assert "saved as rivers-and-towns.md (4 messages)" in typist.line("/save")
    file = tmp_path / "rivers-and-towns.md"
    before = file.read_text()
    assert before.startswith(
        "# Rivers and towns\n\n> Answer in one word.\n\n## You\n\nWhich river?"
    )
    assert "is there already" in typist.line("/save")
    assert file.read_text() == before


def test_on_a_narrow_terminal_lists_keep_to_their_lines(session: Start, conversation: str) -> None:
    typist = session("-c", columns=40)
    for command in ("/history", "/branches"):
        screen = typist.line(command).rpartition(command)[2]
        rows = [line for line in screen.split("\n") if line.startswith("* ")]
        assert len(rows) == 1 and len(rows[0]) < 40, screen
    assert f"* {conversation}  Rivers and towns" in typist.line("/history")
