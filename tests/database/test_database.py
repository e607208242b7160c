"""The database: conversations as trees, and nothing lost whatever happens to the writer."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localai.database import Criteria, Database
from localai.errors import DatabaseFull, DatabaseUnavailable, InvalidInput, NotFound
from localai.events import Locality, Timings, Usage
from localai.types import EgressRecord, Message, Purpose, ToolCall, Zone


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "localai.db"


def test_the_file_and_its_folder_are_the_owners_alone(file: Path) -> None:
    Database(file).close()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


OPEN_AT_ONCE = """
import sys
from pathlib import Path
from localai.database import Database
sys.stdin.read()
Database(Path(sys.argv[1])).create_conversation()
"""


def test_first_commands_at_once_make_one_database(tmp_path: Path) -> None:
    for attempt in range(5):
        file = tmp_path / str(attempt) / "localai.db"
        command = (sys.executable, "-c", OPEN_AT_ONCE, str(file))
        processes = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(4)]
        time.sleep(0.3)  # all have imported, and wait for the start
        for process in processes:
            assert process.stdin
            process.stdin.close()
        assert [process.wait(30) for process in processes] == [0] * 4


def test_a_conversation_is_a_tree_and_goes_on_at_its_newest_message(file: Path) -> None:
    database = Database(file)
    conversation = database.create_conversation()
    question = database.add_message(conversation, None, Message("user", "q"))
    first = database.add_message(conversation, question, Message("assistant", "a1"))
    second = database.add_message(conversation, question, Message("assistant", "a2", reasoning="r"))
    said = database.messages(conversation)
    assert [(m.id, m.parent_id) for m in said] == [
        (question, None),
        (first, question),
        (second, question),
    ]
    assert database.leaf(conversation) == second
    assert said[-1].as_message() == Message("assistant", "a2", reasoning="r")


def test_calls_of_tools_and_their_results_are_kept(file: Path) -> None:
    database = Database(file)
    conversation = database.create_conversation()
    call = ToolCall("c1", "wetter", '{"ort": "Köln"}')
    said = (
        Message("user", "q"),
        Message("assistant", "", tool_calls=(call,)),
        Message("tool", "14 °C", tool_call_id="c1"),
        Message("assistant", "14 °C in Köln."),
    )
    parent: int | None = None
    for message in said:
        parent = database.add_message(conversation, parent, message)
    database.close()
    kept = Database(file)
    assert tuple(row.as_message() for row in kept.messages(conversation)) == said


def test_a_file_from_before_tools_is_taken_over(file: Path) -> None:
    database = Database(file)
    conversation = database.create_conversation()
    database.add_message(conversation, None, Message("user", "q"))
    database.db.execute("ALTER TABLE message DROP COLUMN tool_calls")
    database.db.execute("ALTER TABLE message DROP COLUMN tool_call_id")
    database.db.execute("ALTER TABLE message DROP COLUMN preset")
    for later in ("message_picture", "picture", "bench_cell", "bench_run"):
        database.db.execute(f"DROP TABLE {later}")
    database.db.execute("PRAGMA user_version = 5")
    database.close()
    [kept] = Database(file).messages(conversation)
    assert kept.as_message() == Message("user", "q")


def test_a_conversation_is_found_by_an_unambiguous_prefix(file: Path) -> None:
    database = Database(file)
    with pytest.raises(NotFound):
        database.last_conversation()
    identifier = database.create_conversation()
    assert database.find_conversation(identifier[:8]) == identifier
    assert database.last_conversation() == identifier
    database.create_conversation()
    for prefix in ("zz", "%"):
        with pytest.raises(NotFound):
            database.find_conversation(prefix)
    for empty in ("", " "):
        with pytest.raises(InvalidInput):
            database.find_conversation(empty)


def test_usage_keeps_unknown_apart_from_zero(file: Path) -> None:
    database = Database(file)
    database.record_usage(
        command="chat",
        provider="llamacpp",
        model="m",
        usage=Usage(input_tokens=5, output_tokens=0),
        timings=Timings(total_s=1.5),
        locality=Locality(Zone.DEVICE, "here"),
    )
    (row,) = database.usage_since(0)
    assert row.usage == Usage(5, 0, None, None)
    assert (row.zone, row.total_s) == ("device", 1.5)
    assert database.usage_since(time.time() + 1) == []


def test_the_ledger_gives_back_what_was_entered(file: Path) -> None:
    database = Database(file)
    record = EgressRecord(12.5, "pull", Purpose.DOWNLOAD, "h.example", "192.0.2.1", 443)
    database.record_egress(record)
    assert database.egress_since(0) == [record]


def test_an_answer_whose_writer_is_killed_is_kept_and_reads_as_cut(file: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from localai.database import Database
from localai.types import Message
database = Database(Path(sys.argv[1]))
conversation = database.create_conversation()
answer = database.add_message(conversation, None, Message("assistant", ""))
for number in range(1_000_000):
    database.update_answer(answer, "word " * number, None)
    if number == 20:
        print("ready", flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(file)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    database = Database(file)
    (answer,) = database.messages(database.last_conversation())
    assert answer.text.startswith("word word")
    assert answer.finish_reason is None
    assert sqlite3.connect(file).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_two_processes_may_create_the_file_at_once(file: Path) -> None:
    code = "import sys; from pathlib import Path; from localai.database import Database; Database(Path(sys.argv[1])).create_conversation()"  # noqa: E501
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(file)], env=environment) for _ in range(4)
    ]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0, 0]
    count = sqlite3.connect(file).execute("SELECT count(*) FROM conversation").fetchone()
    assert count == (4,)


def test_a_file_of_a_newer_localai_is_refused_untouched(file: Path) -> None:
    Database(file).close()
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA user_version = 999")
    with pytest.raises(DatabaseUnavailable, match="newer localai"):
        Database(file)


def test_a_file_that_is_no_database_is_an_error_and_stays(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"not a database, but somebody's text" * 100)
    with pytest.raises(DatabaseUnavailable, match="not a database") as refused:
        Database(file)
    assert refused.value.exit_code == 9
    assert refused.value.command == f"mv {file} {file}.damaged"
    assert file.read_bytes().startswith(b"not a database")


def test_a_full_disk_is_a_lack_of_room_and_not_a_bug(file: Path) -> None:
    database = Database(file)
    database.db.execute("PRAGMA max_page_count = 100")
    with pytest.raises(DatabaseFull) as refused, database.guarded():
        database.db.execute("CREATE TABLE filler AS SELECT randomblob(10000000)")
    database.close()
    assert refused.value.exit_code == 7
    assert refused.value.kind == "insufficient_resources"
    assert refused.value.command == f"df -h {file.parent}"


def test_a_locked_file_is_said_to_be_in_use(file: Path) -> None:
    database = Database(file)
    database.db.execute("PRAGMA busy_timeout = 0")
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseUnavailable, match="locked") as refused, database.transaction():
            pass
        other.execute("ROLLBACK")
    database.close()
    assert (refused.value.exit_code, refused.value.kind) == (9, "database_unavailable")
    assert "try again" in (refused.value.hint or "")


def test_a_name_with_half_a_character_is_written_and_found(file: Path) -> None:
    """A file's name may be bytes that are no UTF-8."""
    database = Database(file)
    conversation = database.create_conversation()
    database.set_title(conversation, "a\udcff")
    (kept,) = database.summaries(Criteria(), 5, "a\udcff")
    assert kept.title == "a\N{REPLACEMENT CHARACTER}"
    assert database.bench_rates("llamacpp", "a\udcff") == []
    assert database.decode_rows("llamacpp", "a\udcff") == []
    database.close()
