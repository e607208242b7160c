"""The prompt of a session, in a real pseudo-terminal: keys, pastes, history, completion."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from localai.database import Database
from localai.paths import Paths
from localai.session.slash_commands import COMMANDS
from localai.types import Message
from tests.session.conftest import PATIENCE_S, Typist, kept
from tests.support.clock import within
from tests.support.command import REPOSITORY
from tests.support.terminal import Terminal

Start = Callable[..., Typist]


def test_ctrl_d_leaves_and_says_nothing_more(session: Start) -> None:
    assert session().leave() == 0


@pytest.mark.parametrize("word", ["/bye", "/exit", "/quit"])
def test_a_word_leaves_too(session: Start, word: str) -> None:
    typist = session()
    typist.terminal.send(word + "\r")
    assert typist.terminal.wait_exit(PATIENCE_S) == 0


def test_ctrl_c_clears_the_line_and_twice_quickly_leaves(session: Start) -> None:
    typist = session()
    typist.keys("half a question", "half a question")
    typist.terminal.send("\x03")
    typist.ready()
    assert "half a question" not in typist.screen
    time.sleep(1.1)
    typist.keys("\x03", "Ctrl-C again or Ctrl-D leaves")
    time.sleep(1.1)
    typist.ready()
    typist.terminal.send("\x03")
    typist.ready()
    typist.terminal.send("\x03")
    assert typist.terminal.wait_exit(PATIENCE_S) == 0


def test_the_first_line_names_the_model_and_where_it_computes(session: Start) -> None:
    assert "llamacpp/starter · device" in session(columns=60).screen.split("\n")[0]


def test_the_keys_and_commands_are_explained(session: Start) -> None:
    typist = session(columns=60, rows=80)
    typist.line("/help")
    listed = [line for line in typist.terminal.scrollback.split("\n") if line.startswith("/")]
    assert len(listed) == len(COMMANDS) + 1
    assert "$EDITOR" in typist.line("/help keys")
    assert "thinks away and back" in typist.line("/? think")


@pytest.mark.parametrize(("columns", "rows"), [(80, 20), (40, 15)])
def test_no_command_scrolls_out_of_a_small_window(session: Start, columns: int, rows: int) -> None:
    shown = session(columns=columns, rows=rows).line("/help")
    assert [c.name for c in COMMANDS if f"/{c.name}" not in shown.split()] == []
    assert "what one does: /help COMMAND" in shown


def test_in_a_session_nothing_stands_in_a_pager(session: Start) -> None:
    typist = session(columns=40, rows=15, env={"PAGER": "sh -c 'cat >/dev/null; echo PAGED'"})
    typist.line("/help")
    typist.line("/help think")
    assert "PAGED" not in typist.terminal.scrollback


def test_the_guide_names_every_command() -> None:
    guide = (REPOSITORY / "docs" / "guides" / "session.md").read_text(encoding="utf-8")
    assert [c.synopsis for c in COMMANDS if f"| `{c.synopsis}` |" not in guide] == []


def test_a_misspelt_command_gets_a_near_name_and_a_shell_command_is_not_run(
    session: Start, tmp_path: Path
) -> None:
    typist = session()
    shown = typist.line("/hlep")
    assert "there is no command /hlep" in shown
    assert "run: /help" in shown
    assert "run: /model qwen3:8b" in typist.line("/modle qwen3:8b")
    assert "run: /model\n" in typist.line("/model startr")
    assert "/undo takes nothing" in typist.line("/undo !touch here")
    assert not (tmp_path / "here").exists()


def test_many_lines_between_quotes_are_one(session: Start, home: Paths) -> None:
    typist = session()
    typist.keys('"""What is\r', "...")
    typist.keys("the capital\r", "the capital")
    typist.enter('of France?"""')
    assert kept(home)[1] == ("user", "What is\nthe capital\nof France?", "complete")


def test_alt_enter_is_a_new_line(session: Start) -> None:
    typist = session()
    typist.keys("/system one\x1b\r", "...")
    typist.enter("two")
    assert "one\ntwo" in typist.line("/system")


def test_a_pasted_text_is_one_line_whatever_it_has_in_it(session: Start) -> None:
    typist = session()
    typist.keys("\x1b[200~/system one\r\nit's \ttwo\n\x1b[201~", "two")
    typist.enter()
    assert "one\nit's" in typist.line("/system")


@pytest.mark.clock
def test_two_megabytes_are_pasted_without_a_stall(session: Start) -> None:
    typist = session()
    text = "some words of text that is pasted\n" * 60_000
    with within(10):
        typist.terminal.send(f"\x1b[200~{text}\x1b[201~")
        typist.terminal.wait_for("[paste 1: 2,040,000 characters, 60,001 lines]", PATIENCE_S)
    with within(5):
        typist.keys("and what is that", "and what is that")


