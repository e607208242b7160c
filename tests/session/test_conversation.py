"""Commands over a conversation that is kept, in a real pseudo-terminal; no engine is asked."""

from __future__ import annotations

import base64
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from localai.database.search_words import search_words
from localai.paths import Paths
from tests.session.conftest import PATIENCE_S, Typist
from tests.support.command import RunLocalai
from tests.support.terminal import Terminal

Start = Callable[..., Typist]


def test_continue_shows_where_one_was(session: Start, conversation: str) -> None:
    screen = session("-c").screen
    assert f"going on with {conversation}: Rivers and towns (4 messages)" in screen
    assert ">>> Which town?\nParis." in screen


def test_a_conversation_is_named_by_the_beginning_of_its_id(
    session: Start, conversation: str
) -> None:
    assert "Which town?" in session("--cid", conversation[:6]).screen


def test_undo_is_still_undone_in_the_next_session(session: Start, conversation: str) -> None:
    typist = session("-c")
    assert "took back: Which town?" in typist.line("/undo")
    typist.leave()
    again = session("-c")
    assert "(2 messages)" in again.screen
    assert "The Seine." in again.screen


def test_fork_and_branches_lead_to_every_message(session: Start, conversation: str) -> None:
    typist = session("-c")
    assert "2     The Seine." in typist.line("/fork")
    assert "going on after message 2: The Seine." in typist.line("/fork 2")
    assert "*  1    2 messages  Which river? → The Seine." in typist.line("/branches")
    assert "   2    4 messages  Which town? → Paris." in typist.line("/branches")
    assert "going on after message 4" in typist.line("/branches 2")
    assert "there is no message 9" in typist.line("/fork 9")
    assert "there is no branch 7" in typist.line("/branches 7")


def test_an_edit_that_is_given_up_changes_nothing(session: Start, conversation: str) -> None:
    typist = session("-c")
    typist.keys("/edit 1\r", ">>> Which river?")
    typist.keys("\x03", "nothing was changed")
    assert "4     Paris." in typist.line("/show messages")
    assert "message 2 is an answer" in typist.line("/edit 2")


def test_save_writes_the_conversation_as_markdown(
    session: Start, conversation: str, tmp_path: Path
) -> None:
    typist = session("-c")
    assert "saved as rivers-and-towns.md (4 messages)" in typist.line("/save")
    document = (tmp_path / "rivers-and-towns.md").read_text(encoding="utf-8")
    assert document.startswith("# Rivers and towns\n\n> Answer in one word.\n\n## You\n\nWhich riv")
    assert document.endswith("## llamacpp/starter\n\nParis.\n")
    assert "is there already" in typist.line("/save")
    assert "saved as other.md" in typist.line("/save other.md")
    assert "there is no folder" in typist.line("/save no/such/folder.md")


def test_a_title_is_shown_given_and_found_again(session: Start, conversation: str) -> None:
    typist = session("-c")
    assert "title: Rivers and towns" in typist.line("/title")
    typist.line("/title What France has")
    assert f"* {conversation}" in typist.line("/history france")
    assert "there is no such conversation" in typist.line("/history nothing of it")
    typist.leave()
    assert "What France has" in session("-c").screen


def test_clear_begins_anew_and_load_goes_back(session: Start, conversation: str) -> None:
    typist = session("-c")
    assert f"the last one is {conversation}" in typist.line("/clear")
    assert "nothing was said yet" in typist.line("/show messages")
    assert "Rivers and towns" in typist.line("/history")
    assert "Paris." in typist.line(f"/load {conversation[:5]}")
    assert "no conversation starts with 'zz'" in typist.line("/load zz")


def test_an_answer_is_copied_through_the_terminal(session: Start, conversation: str) -> None:
    typist = session("-c", env={"TMUX": None})
    typist.line("/copy")
    typist.line("/copy 2")
    copied = [b"\x1b]52;c;" + base64.b64encode(text) + b"\a" for text in (b"Paris.", b"The Seine.")]
    assert all(sequence in typist.terminal.output for sequence in copied)


def test_in_tmux_the_copy_goes_through_tmux(
    session: Start, conversation: str, tmp_path: Path
) -> None:
    tmux = tmp_path / "bin" / "tmux"
    tmux.parent.mkdir()
    tmux.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments; cat > {tmp_path}/copied\n')
    tmux.chmod(0o755)
    path = f"{tmux.parent}:{os.environ['PATH']}"
    typist = session("-c", env={"TMUX": "/tmp/x,1,0", "PATH": path})
    assert "tmux's buffer" in typist.line("/copy")
    assert (tmp_path / "copied").read_text() == "Paris."
    assert (tmp_path / "arguments").read_text() == "load-buffer -w -\n"
    assert b"\x1b]52" not in typist.terminal.output


