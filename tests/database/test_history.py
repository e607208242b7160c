"""Looking back: words are found however they are written, and what is deleted is gone."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.database import Criteria, Database
from localai.database.schema import MIGRATIONS
from localai.errors import NotFound
from localai.types import Message, Zone

ANY = Criteria()
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "localai.db"


# What is written, and what is asked for: marks, width and case in every script.
FOLDED = [
    ("Crème brûlée", unicodedata.normalize("NFD", "crème BRÛLÉE")),
    (unicodedata.normalize("NFD", "Ångström"), "angstrom"),
    ("Tiếng Việt", "tieng viet"),
    ("Łódź", "łodz"),
    ("Straße", "STRASSE"),
    ("İstanbul", "istanbul"),
    ("Ελληνικά και ΆΝΟΙΞΗ", "ελληνικα ανοιξη"),
    ("ὁ ἄνθρωπος", "ο ανθρωπος"),
    ("Ёлка и й", "елка"),
    ("наго́рный", "нагорный"),
    ("שָׁלוֹם עֲלֵיכֶם", "שלום עליכם"),
    ("كِتَابٌ جَدِيد", "كتاب جديد"),
    ("أحمد", "احمد"),
    ("الســـلام", "السلام"),
    ("می‌خواهم", "میخواهم"),
    ("हिन्दी भाषा", "हिन्दी"),
    ("ज़रूरत", unicodedata.normalize("NFC", "ज़रूरत")),
    ("தமிழ் மொழி", "தமிழ்"),
    ("বাংলা ভাষা", "ভাষা"),
    ("ＦＵＬＬ　ｗｉｄｔｈ １２３", "full width 123"),
    ("ﾊﾝｶｸ ｶﾞｯｺｳ", "ガッコウ"),
    ("ガッコウ", "ｶﾞｯｺｳ"),
    (unicodedata.normalize("NFD", "한국어 문장"), "한국어"),
    ("한국어 문장", unicodedata.normalize("NFD", "국어")),
    ("ﾡￂ", "가"),
    ("ﬁnal ﬂow", "final flow"),
    ("x² and ½", "x2"),
    ("ana\u00adlysis", "analysis"),
    ("Ⅷ chapters", "viii"),
    ("deploy 🎉 done", "🎉"),
    ("👍🏽 agreed", "👍"),
    ("agreed 👍", "👍🏽"),
    ("👩‍💻 codes", "👩‍💻"),
    ("I ❤️ it", "❤"),
    ("🇩🇪 and 🇫🇷", "🇫🇷"),
    ("東京🗼タワー", "🗼"),
    ("𝒞alligraphy", "calligraphy"),
]


@pytest.fixture
def database(file: Path) -> Database:
    return Database(file)


def say(database: Database, *texts: str, model: str = "m", zone: Zone | None = Zone.DEVICE) -> str:
    """A conversation of questions and answers in turn; its id."""
    conversation = database.create_conversation()
    database.set_title(conversation, texts[0])
    parent: int | None = None
    for number, text in enumerate(texts):
        message = Message("assistant" if number % 2 else "user", text)
        answer: dict[str, Any] = {}
        if number % 2:
            answer = {"provider": "p", "model": model, "zone": zone}
        parent = database.add_message(conversation, parent, message, finish_reason="stop", **answer)
    return conversation


def found(database: Database, query: str, criteria: Criteria = ANY) -> list[str]:
    hits = database.search(query, criteria, 20)
    assert hits is not None
    return [hit.conversation_id for hit in hits]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("The quick brown fox", "fox quick"),
        ("The quick brown fox", '"quick brown"'),
        ("The quick brown fox", "qui*"),
        ("The quick brown fox", '"quick bro"*'),
        ("The quick brown fox", '"brown fox'),
        ("Crème brûlée", "creme BRULEE"),
        ("naive cafe", "café"),
        ("ÜBER Straße", "über"),
        ("std::vector<int> v;", "std::vector<int>"),
        ("git commit --amend", "--amend"),
        ("see foo-bar_baz.py", "foo-bar_baz"),
        ("don't panic", "don't"),
        ("x AND y OR NOT z NEAR w", "AND OR NOT NEAR"),
        ("text: a column", "text:"),
        ("东京大学的历史", "大学"),
        ("私は東京に行く", "東京"),
        ("도서관에서 만나요", "도서관"),
        ("พรุ่งนี้อากาศดี", "อากาศ"),
        ("用Python写的代码", "python"),
        *FOLDED,
    ],
)
def test_a_text_is_found_by(database: Database, text: str, query: str) -> None:
    other = say(database, "something else entirely", "nothing to see")
    wanted = say(database, text)
    assert found(database, query) == [wanted]
    assert other not in found(database, query)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("かき", "がき"),
        ("हिन्दी", "हनद"),
        ("மொழி", "மழ"),
        ("party 🎉", "🎈"),
        ("🇩🇪", "🇫🇷"),
        ("Łódź", "lodz"),
    ],
)
def test_a_sign_without_which_it_is_another_word_stays(
    database: Database, text: str, query: str
) -> None:
    say(database, text)
    assert found(database, query) == []


@pytest.mark.parametrize(("text", "query"), FOLDED)
def test_what_is_found_is_shown_as_it_was_written(
    database: Database, text: str, query: str
) -> None:
    say(database, f"before {text} after")
    (hit,) = database.search(query, ANY, 5) or []
    assert hit.excerpt == f"before {text} after"
    assert hit.marks
    assert all(hit.excerpt[begin:end].strip() for begin, end in hit.marks)


@pytest.mark.parametrize("query", ['"brown quick"', "foxes", "qu", "ick", "fox -quick cat", "学"])
def test_a_text_is_not_found_by(database: Database, query: str) -> None:
    say(database, "The quick brown fox")
    assert found(database, query) == []


@pytest.mark.parametrize("query", ["", "  ", '"', "*", "-", '""*', "=> ++", "\0", "\u0301"])
def test_a_query_without_a_word_says_so(database: Database, query: str) -> None:
    say(database, "=> ++ \0")
    assert database.search(query, ANY, 20) is None


@given(query=st.text(max_size=40), text=st.text(max_size=40))
def test_no_query_is_an_error(
    tmp_path_factory: pytest.TempPathFactory, query: str, text: str
) -> None:
    database = Database(tmp_path_factory.mktemp("any") / "localai.db")
    say(database, text.encode("utf-8", "replace").decode())
    database.search(query, ANY, 5)
    database.close()


def test_hits_are_marked_where_they_are(database: Database) -> None:
    say(database, "x " * 500 + "a needle in it, and 針 in 干し草の針山 " + "y " * 500)
    (hit,) = database.search("needle", ANY, 5) or []
    assert [hit.excerpt[begin:end] for begin, end in hit.marks] == ["needle"]
    assert hit.excerpt.startswith("…") and hit.excerpt.endswith("…")
    assert len(hit.excerpt) < 200
    (hit,) = database.search("針山", ANY, 5) or []
    assert [hit.excerpt[begin:end] for begin, end in hit.marks] == ["針山"]
    assert "干し草の針山" in hit.excerpt


@pytest.mark.parametrize("filler", ["x ", "é ", "字"])
def test_a_hit_in_a_long_text_is_shown_with_what_is_around_it(
    database: Database, filler: str
) -> None:
    say(database, filler * 30_000 + " the Nädel is here " + filler * 30_000)
    (hit,) = database.search("nadel", ANY, 5) or []
    assert [hit.excerpt[begin:end] for begin, end in hit.marks] == ["Nädel"]
    assert hit.excerpt.startswith("…") and hit.excerpt.endswith("…")
    assert len(hit.excerpt) < 200


def test_a_system_prompt_is_not_searched(database: Database) -> None:
    conversation = database.create_conversation()
    database.add_message(conversation, None, Message("system", "You are a pirate."))
    assert found(database, "pirate") == []


def test_a_growing_answer_is_found_by_what_it_says_now(database: Database) -> None:
    conversation = say(database, "q")
    answer = database.add_message(conversation, None, Message("assistant", ""))
    database.update_answer(answer, "the begin", None)
    assert found(database, "begin") == [conversation]
    database.update_answer(answer, "the beginning", None)
    assert found(database, "begin") == []
    assert found(database, "beginning") == [conversation]


def test_filters_are_about_the_answers(database: Database) -> None:
    here = say(database, "word", "answer", model="small", zone=Zone.DEVICE)
    cloud = say(database, "word", "answer", model="large", zone=Zone.CLOUD)
    unproven = say(database, "word", "answer", model="lent", zone=None)
    assert found(database, "word") == [unproven, cloud, here]
    for zone, wanted in (("device", here), ("cloud", cloud), ("unproven", unproven)):
        assert found(database, "word", Criteria(zone=zone)) == [wanted]
        assert [row.id for row in database.summaries(Criteria(zone=zone), None)] == [wanted]
    assert found(database, "word", Criteria(model="P/Lar")) == [cloud]
    assert found(database, "answer", Criteria(model="large", zone="device")) == []
    assert found(database, "word", Criteria(since=time.time() + 9)) == []
    assert found(database, "word", Criteria(until=1.0)) == []
    assert database.summaries(Criteria(until=1.0), None) == []


def test_a_summary_says_who_and_where(database: Database) -> None:
    conversation = say(database, "first question", "a", "b", "c", model="m1", zone=Zone.LAN)
    database.add_message(conversation, None, Message("system", "s"))
    (row,) = database.summaries(ANY, 5)
    assert (row.id, row.title, row.messages) == (conversation, "first question", 4)
    assert (row.provider, row.model, row.zones) == ("p", "m1", frozenset({"lan"}))
    assert database.summary(conversation) == row
    empty = database.create_conversation()
    assert database.summary(empty).zones == frozenset()


def test_an_id_that_is_mistyped_is_told_with_near_ones(database: Database) -> None:
    conversation = say(database, "x")
    typo = conversation[:3] + ("0" if conversation[3] != "0" else "1") + conversation[4:8]
    with pytest.raises(NotFound, match=f"did you mean {conversation}"):
        database.find_conversation(typo)
    assert database.find_conversation(conversation.upper()[:9]) == conversation
    # Of seventeen ids two begin with the same of sixteen digits.
    of_digit: dict[str, list[str]] = {}
    for number in range(17):
        each = say(database, str(number))
        of_digit.setdefault(each[0], []).append(each)
    digit, same = next((digit, ids) for digit, ids in of_digit.items() if len(ids) > 1)
    with pytest.raises(NotFound, match="several") as several:
        database.find_conversation(digit)
    assert same[-1] in several.value.message and same[-2] in several.value.message


def test_stale_is_older_and_beyond_the_newest(database: Database) -> None:
    first, second, third = (say(database, name) for name in ("1", "2", "3"))
    now = time.time() + 1
    assert [row.id for row in database.stale(None, 1)] == [second, first]
    assert [row.id for row in database.stale(now, None)] == [third, second, first]
    assert [row.id for row in database.stale(now, 2)] == [first]
    assert database.stale(1.0, 0) == []


SECRET = "Zanzibarquux"


def traces(folder: Path, secret: str) -> list[str]:
    """Files below `folder` that hold `secret`, in whatever case, or the most of it: the index keeps
    a word in pieces."""
    part = secret[1:].lower().encode()
    return [
        each.name
        for each in folder.rglob("*")
        if each.is_file() and part in each.read_bytes().lower()
    ]


@pytest.mark.parametrize("others", [0, 3, 400])
def test_what_is_deleted_is_gone_from_every_file(file: Path, others: int) -> None:
    database = Database(file)
    for number in range(others // 2):
        say(database, f"question {number}", "some answer " * 50)
    secret = say(database, f"what is {SECRET}?", f"{SECRET} is " + "a long story " * 1000)
    answer = database.add_message(secret, None, Message("assistant", "", reasoning=SECRET))
    for length in range(3, len(SECRET)):
        database.update_answer(answer, f"It is {SECRET[:length]}", SECRET)
    for number in range(others // 2):
        say(database, f"other {number}", "some more " * 50)
    assert traces(file.parent, SECRET)
    assert database.delete_conversations([secret])
    assert traces(file.parent, SECRET) == []
    assert found(database, SECRET) == []
    assert len(database.summaries(ANY, None)) == others // 2 * 2
    database.db.execute("INSERT INTO message_search (message_search) VALUES ('integrity-check')")


def test_deleting_again_and_again_leaves_nothing(file: Path) -> None:
    database = Database(file)
    source = random.Random(7)
    for round_number in range(12):
        kept = [say(database, f"kept {source.random()}", "words " * source.randrange(60))]
        secret = say(database, *([f"{SECRET}{round_number} text"] * source.randrange(1, 9)))
        if source.random() < 0.5:
            database.delete_conversations(kept)
        database.delete_conversations([secret])
        assert traces(file.parent, SECRET) == [], round_number


def test_a_conversation_of_thousands_of_messages_can_be_deleted(database: Database) -> None:
    conversation = say(database, *["m"] * 2500)
    database.delete_conversations([conversation])
    assert database.summaries(ANY, None) == []
    assert database.db.execute("SELECT count(*) FROM message").fetchone()[0] == 0


def test_deleting_while_another_process_reads_says_that_traces_remain(file: Path) -> None:
    database = Database(file)
    conversation = say(database, SECRET)
    reader = sqlite3.connect(file, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM message").fetchone()
    database.db.execute("PRAGMA busy_timeout = 10")
    assert not database.delete_conversations([conversation])
    reader.close()
    database.close()
    assert traces(file.parent, SECRET) == []


def old_database(file: Path, messages: int) -> None:
    """A database as the first version wrote it."""
    file.parent.mkdir()
    with sqlite3.connect(file) as db:
        for step in MIGRATIONS[:2]:
            db.executescript(step)
        db.execute("PRAGMA user_version = 2")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("INSERT INTO conversation VALUES ('0123456789', 'old', 1, 2, NULL)")
        rows = ((f"old message {number} of {number % 97}",) for number in range(messages))
        db.executemany(
            "INSERT INTO message (conversation_id, role, text, created_at)"
            " VALUES ('0123456789', 'user', ?, 1)",
            rows,
        )
    db.close()


def test_an_old_database_is_searched_at_once(file: Path) -> None:
    old_database(file, 2000)
    database = Database(file)
    assert found(database, '"message 1234"') == ["0123456789"]
    assert len(database.messages("0123456789")) == 2000


_OPEN = """
import sys
import threading
from pathlib import Path
from localai.database import Database
print("ready", flush=True)
Database(Path(sys.argv[1]))
"""
_DELETE = """
import sys
import threading
from pathlib import Path
from localai.database import Database
database = Database(Path(sys.argv[1]))
print("ready", flush=True)
database.delete_conversations(["0123456789"])
"""


@pytest.mark.parametrize("program", [_OPEN, _DELETE], ids=["migration", "deletion"])
def test_kill_9_leaves_the_database_whole(file: Path, program: str) -> None:
    old_database(file, 60_000)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    if program is _DELETE:
        Database(file).close()
    interrupted = 0
    for delay_s in (0.02, 0.05, 0.1, 0.2, 0.3):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE, env=environment
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(delay_s)
        interrupted += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with sqlite3.connect(file) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            count = db.execute("SELECT count(*) FROM message").fetchone()
            assert count in ((60_000,), (0,))
        db.close()
    assert interrupted
    database = Database(file)
    database.db.execute("INSERT INTO message_search (message_search) VALUES ('integrity-check')")
    if database.summaries(ANY, None):
        assert found(database, '"message 59999"') == ["0123456789"]
        database.delete_conversations(["0123456789"])
    database.close()
    assert traces(file.parent, "old message") == []


def test_deleting_many_lets_another_write_meanwhile(database: Database) -> None:
    many = [say(database, "word " * 400) for _ in range(300)]
    kept = database.create_conversation()
    written: list[int] = []
    done = threading.Event()

    def write() -> None:
        other = Database(database.file)
        while not done.is_set():
            written.append(other.add_message(kept, None, Message("user", "meanwhile")))
        other.close()

    writer = threading.Thread(target=write)
    writer.start()
    before = len(written)
    database.delete_conversations(many)
    meanwhile = len(written) - before
    done.set()
    writer.join()
    assert meanwhile >= 3
    assert database.conversation_ids() == {kept}