def test_what_was_typed_is_there_in_the_next_session_and_only_for_its_owner(
    session: Start, home: Paths
) -> None:
    first = session()
    first.line("/show messages")
    first.line("/set")
    first.leave()
    file = home.data_dir / "input_history"
    assert file.stat().st_mode & 0o777 == 0o600
    second = session()
    second.keys("\x1b[A", ">>> /set")
    second.keys("\x1b[A", ">>> /show messages")
    second.terminal.send("\x03")
    second.keys("\x12how me", "how me")
    second.keys("\x05", ">>> /show messages")


@pytest.mark.parametrize("keep_nothing", ["flag", "setting"])
def test_where_nothing_is_kept_nothing_is_on_disk(
    session: Start, home: Paths, keep_nothing: str
) -> None:
    flag = ["-n"] if keep_nothing == "flag" else []
    typist = session(*flag, env={"LOCALAI_HISTORY_RECORD": None if flag else "false"})
    assert "nothing of this session is kept" in typist.screen
    typist.line("What is the capital of France?")
    typist.line("/title A secret")
    typist.line("/history")
    typist.leave()
    assert sorted(path.name for path in home.data_dir.iterdir()) == ["models"]


def test_the_editor_writes_the_question(session: Start, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "/system from\\nthe editor\\n" > "$1"\necho "$1" > seen\n')
    editor.chmod(0o755)
    typist = session(env={"EDITOR": str(editor)})
    typist.keys("draft\x18\x05", "the editor")
    typist.enter()
    assert "from\nthe editor" in typist.line("/system")
    assert not Path((tmp_path / "seen").read_text().strip()).exists()


def test_an_editor_that_is_not_there_costs_nothing_that_was_typed(session: Start) -> None:
    typist = session(env={"EDITOR": "no-such-editor"})
    typist.keys("draft\x18\x05", "cannot start the editor 'no-such-editor'")
    typist.terminal.wait_for(">>> draft", PATIENCE_S)


def test_commands_models_files_and_conversations_are_completed(
    session: Start, conversation: str, tmp_path: Path
) -> None:
    (tmp_path / "notes-of-mine.txt").touch()
    typist = session()
    typist.keys("/con\t", ">>> /context")
    typist.terminal.send("\x03")
    typist.ready()
    typist.terminal.send("/model llama")
    # The greeting and the status line name it, too: the third one is the menu's.
    typist.terminal.wait_until(
        lambda: typist.screen.count("llamacpp/starter") > 2, "no menu", PATIENCE_S
    )
    typist.keys("\t", ">>> /model llamacpp/starter")
    typist.terminal.send("\x03")
    typist.ready()
    typist.keys("/file notes\t", ">>> /file notes-of-mine.txt")
    typist.terminal.send("\x03")
    typist.ready()
    typist.keys("/load ", "Rivers and towns")
    typist.keys("\t", f">>> /load {conversation}")


def test_a_window_that_changes_leaves_a_readable_prompt(session: Start) -> None:
    typist = session()
    typist.keys("word " * 20, "word word")
    typist.terminal.resize(50, 15)
    typist.terminal.wait_for(" w\n    ord", PATIENCE_S)
    typist.terminal.resize(100, 30)
    typist.terminal.send("\x03")
    assert "llamacpp/starter" in typist.line("/show")


def test_a_dumb_terminal_gets_plain_lines(pty: Callable[..., Terminal], home: Paths) -> None:
    terminal = pty("chat", "--max-tokens", "4", env={"TERM": "dumb"})
    terminal.wait_for(">>>", PATIENCE_S)
    terminal.send('"""/not a\r')
    terminal.wait_for("...", PATIENCE_S)
    terminal.send('command"""\r')
    terminal.wait_until(lambda: terminal.screen.count(">>>") > 1, "no prompt", PATIENCE_S)
    terminal.send("\x04")
    assert terminal.wait_exit(PATIENCE_S) == 0
    assert ">>>" in terminal.screen
    assert b"\x1b" not in terminal.output


def test_no_colour_where_none_is_wanted(session: Start) -> None:
    typist = session(env={"NO_COLOR": "1"})
    assert "/help" in typist.line("/hlep")
    assert b"\x1b[31m" not in typist.terminal.output
    assert b"\x1b[2m" not in typist.terminal.output
    assert b"\x1b[0;90m" not in typist.terminal.output


def test_a_session_starts_quickly_with_ten_thousand_conversations(
    home: Paths, pty: Callable[..., Terminal]
) -> None:
    def start_costs_s() -> float:
        terminal = pty("chat", "-c")
        terminal.wait_for(">>>", PATIENCE_S)
        times = psutil.Process(terminal.pid).cpu_times()
        return times.user + times.system

    _fill(home, 0, 1)
    few = min(start_costs_s() for _ in range(2))
    _fill(home, 1, 10_000)
    many = min(start_costs_s() for _ in range(2))
    assert many - few < 0.3


def _fill(home: Paths, first: int, last: int) -> None:
    """Conversations of one long message each."""
    database = Database(home.database)
    for _ in range(first, last):
        database.add_message(database.create_conversation(), None, Message("user", "word " * 100))
    database.close()
