"""Answers in a session: the real engine, in a real pseudo-terminal."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localai.engine.lifecycle import workers
from localai.net.http import call
from localai.paths import Paths
from tests.session.conftest import PATIENCE_S, Typist, kept
from tests.support.clock import becomes
from tests.support.command import RunLocalai
from tests.support.file_server import FileServer
from tests.support.own_server import LlamaServer

Start = Callable[..., Typist]
PARIS = "What is the capital of France?"


def _is_computing(home: Paths) -> bool:
    [(files, _)] = workers(home)
    slots: Any = call(files.socket, "GET", "/slots", None)
    return any(slot["is_processing"] for slot in slots)


def test_a_question_is_answered_kept_and_measured(session: Start, home: Paths) -> None:
    typist = session()
    screen = typist.line(PARIS)
    assert "Paris" in screen
    assert "cut at 12 tokens; /more goes on, /set max_tokens N allows more" in screen
    assert " of 4,096 tokens · " in typist.status()
    assert typist.status().endswith(" tok/s")
    question, answer = kept(home)[1:]
    assert question == ("user", PARIS, "complete")
    assert "Paris" in answer[1]
    bar = typist.line("/context")
    assert "used" in bar
    assert "reserved for the next answer" in bar
    assert "free of 4,096" in bar


def test_ctrl_c_stops_the_engine_and_keeps_what_came(session: Start, home: Paths) -> None:
    typist = session()
    typist.line(PARIS)
    assert typist.status().endswith(" tok/s")
    typist.line("/set max_tokens 2000")
    typist.terminal.send("Write a long story about the sea.\r")
    answering = re.compile(r" the sea\.\n+[A-Za-z\"*#]")
    typist.terminal.wait_until(
        lambda: answering.search(typist.screen) is not None, "no answer", PATIENCE_S
    )
    assert _is_computing(home)
    typist.terminal.send("\x03")
    typist.terminal.wait_for("(stopped; what came is kept.", PATIENCE_S)
    typist.ready()
    assert becomes(lambda: not _is_computing(home), within_s=10)
    role, text, finish = kept(home)[-1]
    assert (role, finish) == ("assistant", "cancelled")
    assert text
    assert "tok/s" not in typist.status(), "that is the speed of an earlier answer"
    assert "(cut)" in typist.line("/show messages")
    typist.terminal.send("\x03")
    time.sleep(0.1)
    typist.terminal.send("\x03")
    assert typist.terminal.wait_exit(PATIENCE_S) == 0


def test_more_is_not_offered_where_the_provider_cannot(
    session: Start, cast_environment: dict[str, str]
) -> None:
    typist = session("-m", "cast/endless", env=cast_environment)
    typist.terminal.send("Count.\r")
    typist.terminal.wait_for("7 8 9", PATIENCE_S)
    typist.terminal.send("\x03")
    typist.terminal.wait_for(
        "(stopped; what came is kept. /retry asks again, /undo takes it back)", PATIENCE_S
    )


def test_what_is_typed_during_an_answer_is_there_at_the_next_prompt(session: Start) -> None:
    typist = session()
    typist.terminal.send(PARIS + "\r")
    typist.terminal.send("/show messages")
    typist.terminal.wait_for(">>> /show messages", PATIENCE_S)
    assert "Paris" in typist.screen


def test_retry_and_edit_keep_what_was_there(session: Start, home: Paths) -> None:
    typist = session()
    typist.line(PARIS)
    assert "the same answer again" in typist.line("/retry")
    typist.keys("/edit\r", f">>> {PARIS}")
    typist.enter("\x7f" * len("France?") + "Italy?")
    assert [text for role, text, _ in kept(home) if role == "user"] == [
        PARIS,
        "What is the capital of Italy?",
    ]
    branches = typist.line("/branches")
    assert "*  3    2 messages  What is the capital of Ital" in branches
    typist.line("/edit 1 Say yes.")
    assert kept(home)[-2][1] == "Say yes."


def test_a_file_goes_with_the_next_question_only(
    session: Start, home: Paths, tmp_path: Path
) -> None:
    (tmp_path / "a note.txt").write_text("The password is swordfish.\n", encoding="utf-8")
    typist = session()
    assert "a note.txt: 27 B, 1 line; goes with the next question" in typist.line(
        "/file a note.txt"
    )
    assert "+1 file" in typist.status()
    typist.line("What is the password?")
    typist.line("And now?")
    first, second = [text for role, text, _ in kept(home) if role == "user"]
    assert first == "a note.txt:\n```\nThe password is swordfish.\n```\n\nWhat is the password?"
    assert second == "And now?"
    assert "What is the password?" in typist.line("/history")


def test_the_model_is_switched_in_mid_conversation(
    session: Start, home: Paths, llama_server: LlamaServer
) -> None:
    home.config_file.write_text(f'[endpoint.mine]\nurl = "{llama_server.url}/v1"\n')
    typist = session(columns=100)
    typist.line(PARIS)
    assert "now mine/smollm2 · device · " in typist.line("/model mine/smollm2")
    typist.line("And of Italy?")
    assert "mine/smollm2 · device" in typist.status()
    with sqlite3.connect(home.database) as database:
        query = "SELECT provider, model FROM message WHERE role = 'assistant' ORDER BY id"
        assert database.execute(query).fetchall() == [
            ("llamacpp", "starter"),
            ("mine", "smollm2"),
        ]
    assert "mine/smollm2" in typist.line("/show")
    typist.leave()
    assert "mine/smollm2 · device" in session("-c").screen


def test_compact_folds_all_but_the_last_exchange_and_the_whole_stays(
    session: Start, home: Paths, conversation: str
) -> None:
    typist = session("-c")
    screen = typist.line("/compact")
    assert "folding 2 messages into a summary by llamacpp/starter" in screen
    assert "messages 3 and 4 stay as they were" in " ".join(screen.split())
    listed = typist.line("/show messages")
    assert "1 >>> Which town?" in listed
    assert "Answer in one word. What was said so far, in short:" in " ".join(
        typist.line("/system").split()
    )
    assert "4 messages  Which town?" in typist.line("/branches")
    typist.line("Which land?")
    assert kept(home)[-2][:2] == ("user", "Which land?")


def test_an_error_is_shown_and_the_session_goes_on(session: Start, home: Paths) -> None:
    typist = session("--ctx", "128")
    screen = typist.line("one two three four " * 60)
    assert "128 is the --ctx that was given" in " ".join(screen.split())
    assert "nothing was said yet" in typist.line("/show messages")
    typist.line("/set ctx default")
    assert typist.line("/retry").count("error:") == 1
    assert len(kept(home)) >= 3


def test_a_set_option_holds_for_the_next_answer(session: Start) -> None:
    typist = session()
    typist.line("/set max_tokens 3")
    typist.line("/set usage on")
    screen = typist.line(PARIS)
    assert "cut at 3 tokens" in screen
    assert "3 out" in screen
    assert "tok/s · llamacpp/starter · device" in screen


def test_one_shot_goes_on_with_a_conversation(
    run_localai: RunLocalai, home: Paths, conversation: str
) -> None:
    arguments = ("chat", "--json", "--max-tokens", "3")
    environment = {"LOCALAI_CHAT_SYSTEM": "Another."}
    first = json.loads(run_localai(*arguments, "-c", "Which land?", env=environment).stdout)
    assert first["conversation_id"] == conversation
    assert [text for role, text, _ in kept(home) if role == "system"] == ["Answer in one word."]
    alone = json.loads(run_localai(*arguments, "Which land?").stdout)
    assert alone["conversation_id"] != conversation
    again = json.loads(run_localai(*arguments, "--cid", conversation[:7], "Sure?").stdout)
    assert again["conversation_id"] == conversation
    assert again["usage"]["input_tokens"] > first["usage"]["input_tokens"] > 40


def test_a_killed_sessions_answer_is_kept_and_the_conversation_goes_on(
    session: Start, home: Paths
) -> None:
    typist = session("--max-tokens", "2000")
    typist.terminal.send("Write a long story about the sea.\r")
    typist.terminal.wait_until(
        lambda: (
            home.database.exists()
            and bool(kept(home))
            and bool(kept(home)[-1][1])
            and kept(home)[-1][0] == "assistant"
        ),
        "nothing was kept",
        PATIENCE_S,
    )
    typist.terminal.close()
    again = session("-c")
    assert ">>> Write a long story" in again.screen
    assert "(cut)" in again.line("/show messages")


def test_sixty_columns_are_enough(session: Start) -> None:
    typist = session(columns=60)
    typist.line(PARIS)
    for line in ("/context", "/show", "/set", "/branches", "/history", "/show messages"):
        assert "Traceback" not in typist.line(line)
    assert len(typist.status()) <= 60


def test_the_check_that_an_error_names_is_made_in_the_session(session: Start, home: Paths) -> None:
    typist = session()
    shown = typist.line("/doctor memory")
    assert "memory" in shown
    assert "checks: " in shown
    assert "disk " not in shown
    assert "there is no check and no group 'nothing'" in typist.line("/doctor nothing")


def test_the_line_that_finds_a_cause_is_one_of_the_session(session: Start, home: Paths) -> None:
    with FileServer() as server:
        typist = session(env={"OLLAMA_HOST": server.host})
        shown = typist.line("/model ollama/qwen3:8b")
        assert "why: /doctor ollama-port-taken" in shown
