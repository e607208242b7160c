"""Searching 100,000 messages, and starting a session beside 10,000 conversations.

    python -m benchmarks.history_search [--runs 15]

Writes a history of its own into a temporary folder (half a minute). Words are drawn as they occur
in a language (Zipf), questions and answers are as long as they are in practice (log-normal, about
25 and 150 words). The peers read the same texts. A session's start needs the starter of the current
LOCALAI_HOME.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pexpect

from benchmarks.measuring import add_starter, interleaved, localai, machine, milliseconds, needing
from localai.database import Criteria, Database
from localai.paths import Paths, locate
from tests.servers.weights import fetch_smollm2

_MESSAGES = 100_000
_CONVERSATIONS = 10_000
_VOCABULARY = 50_000
_LIKE = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
found = db.execute(
    "SELECT id, text FROM message WHERE text LIKE ? ORDER BY id DESC LIMIT 20",
    (f"%{sys.argv[2]}%",),
).fetchall()
print(len(found))
"""


def main() -> None:
    """Measure and print three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    starter = fetch_smollm2()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="localai-benchmark-") as folder:
        full, empty = (_home(Path(folder) / name, starter) for name in ("full", "empty"))
        words = _words(random.Random(1))
        texts = _fill(full, words)
        queries = {
            "a common word": words[3],
            "a rare word": words[30_000],
            "a word that nobody said": "qqqq",
            "two words": f"{words[40]} {words[400]}",
            "a phrase": f'"{" ".join(texts[50_000].split()[:3])}"',
            "three letters and *": f"{words[5000][:3]}*",
        }
        _in_process(full, queries, runs)
        _whole_process(full, texts, words[30_000], runs)
        _session(full, empty, runs)


def _home(folder: Path, starter: Path) -> Paths:
    paths = locate({"LOCALAI_HOME": str(folder)})
    add_starter(paths, starter)
    return paths


def _words(source: random.Random) -> list[str]:
    """Words, the most frequent first."""
    syllables = [a + b for a in "bcdfghklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er")]
    words = (
        "".join(source.choices(syllables, k=source.choice((1, 2, 2, 3, 3, 4))))
        for _ in itertools.count()
    )
    return list(itertools.islice(dict.fromkeys(itertools.islice(words, 400_000)), _VOCABULARY))


def _fill(paths: Paths, words: list[str]) -> list[str]:
    """Write the history; the texts in it."""
    source = random.Random(2)
    weights = list(itertools.accumulate(1 / rank for rank in range(1, len(words) + 1)))
    database = Database(paths.database)
    texts: list[str] = []
    started = time.perf_counter()
    with database.transaction():
        for number in range(_CONVERSATIONS):
            at = time.time() - 60.0 * (_CONVERSATIONS - number)
            lengths = [
                source.lognormvariate(math.log(150 if turn % 2 else 25), 0.8)
                for turn in range(_MESSAGES // _CONVERSATIONS)
            ]
            said = [
                " ".join(source.choices(words, cum_weights=weights, k=1 + min(int(length), 4000)))
                for length in lengths
            ]
            _insert(database, f"{number:010x}", at, said)
            texts += said
    database.close()
    characters = sum(map(len, texts))
    print(
        f"\n{_MESSAGES:,} messages in {_CONVERSATIONS:,} conversations,"
        f" {characters / 1e6:.0f} million characters; the database is"
        f" {paths.database.stat().st_size / 1e6:.0f} MB;"
        f" written in {time.perf_counter() - started:.0f} s"
    )
    return texts


def _insert(database: Database, identifier: str, at: float, said: list[str]) -> None:
    database.db.execute(
        "INSERT INTO conversation VALUES (?, ?, ?, ?, NULL)", (identifier, said[0][:80], at, at)
    )
    parent: int | None = None
    for turn, text in enumerate(said):
        author = ("assistant", "p", "m", "device") if turn % 2 else ("user", None, None, None)
        parent = database.db.execute(
            "INSERT INTO message (conversation_id, parent_id, text, created_at, finish_reason,"
            " role, provider, model, zone) VALUES (?, ?, ?, ?, 'stop', ?, ?, ?, ?)",
            (identifier, parent, text, at, *author),
        ).lastrowid


def _in_process(paths: Paths, queries: dict[str, str], runs: int) -> None:
    print("\nthe newest 20 of              here             matches  sqlite3, LIKE")
    database = Database(paths.database)
    plain = sqlite3.connect(paths.database)
    for name, query in queries.items():
        ours = _times(partial(database.search, query, Criteria(), 20), runs)
        found = len(database.search(query, Criteria(), None) or [])
        like = ""
        if query.isalpha():
            statement = "SELECT id, text FROM message WHERE text LIKE ? ORDER BY id DESC LIMIT 20"
            times = _times(lambda: plain.execute(statement, (f"%{query}%",)).fetchall(), 3)  # noqa: B023
            like = f"{statistics.median(times) * 1000:.1f} ms"
        print(f"{name:<28}  {_fine(ours):<16} {found:>7,}  {like}")
    database.close()


def _whole_process(paths: Paths, texts: list[str], word: str, runs: int) -> None:
    export = paths.data_dir / "texts.txt"
    export.write_text("\n".join(texts))
    commands = {
        "localai history search": localai("history", "search", word),
        "python, sqlite3, LIKE": [sys.executable, "-c", _LIKE, str(paths.database), word],
        "grep in a text file": ["grep", "-n", word, str(export)],
    }
    environment = {**os.environ, "LOCALAI_HOME": str(paths.data_dir.parent)}
    print("\nwhole process, a rare word")
    for name, results in interleaved(commands, runs, environment).items():
        print(f"{name:<28}  {milliseconds([result.total_s for result in results])}")


def _session(full: Paths, empty: Paths, runs: int) -> None:
    print("\n`localai chat` in a terminal, to its prompt")
    homes = {f"{_CONVERSATIONS:,} conversations": full, "none": empty}
    times: dict[str, list[float]] = {name: [] for name in homes}
    for number in range(runs + 1):
        for name, paths in homes.items():
            taken = _to_prompt(paths.data_dir.parent)
            if number > 0:
                times[name].append(taken)
    for name, samples in times.items():
        print(f"{name:<28}  {milliseconds(samples)}")


def _to_prompt(home: Path) -> float:
    command = localai("chat")
    environment = {**os.environ, "LOCALAI_HOME": str(home), "TERM": "xterm-256color"}
    started = time.perf_counter()
    child = pexpect.spawn(command[0], command[1:], env=environment, dimensions=(24, 80))
    child.delaybeforesend = None
    # The terminal's answer to "where is the cursor?", without which nothing is drawn.
    if child.expect([r"\x1b\[6n", ">>>"]) == 0:
        child.send("\x1b[1;1R")
        child.expect(">>>")
    taken = time.perf_counter() - started
    child.close(force=True)
    return taken


def _times(work: Callable[[], object], runs: int) -> list[float]:
    times = []
    for number in range(runs + 1):
        started = time.perf_counter()
        work()
        if number > 0:
            times.append(time.perf_counter() - started)
    return times


def _fine(samples: list[float]) -> str:
    low, high = min(samples) * 1000, max(samples) * 1000
    return f"{statistics.median(samples) * 1000:.1f} ms ({low:.1f}–{high:.1f})"


if __name__ == "__main__":
    with needing("grep"):
        main()
