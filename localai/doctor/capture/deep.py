"""The trials of `--deep`: an answer, its speed, files against their digests."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localai.answers import Answer, PartialAnswer, gather
from localai.chat.request import AskSettings, build_request
from localai.chat.select import SelectedModel, select_model
from localai.doctor.capture.context import Context
from localai.doctor.facts.snapshot import Deep
from localai.errors import LocalaiError, NotFound
from localai.files import hash_file, is_file
from localai.hardware.this_machine import this_machine
from localai.library.details import find_details, memory_table, speed_on
from localai.stores.folders import StoredModel
from localai.stores.inventory import stored_models
from localai.stores.starter import STARTER, starter_path
from localai.types import Message, Options

if TYPE_CHECKING:
    from localai.providers.pool import ProviderPool

_QUESTION: Final = "Count from one to twenty in words."
_TOKENS: Final = 48
_CONTEXT: Final = 2048
_LARGEST_HASHED: Final = 2_000_000_000
_READS: Final = 16
_READ_BYTES: Final = 1 << 20


def deep(context: Context, providers: ProviderPool, tell: Callable[[str], None]) -> Deep:
    """Make all trials. `tell` is called with a text about each."""
    tell("asking the starter")
    answer, error = _answer(context, providers)
    measured = None if answer is None else _speed_of(answer)
    low, high = _prediction(context, providers) if measured is not None else (None, None)
    damaged: list[str] = []
    unreadable: list[str] = []
    for stored in stored_models(context.paths, context.environ):
        tell(f"reading {stored.name}")
        try:
            _read_parts(stored.path)
            if _is_changed(context, stored):
                damaged.append(str(stored.path))
        except OSError:
            unreadable.append(str(stored.path))
    tell("reading the database")
    return Deep(
        answer=None if answer is None else answer.text.strip()[:200],
        answer_error=error,
        measured_tokens_per_s=measured,
        predicted_low=low,
        predicted_high=high,
        damaged=tuple(damaged),
        unreadable=tuple(unreadable),
        database=_database(context.paths.database),
    )


def _answer(context: Context, providers: ProviderPool) -> tuple[Answer | None, str | None]:
    """The starter's answer, or the reason why there is none. Both are None if the starter was not
    fetched yet."""
    try:
        chosen = _starter(context, providers)
        settings = AskSettings(options=Options(temperature=0.0, max_tokens=_TOKENS))
        question = [Message("user", _QUESTION)]
        request = build_request(settings, chosen.model, question, context.config)
        answer = gather(chosen.provider.stream(request), PartialAnswer(chosen.model))
    except NotFound:
        return None, None
    except LocalaiError as error:
        return None, error.message
    return answer, "" if answer.text.strip() else "it answered nothing"


def _starter(context: Context, providers: ProviderPool) -> SelectedModel:
    if not is_file(starter_path(context.paths)):
        raise NotFound("the starter is not here")
    return select_model(f"llamacpp/{STARTER.name}", context.config, providers)


def _speed_of(answer: Answer) -> float | None:
    timings = answer.done.timings
    if not timings.decode_tokens or not timings.decode_s:
        return None
    return round(timings.decode_tokens / timings.decode_s, 2)


def _prediction(context: Context, providers: ProviderPool) -> tuple[float | None, float | None]:
    """The range of the decode rate that is predicted for the starter on this machine, in tokens a
    second. Earlier answers are not counted, because they may have been slow, too."""
    try:
        machine = this_machine(context.paths, "once")
        details = find_details(STARTER.name, context.config, context.paths, providers)
        table = memory_table(details, context.paths, _CONTEXT)
        speed = speed_on(machine, details, table, context.paths, this_one=False)
    except LocalaiError:
        return None, None
    return speed.low, speed.high


def _read_parts(path: Path) -> None:
    """Read parts of the file, over its whole length. Raises the disk's OSError."""
    size = path.stat().st_size
    with path.open("rb", buffering=0) as file:
        for number in range(_READS):
            file.seek(max(0, size - _READ_BYTES) * number // max(1, _READS - 1))
            file.read(_READ_BYTES)


def _is_changed(context: Context, stored: StoredModel) -> bool:
    """Whether the file's SHA-256 differs from the one that its store states. Large files are not
    read."""
    expected = stored.digest
    if stored.path == starter_path(context.paths):
        expected = f"sha256:{STARTER.sha256}"
    if expected is None or stored.path.stat().st_size > _LARGEST_HASHED:
        return False
    return f"sha256:{_digest(stored.path)}" != expected


def _digest(path: Path) -> str:
    hashing = hash_file(path, lambda done: done)
    while True:
        try:
            next(hashing)
        except StopIteration as end:
            return str(end.value)


def _database(file: Path) -> str:
    """The result of SQLite's check of the whole database: "ok", or its first complaint."""
    if not is_file(file):
        return "ok"
    try:
        connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=2)
        try:
            return next(_complaints(connection), "ok")
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        return str(error)


def _complaints(connection: sqlite3.Connection) -> Iterator[str]:
    for (line,) in connection.execute("PRAGMA quick_check(1)"):
        if line != "ok":
            yield str(line)
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"row {row} of {table} has lost its {parent}"