def test_what_was_stored_cannot_command_the_terminal(
    session: Start, home: Paths, conversation: str
) -> None:
    evil = "\x1b]0;owned\x07\x1b[2Jharmless"
    with sqlite3.connect(home.database) as database:
        database.create_function("search_words", 1, search_words)
        database.execute("UPDATE message SET text = ? WHERE text = 'Paris.'", (evil,))
        database.execute("UPDATE conversation SET title = ?", (evil,))
    typist = session("-c")
    for line in ("/show messages", "/history", "/branches", "/title", "/copy"):
        typist.line(line)
    typist.keys("/load\r", "Esc leaves")
    assert "harmless" in typist.screen
    typist.terminal.send("\x1b")
    typist.ready()
    assert "harmless" in typist.screen
    assert b"owned" not in typist.terminal.output
    assert b"\x1b[2J" not in typist.terminal.output.split(b"going on with")[1]


def test_the_system_prompt_is_the_conversations_own_until_it_is_changed(
    session: Start, conversation: str
) -> None:
    typist = session("-c", env={"LOCALAI_CHAT_SYSTEM": "Another."})
    assert "Answer in one word." in typist.line("/system")
    typist.line("/system Answer in verse.")
    assert "Answer in verse." in typist.line("/system")
    typist.line("/system none")
    assert "there is no system prompt" in typist.line("/system")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("/set temperature 0.5", "temperature: 0.5"),
        ("/set temprature 1", "did you mean temperature?"),
        ("/set temperature hot", "temperature must be"),
        ("/set temperature", "needs a value"),
        ("/set max_tokens default", "max_tokens: default"),
        ("/set ctx 12", "64 or more"),
        ("/set keep_alive soon", "keep_alive must be"),
        ("/set usage maybe", "usage is on or off"),
        ("/set provider.mirostat 2", "provider.mirostat: 2"),
        ("/think hard", "/think takes"),
        ("/think hide", "hidden"),
        ("/think low", "starter is not known to think"),
        ("/show nothing", "/show takes"),
        ("/show thinking", "without any"),
        ("/copy 7", "there is no message 7"),
        ("/model no-such-model", "no-such-model"),
        ("/model openai/gpt-5", "in a shell: localai config set cloud.allow openai"),
        ("/compact", "nothing to fold yet"),
        ("/file none-there.txt", "there is no file"),
        ("/file .", "there is no file in ."),
    ],
)
def test_a_command_says_what_it_did_or_why_not(session: Start, line: str, shown: str) -> None:
    assert shown in session(columns=100).line(line)


def test_options_are_listed_with_whose_they_are(session: Start) -> None:
    typist = session()
    typist.line("/set top_k 7")
    listed = typist.line("/set")
    assert "repeat_penalty  1.1 (the model's)" in listed
    assert "top_k           7 (yours)" in listed
    assert "max_tokens      12 (yours)" in listed
    typist.line("/set top_k default")
    assert "top_k" not in typist.line("/set").rpartition(">>> /set")[2]


def test_how_long_the_model_stays_is_set_and_taken_back(session: Start) -> None:
    typist = session()
    typist.line("/set keep_alive 5m")
    assert "keep_alive      300 s (yours)" in typist.line("/set")
    typist.line("/set keep_alive default")
    assert "keep_alive" not in typist.line("/set").rpartition(">>> /set")[2]


def test_a_budget_of_thinking_ends_with_the_next_word_about_it(session: Start) -> None:
    typist = session(columns=100)
    assert "thinking: on, in at most 100 tokens, shown" in typist.line("/think 100")
    assert "thinking: off, shown" in typist.line("/think off")


def test_the_models_of_every_provider_are_listed(session: Start) -> None:
    named = session(env={"OLLAMA_HOST": "127.0.0.1:9"}).line("/model")
    assert "*  llamacpp/starter" in named
    assert "ollama: " in named, "who named a server is told that it is silent"
    assert "ollama: " not in session().line("/model")


def test_a_model_elsewhere_is_said_to_get_what_was_said_before(
    session: Start, conversation: str, robot_environment: dict[str, str]
) -> None:
    typist = session("-c", columns=120, env={**robot_environment, "ROBOT_HOST": "nas.example"})
    said = typist.line("/model robot/r2")
    assert "now robot/r2 · lan" in said
    assert (
        "with the next question 4 messages so far go, too: the prompt goes to nas.example" in said
    )
    assert "so far go, too" not in typist.line("/model starter").rpartition("/model starter")[2]


def test_nothing_is_kept_of_a_session_in_which_nothing_was_asked(
    session: Start, home: Paths
) -> None:
    typist = session()
    typist.line("/show")
    typist.leave()
    assert not home.database.exists()


def test_continuing_where_nothing_is_kept_is_an_error_with_its_exit_code(
    home: Paths, pty: Callable[..., Terminal], run_localai: RunLocalai
) -> None:
    assert run_localai("chat", "-c", "hello").returncode == 3
    assert pty("chat", "--cid", "abc").wait_exit(PATIENCE_S) == 3


def test_what_was_typed_in_a_conversation_is_deleted_with_it(
    session: Start, home: Paths, conversation: str, run_localai: RunLocalai
) -> None:
    typist = session("-c")
    typist.line("/rename The plan for Xanadu")
    typist.line("/title Another title")
    typist.line("/clear")
    typist.line("/title What follows")
    typist.leave()
    file = home.data_dir / "input_history"
    assert b"Xanadu" in file.read_bytes()
    assert run_localai("history", "rm", conversation, "--yes").returncode == 0
    assert b"Xanadu" not in file.read_bytes()
    assert b"What follows" in file.read_bytes()
