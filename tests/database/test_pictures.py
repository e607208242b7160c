"""Pictures: each kept once, as long as a conversation has it, and within their bound."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from localai.database import Database
from localai.types import Message, Picture


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "data" / "localai.db")


def picture(seed: int, size: int = 5_000) -> Picture:
    """Bytes that stand nowhere else in the file."""
    return Picture(random.Random(seed).randbytes(size), "image/png")


def shown(database: Database, *pictures: Picture, limit: int | None = None) -> str:
    conversation = database.create_conversation()
    message = Message("user", "What is it?", pictures)
    database.add_message(conversation, None, message, pictures_limit_bytes=limit)
    return conversation


def kept(database: Database, conversation: str) -> list[Picture | None]:
    return [each.picture for found in database.pictures(conversation).values() for each in found]


def test_a_picture_is_kept_once_and_in_its_order(database: Database) -> None:
    one, other = picture(1), picture(2)
    first, second = shown(database, one, other, one), shown(database, one)
    assert kept(database, first) == [one, other, one]
    assert kept(database, second) == [one]
    assert database.pictures_bytes() == 10_000


def test_a_picture_goes_with_the_last_conversation_that_has_it(database: Database) -> None:
    common, own = picture(1), picture(2)
    first, second = shown(database, common, own), shown(database, common)
    database.delete_conversations([first])
    assert kept(database, second) == [common]
    assert database.pictures_bytes() == 5_000
    database.delete_conversations([second])
    assert database.pictures_bytes() == 0
    for each in (common, own):
        for file in database.file.parent.iterdir():
            assert each.data[:64] not in file.read_bytes()


def test_what_was_deleted_makes_the_file_smaller(database: Database) -> None:
    before = database.file.stat().st_size
    conversation = shown(database, picture(1, 3_000_000))
    database.delete_conversations([shown(database, picture(2, 20_000_000)), conversation])
    assert database.file.stat().st_size < before + 1_000_000


def test_the_log_does_not_stay_as_large_as_the_largest_picture(database: Database) -> None:
    conversation = shown(database, picture(1, 20_000_000))
    for _ in range(3):
        database.add_message(conversation, None, Message("user", "And?"))
    log = database.file.with_name(f"{database.file.name}-wal")
    assert 0 < log.stat().st_size < 5_000_000


def test_beyond_the_bound_the_oldest_are_given_up_and_known_as_such(database: Database) -> None:
    old, middle, new = (picture(seed) for seed in range(3))
    first = shown(database, old, limit=12_000)
    second = shown(database, middle, limit=12_000)
    third = shown(database, new, limit=12_000)
    assert [kept(database, each) for each in (first, second, third)] == [[None], [middle], [new]]
    ((lost,),) = database.pictures(first).values()
    assert (lost.media_type, lost.size_bytes) == ("image/png", 5_000)
    assert old.data[:64] not in database.file.read_bytes()
    shown(database, old, limit=12_000)
    assert kept(database, first) == [old], "shown again, it is there again"
    assert kept(database, second) == [None]


@pytest.mark.parametrize("limit", [0, 4_999])
def test_what_is_larger_than_the_bound_is_never_written(database: Database, limit: int) -> None:
    too_large = picture(1)
    assert kept(database, shown(database, too_large, limit=limit)) == [None]
    for file in database.file.parent.iterdir():
        assert too_large.data[:64] not in file.read_bytes()


WRITER = """
import sys
from pathlib import Path
from localai.database import Database
from localai.types import Picture, Message
database = Database(Path(sys.argv[1]))
for number in range(10_000):
    conversation = database.create_conversation()
    pictures = (Picture(bytes([number % 251]) * 300_000, "image/png"),)
    database.add_message(conversation, None, Message("user", "q", pictures),
                         pictures_limit_bytes=3_000_000)
    if number % 3 == 2:
        database.delete_conversations([conversation])
    if number == 5:
        print("ready", flush=True)
"""


def test_a_kill_leaves_no_picture_without_a_message_and_none_without_its_picture(
    tmp_path: Path,
) -> None:
    file = tmp_path / "data" / "localai.db"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for _ in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE, env=environment
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        Database(file).close()
        with sqlite3.connect(file) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
            unshown = "SELECT count(*) FROM picture WHERE digest NOT IN"
            (left,) = db.execute(f"{unshown} (SELECT digest FROM message_picture)").fetchone()
            assert left == 0
