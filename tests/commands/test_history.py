"""`localai history`: what was said is found, shown, taken elsewhere, and gone once deleted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localai.chat import input_history
from localai.database import Criteria, Database
from localai.engine.lifecycle import workers
from localai.output.documents import history as promise
from localai.output.documents.failure import Failed
from localai.paths import Paths, locate
from localai.types import Message, Role, ToolCall, Zone
from tests.support.command import COMMAND, RunLocalai
from tests.support.promise import checked
from tests.support.terminal import Terminal

HOSTILE = "a\x1b]52;c;QUFB\x07b\x9b31mc\x1b[2Jd"
SECRET = "Zanzibarquux"
FACTS = " ".join(f"The ship number {number} carries apples." for number in range(16))


@pytest.fixture
def starter_weights(smollm2_path: Path) -> Path:
    return smollm2_path


@pytest.fixture
def database(localai_home: Path) -> Database:
    return Database(locate().database)


def say(database: Database, *said: tuple[Role, str], zone: Zone | None = Zone.DEVICE) -> str:
    conversation = database.create_conversation()
    database.set_title(conversation, said[0][1].splitlines()[0])
    parent: int | None = None
    for role, text in said:
        kind: dict[str, Any] = {}
        if role == "assistant":
            kind = {"provider": "p", "model": "m", "zone": zone}
        parent = database.add_message(
            conversation, parent, Message(role, text), finish_reason="stop", **kind
        )
    return conversation


def traces(folder: Path, secret: str) -> list[str]:
    """Files below `folder` that hold the secret, or most of it: an index keeps words in pieces."""
    part = secret[1:].lower().encode()
    return [
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and part in file.read_bytes().lower()
    ]


# Nothing there


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["list"], 0),
        (["search", "x"], 1),
        (["show", "x"], 3),
        (["rm", "x", "--yes"], 3),
        (["export", "--all"], 3),
        (["prune", "--keep", "0", "--yes"], 0),
    ],
)
def test_looking_back_where_nothing_was_kept_leaves_no_trace(
    run_localai: RunLocalai, localai_home: Path, arguments: list[str], code: int
) -> None:
    result = run_localai("history", *arguments)
    assert result.returncode == code
    assert result.stdout == b""
    assert list(localai_home.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["search"],
        ["search", '"*-"'],
        ["search", "x", "--since", "yesteryear"],
        ["list", "--zone", "mars"],
        ["show", "x", "--all", "--branch", "1"],
        ["export"],
        ["export", "x", "--all"],
        ["export", "--all", "--format", "docx"],
        ["rm"],
        ["prune"],
        ["prune", "--older-than", "long"],
        ["prune", "--older-than", "5", "--yes"],
    ],
)
def test_what_makes_no_sense_is_a_usage_error(
    run_localai: RunLocalai, database: Database, arguments: list[str]
) -> None:
    say(database, ("user", "x"))
    result = run_localai("history", *arguments)
    assert result.returncode == 2, result.stderr.decode()
    assert result.stderr.startswith(b"error: ")


# Looking


def test_a_list_in_a_pipe_is_a_line_each(run_localai: RunLocalai, database: Database) -> None:
    first = say(database, ("user", "first\twords\nmore"), ("assistant", "a"))
    second = say(database, ("user", "\x1b]0;second\x07 title"))
    lines = run_localai("history", "list").stdout.decode().splitlines()
    rows = [line.split("\t") for line in lines]
    assert [row[0] for row in rows] == ["id", second, first]
    assert rows[2][2:] == ["2", "p/m", "device", "first words"]
    assert "\x1b" not in lines[1]
    assert first in run_localai("history", "list", "FIRST").stdout.decode()
    newest = run_localai("history", "list", "-l", "1")
    assert first.encode() not in newest.stdout and b"--limit 0" in newest.stderr
    listed = json.loads(run_localai("history", "list", "-l", "1", "--json").stdout)
    assert listed["more"] is True
    listed = json.loads(run_localai("history", "list", "-l", "2", "--json").stdout)
    assert (len(listed["conversations"]), listed["more"]) == (2, False)


def test_what_is_shown_without_an_id_is_the_last_one(
    run_localai: RunLocalai, database: Database
) -> None:
    say(database, ("user", "an old one"), ("assistant", "a"))
    say(database, ("user", "the last one"), ("assistant", "b"))
    shown = run_localai("history", "show")
    assert b"the last one" in shown.stdout and b"an old one" not in shown.stdout


def test_a_conversation_is_found_by_its_title(run_localai: RunLocalai, database: Database) -> None:
    first = say(database, ("user", "plan of the trip"), ("assistant", "a"))
    second = say(database, ("user", "plan of the garden"), ("assistant", "b"))
    renamed = checked(
        promise.HistoryRename,
        run_localai("history", "rename", "plan of the g", "The", "Garden", "--json").stdout,
    )
    assert renamed == {
        "schema": "localai.history/1",
        "conversation_id": second,
        "title": "The Garden",
    }
    shown = json.loads(run_localai("history", "show", "the garden", "--json").stdout)
    assert shown["conversation_id"] == second
    assert first in run_localai("history", "show", "plan").stderr.decode()
    say(database, ("user", "plan of work"), ("assistant", "c"))
    ambiguous = run_localai("history", "show", "plan")
    assert (ambiguous.returncode, b"several" in ambiguous.stderr) == (3, True)


def test_a_long_conversation_is_shown_in_the_pager(
    run_localai: RunLocalai, database: Database, pty: Callable[..., Terminal], tmp_path: Path
) -> None:
    conversation = say(database, ("user", "count"), ("assistant", "1\n\n" * 40))
    pager = tmp_path / "pager"
    pager.write_text('#!/bin/sh\nwc -l > "$0.lines"; echo paged\n')
    pager.chmod(0o755)
    shown = pty("history", "show", conversation, env={"PAGER": str(pager)})
    shown.wait_for("paged")
    assert shown.wait_exit() == 0
    assert int((tmp_path / "pager.lines").read_text()) > 24
    piped = run_localai("history", "show", conversation, env={"PAGER": str(pager)})
    assert piped.stdout.count(b"1\n") == 40
    for none in ("cat", "'less"):
        whole = pty("history", "show", conversation, env={"PAGER": none})
        assert whole.wait_exit() == 0


def test_search_marks_what_was_found(run_localai: RunLocalai, database: Database) -> None:
    conversation = say(database, ("user", "Where?"), ("assistant", "At the\nold harbour\x1b[31m."))
    (_, line) = run_localai("history", "search", "old harbour").stdout.decode().splitlines()
    assert line.startswith(conversation) and line.endswith("At the >>old harbour<<.")
    none = run_localai("history", "search", "old", "--until", "2020-01-01")
    assert (none.stdout, none.returncode) == (b"", 1)
    assert run_localai("history", "search", "old", "--since", "1h").stdout != b""
    today = time.strftime("%Y-%m-%d")
    assert run_localai("history", "search", "old", "--until", today).stdout != b""


@pytest.mark.parametrize("words", [["--amend"], ["git commit --amend"], ["-m", "p/m", "--amend"]])
def test_a_query_may_begin_with_a_dash(
    run_localai: RunLocalai, database: Database, words: list[str]
) -> None:
    say(database, ("user", "what does git commit --amend do?"), ("assistant", "it amends"))
    result = run_localai("history", "search", *words)
    assert result.returncode == 0
    assert b">>amend<<" in result.stdout or b">>git commit --amend<<" in result.stdout


def test_documents_keep_the_promise(
    run_localai: RunLocalai, database: Database, tmp_path: Path
) -> None:
    conversation = say(
        database, ("system", "s"), ("user", "the question"), ("assistant", "an answer")
    )

    def printed(*arguments: str) -> bytes:
        result = run_localai("history", *arguments, "--json")
        assert result.returncode == 0, result.stderr.decode()
        return result.stdout

    (row,) = checked(promise.HistoryList, printed("list"))["conversations"]
    assert (row["conversation_id"], row["message_count"], row["zone"]) == (
        conversation,
        2,
        "device",
    )
    (hit,) = checked(promise.HistorySearch, printed("search", "question"))["hits"]
    assert [hit["text"][slice(*mark)] for mark in hit["highlights"]] == ["question"]
    shown = checked(promise.HistoryShow, printed("show", conversation[:6]))
    assert [message["role"] for message in shown["messages"]] == ["system", "user", "assistant"]
    exported = checked(promise.HistoryConversations, printed("export", conversation))
    assert [{"schema": "localai.history/1", **each} for each in exported["conversations"]] == [
        shown
    ]
    lines = run_localai("history", "export", "--all", "--format", "jsonl").stdout
    assert checked(promise.HistoryShow, lines) == shown
    target = str(tmp_path / "x.md")
    done = checked(promise.HistoryExport, printed("export", "--all", "--output", target))
    assert (done["format"], done["exported"]) == ("markdown", [conversation])
    planned = checked(promise.HistoryDelete, printed("prune", "--keep", "0", "--dry-run"))
    assert planned["dry_run"] and planned["deleted"] == [conversation]
    deleted = checked(promise.HistoryDelete, printed("rm", conversation, "--yes"))
    assert deleted["deleted"] == [conversation]
    mixed = run_localai("history", "export", "--all", "--format", "markdown", "--json")
    assert checked(Failed, mixed.stdout)["error"]["exit_code"] == 2 == mixed.returncode
    failed = run_localai("history", "show", conversation, "--json")
    assert checked(Failed, failed.stdout)["error"]["exit_code"] == 3 == failed.returncode


def forked(database: Database) -> str:
    """Two questions, the second of which was answered twice."""
    conversation = say(database, ("user", "q1"), ("assistant", "a1"), ("user", "q2"))
    question = database.messages(conversation)[-1].id
    for text, reason in (("first answer", "stop"), ("second answer", None)):
        database.add_message(
            conversation,
            question,
            Message("assistant", text, reasoning="hm"),
            provider="p",
            model="m",
            zone=None,
            finish_reason=reason,
        )
    return conversation


def test_a_conversation_is_shown_by_branch(run_localai: RunLocalai, database: Database) -> None:
    conversation = forked(database)

    def shown(*arguments: str) -> str:
        return run_localai("history", "show", conversation, *arguments).stdout.decode()

    newest = (
        ">>> q1\n\np/m · device:\na1\n\n>>> q2\n\np/m · unproven:\nsecond answer\n(cut off)\n\n"
    )
    assert shown() == newest
    assert shown("--branch", "2") == newest
    assert "first answer" in shown("--branch", "1") and "second" not in shown("--branch", "1")
    everything = shown("--all")
    assert everything.count("a1") == 1 and everything.count("answer\n") == 2
    assert "--- another branch, after message 3 ---" in everything
    beyond = run_localai("history", "show", conversation, "--branch", "3")
    assert beyond.returncode == 2 and b"2 branches" in beyond.stderr


def test_what_a_model_wrote_cannot_reach_the_terminal(
    run_localai: RunLocalai, database: Database
) -> None:
    conversation = say(
        database, ("user", "q"), ("assistant", "a\x1b]52;c;QUFB\x07b\x9b31mc\x1b[2Jd")
    )
    for arguments in (["show", conversation], ["search", "b*"], ["export", conversation]):
        printed = run_localai("history", *arguments).stdout.decode()
        assert "abcd" in printed.replace(">>b<<", "b")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", printed)


def test_a_stream_that_is_not_utf8_gets_what_it_can_take(
    run_localai: RunLocalai, database: Database
) -> None:
    say(database, ("user", "東京 and Riga"))
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    assert b"?? and Riga" in run_localai("history", "list", env=ascii_only).stdout
    document = run_localai("history", "list", "--json", env=ascii_only).stdout
    (row,) = checked(promise.HistoryList, document)["conversations"]
    assert row["title"] == "東京 and Riga"


@pytest.mark.parametrize("columns", [60, 80])
def test_on_a_terminal_it_fits_and_is_drawn(
    pty: Callable[..., Terminal], database: Database, columns: int
) -> None:
    conversation = say(
        database,
        ("user", "A rather long question " * 8),
        ("assistant", "The **bold** answer with `code` " * 9),
    )
    listed = pty("history", "list", columns=columns)
    assert listed.wait_exit() == 0
    assert "…" in listed.screen and "2 messages · device · p/m" in listed.screen
    found = pty("history", "search", "bold", columns=columns)
    assert found.wait_exit() == 0
    assert b"\x1b[1;35mbold" in found.output
    plain = pty("history", "search", "bold", columns=columns, env={"NO_COLOR": "1"})
    assert plain.wait_exit() == 0
    assert ">>bold<<" in plain.screen and b"\x1b[1;35m" not in plain.output
    shown = pty("history", "show", conversation, columns=columns, rows=40)
    assert shown.wait_exit() == 0
    assert ">>> A rather long" in shown.screen
    assert "**" not in shown.screen and "bold" in shown.screen


# Taking elsewhere


def test_an_export_holds_the_whole_tree(run_localai: RunLocalai, database: Database) -> None:
    conversation = forked(database)
    markdown = run_localai("history", "export", conversation)
    assert b"second answer" in markdown.stdout and b"first answer" not in markdown.stdout
    assert b"left out (1): JSON has them" in markdown.stderr
    printed = run_localai("history", "export", conversation, "--format", "json").stdout
    (document,) = json.loads(printed)["conversations"]
    copy = database.create_conversation()
    own: dict[int | None, int | None] = {None: None}
    for each in document["messages"]:
        zone = None if each["zone"] is None else Zone[each["zone"].upper()]
        own[each["message_id"]] = database.add_message(
            copy,
            own[each["parent_id"]],
            Message(each["role"], each["text"], reasoning=each["reasoning"]),
            provider=each["provider"],
            # As `-m` takes it; stored are the two halves.
            model=each["model"] and each["model"].removeprefix(f"{each['provider']}/"),
            zone=zone,
            finish_reason=each["finish_reason"],
        )
    for before, after in zip(database.messages(conversation), database.messages(copy), strict=True):
        assert own[before.id] == after.id and own[before.parent_id] == after.parent_id
        for name in ("role", "text", "reasoning", "provider", "model", "zone", "finish_reason"):
            assert getattr(before, name) == getattr(after, name)
    assert own[document["leaf_id"]] == database.leaf(copy)


def test_calls_of_tools_are_shown_and_exported(run_localai: RunLocalai, database: Database) -> None:
    conversation = database.create_conversation()
    call = ToolCall("c1", "weather", '{"city": "Rome"}')
    said = (
        Message("user", "How warm is Rome?"),
        Message("assistant", "", tool_calls=(call,)),
        Message("tool", "18 degrees", tool_call_id="c1"),
        Message("assistant", "It is mild."),
    )
    parent: int | None = None
    for message in said:
        parent = database.add_message(conversation, parent, message, finish_reason="stop")
    document = checked(
        promise.HistoryShow, run_localai("history", "show", conversation, "--json").stdout
    )
    assert [each["tool_calls"] for each in document["messages"]] == [
        [],
        [{"call_id": "c1", "name": "weather", "arguments": '{"city": "Rome"}'}],
        [],
        [],
    ]
    assert [each["tool_call_id"] for each in document["messages"]] == [None, None, "c1", None]
    for arguments in (("show", conversation), ("export", conversation)):
        text = run_localai("history", *arguments).stdout.decode()
        for part in ("weather", '{"city": "Rome"}', "18 degrees", "It is mild."):
            assert part in text


def test_an_export_never_overwrites(
    run_localai: RunLocalai, database: Database, tmp_path: Path
) -> None:
    say(database, ("user", "q"), ("assistant", "a"))
    first = run_localai("history", "export", "--all", "--output", "x.jsonl")
    assert first.returncode == 0 and first.stdout == b""
    file = tmp_path / "x.jsonl"
    before = file.read_bytes()
    assert json.loads(before)["messages"][1]["text"] == "a"
    assert file.stat().st_mode & 0o777 == 0o600
    again = run_localai("history", "export", "--all", "--output", "x.jsonl")
    assert again.returncode == 2 and b"is there already" in again.stderr
    assert file.read_bytes() == before
    nowhere = run_localai("history", "export", "--all", "--output", "no/such/folder.md")
    assert nowhere.returncode == 2 and b"run: mkdir -p " in nowhere.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == ["user", "x.jsonl"]


def test_a_closed_pipe_ends_an_export_quietly(database: Database, run_localai: RunLocalai) -> None:
    say(database, *(("user", "many words " * 1000) for _ in range(200)))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    line = f"{' '.join(COMMAND)} history export --all --format json | head -c 10"
    done = subprocess.run(line, shell=True, env=environment, capture_output=True)
    assert (done.stdout, done.stderr) == (b'{\n"schema"', b"")


def test_kill_9_leaves_a_whole_export_or_none(database: Database, tmp_path: Path) -> None:
    for number in range(300):
        said: tuple[Role, str] = ("user", f"{number} words " * 300)
        say(database, *[said] * 10)
    file = tmp_path / "x.json"
    killed = 0
    for delay_s in (0, 0.01, 0.03, 0.06, 0.2):
        process = subprocess.Popen(
            [*COMMAND, "history", "export", "--all", "--output", str(file)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and not list(tmp_path.glob(".x.json.*")):
            time.sleep(0.001)
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        if file.exists():
            assert len(json.loads(file.read_bytes())["conversations"]) == 300
            file.unlink()
        for unfinished in tmp_path.glob(".x.json.*"):
            unfinished.unlink()
    assert killed


# Deleting


def test_deleting_asks_on_a_terminal(pty: Callable[..., Terminal], database: Database) -> None:
    conversation = say(database, ("user", "a private matter"))
    for answer, is_left in (("\r", True), ("n\r", True), ("y\r", False)):
        terminal = pty("history", "rm", conversation)
        terminal.wait_for("for good? [y/N]")
        assert "a private matter" in terminal.screen
        terminal.send(answer)
        assert terminal.wait_exit() == (130 if is_left else 0)
        assert bool(database.summaries(Criteria(), None)) == is_left


def test_deleting_without_a_terminal_needs_yes(run_localai: RunLocalai, database: Database) -> None:
    conversation = say(database, ("user", "q"))
    refused = run_localai("history", "rm", conversation, input=b"y\n")
    assert refused.returncode == 2 and b"--yes" in refused.stderr
    assert run_localai("history", "rm", conversation, "--json").returncode == 2
    assert database.title(conversation) == "q"
    assert run_localai("history", "rm", conversation, "zz", "--yes").returncode == 3
    assert database.title(conversation) == "q"
    assert run_localai("history", "rm", conversation[:7], "--yes").returncode == 0
    assert database.title(conversation) is None


@pytest.mark.parametrize("command", ["delete --yes", "show", "export"])
@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_id_names_nothing(
    run_localai: RunLocalai, database: Database, command: str, empty: str
) -> None:
    conversation = say(database, ("user", "the only one"))
    result = run_localai("history", *command.split(), empty)
    assert (result.returncode, result.stdout) == (2, b"")
    assert database.title(conversation) == "the only one"


def test_prune_deletes_what_is_old(run_localai: RunLocalai, database: Database) -> None:
    old, older, new = (say(database, ("user", name)) for name in ("old", "older", "new"))
    day = 86400
    for identifier, days in ((old, 40), (older, 50)):
        database.db.execute(
            "UPDATE conversation SET updated_at = ? WHERE id = ?",
            (time.time() - days * day, identifier),
        )

    def pruned(*arguments: str) -> list[str]:
        result = run_localai("history", "prune", *arguments, "--json")
        deleted: list[str] = checked(promise.HistoryDelete, result.stdout)["deleted"]
        return deleted

    assert pruned("--older-than", "30d", "--dry-run") == [old, older]
    assert pruned("--older-than", "30d", "--keep", "2", "--yes") == [older]
    assert pruned("--older-than", "60d", "--yes") == []
    assert pruned("--keep", "1", "--yes") == [old]
    assert [row.id for row in database.summaries(Criteria(), None)] == [new]


def test_typed_lines_go_with_their_conversation(
    run_localai: RunLocalai, database: Database
) -> None:
    file = input_history.input_history_file(locate())
    question = f"what is {SECRET}?"
    typed = ["other", question, f"/edit 1 {question}", f"about {SECRET}", f"/system be {SECRET}"]
    for line in typed:
        input_history.append(file, line, "another")
    conversation = say(
        database,
        ("system", f"be {SECRET}"),
        ("user", question),
        ("user", f"notes.txt:\n```\ntext\n```\n\nabout {SECRET}"),
    )
    assert run_localai("history", "rm", conversation, "--yes").returncode == 0
    assert input_history.read(file) == ["other"]
    assert traces(locate().data_dir, SECRET) == []


@pytest.fixture
def engine(home_with_starter: Paths, command_environment: dict[str, str]) -> Paths:
    command_environment["LOCALAI_ENGINE_CONTEXT"] = "1024"
    return home_with_starter


def states(paths: Paths) -> list[Path]:
    return sorted(paths.kv_dir.rglob("*.kv"))


def ask(run_localai: RunLocalai, *arguments: str) -> Any:
    result = run_localai(
        "chat", "--json", "--seed", "1", "--max-tokens", "8", *arguments, timeout_s=300
    )
    assert result.returncode == 0, result.stderr.decode()
    return json.loads(result.stdout)


def test_deleted_is_gone_from_everywhere(
    engine: Paths, localai_home: Path, run_localai: RunLocalai
) -> None:
    ours = ask(run_localai, f"{FACTS} The captain is {SECRET}. Who is?")["conversation_id"]
    ask(run_localai, "-c", f"Is {SECRET} kind?")
    other = ask(run_localai, f"{FACTS} What is the capital of Italy?")["conversation_id"]
    assert traces(localai_home, SECRET), "or this proves nothing"
    kept = [file for file in states(engine) if file.name.startswith(other)]
    assert kept and len(states(engine)) > len(kept)
    found = run_localai("history", "search", SECRET)
    assert found.stdout.count(ours.encode()) >= 2
    gone = run_localai("history", "rm", ours, "--yes", "--json")
    assert checked(promise.HistoryDelete, gone.stdout)["kv_state_bytes"] > 1_000_000
    assert traces(localai_home, SECRET) == []
    assert states(engine) == kept
    assert not list(localai_home.rglob(f"*{ours}*"))
    assert run_localai("history", "search", SECRET).stdout == b""
    assert b"\t3\t" in run_localai("cost").stdout


def test_no_log_leaves_no_trace(engine: Paths, localai_home: Path, run_localai: RunLocalai) -> None:
    question = f"{FACTS} The captain is {SECRET}. Who is?"
    ask(run_localai, "-n", question)
    assert not engine.database.exists()
    run_localai("config", "set", "history.record", "false")
    ask(run_localai, question)
    run_localai("chat", "--max-tokens", "8", f"{question} Really?", timeout_s=300)
    assert not engine.database.exists()
    assert states(engine) == []
    for files, _ in workers(engine):
        assert traces(files.directory, SECRET) == []
    run_localai("stop", "--all")
    assert traces(localai_home, SECRET) == []
    assert states(engine) == []


def test_a_session_that_keeps_nothing_leaves_no_trace(
    engine: Paths, localai_home: Path, pty: Callable[..., Terminal], run_localai: RunLocalai
) -> None:
    terminal = pty("chat", "-n", "--max-tokens", "8", env={"LOCALAI_ENGINE_CONTEXT": "1024"})
    terminal.wait_for("nothing of this session is kept")
    terminal.wait_for(">>>")
    terminal.send(f"{FACTS} The captain is {SECRET}. Who is?\r")
    terminal.wait_until(lambda: terminal.screen.rstrip().endswith(">>>"), "no prompt", 120)
    terminal.send(f"/title {SECRET}\r")
    terminal.wait_for(f"title: {SECRET}")
    terminal.send("\x04")
    assert terminal.wait_exit() == 0
    run_localai("stop", "--all")
    assert traces(localai_home, SECRET) == []
    assert states(engine) == []
