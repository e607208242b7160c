"""The lines that were typed in sessions, on disk, oldest first, mode 0600.

A line of the file is a JSON list: the id of the conversation in which it was typed, and the text.
The id finds it when the conversation is deleted, in whatever form it was typed: quoted, in an
editor, as a title that was changed since. Long texts are not stored, and the file is bounded; a
damaged line is skipped.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterator
from itertools import accumulate
from pathlib import Path

from localai.files import write_atomically
from localai.locks import lock
from localai.paths import Paths, private_dir

LONGEST_CHARACTERS = 8_000
_BOUND_BYTES = 1_000_000
_KEPT_BYTES_WHEN_BOUND_IS_REACHED = 500_000


def input_history_file(paths: Paths) -> Path:
    """The path of the file of typed lines."""
    return paths.data_dir / "input_history"


def read(file: Path) -> list[str]:
    """All texts, oldest first; empty if the file cannot be read."""
    return [text for _, text in _read(file)]


def append(file: Path, text: str, conversation_id: str) -> None:
    """Add a text that was typed in that conversation, unless it is too long.

    Raises OSError, InvalidInput.
    """
    if len(text) > LONGEST_CHARACTERS:
        return
    private_dir(file.parent)
    with _locked(file):
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "ab") as opened:
            opened.write(_line(conversation_id, text))
            too_long = opened.tell() > _BOUND_BYTES
        if too_long:
            _rewrite(file, _newest(_read(file)))


def remove(file: Path, conversation_ids: Collection[str], texts: Collection[str]) -> None:
    """Remove the lines that were typed in these conversations. In others, remove a line that is one
    of these texts, or a slash command with one. Raises OSError."""
    if not file.exists():
        return
    wanted = {text.strip() for text in texts if text.strip()}
    with _locked(file):
        lines = _read(file)
        kept = [
            (identifier, text)
            for identifier, text in lines
            if identifier not in conversation_ids and not _has_typed(text.strip(), wanted)
        ]
        if len(kept) != len(lines):
            _rewrite(file, kept)


def _read(file: Path) -> list[tuple[str, str]]:
    try:
        content = file.read_bytes()
    except OSError:
        return []
    found = []
    for line in content.splitlines():
        try:
            read = json.loads(line)
        except (ValueError, RecursionError):
            continue
        match read:
            case [str() as identifier, str() as text]:
                found.append((identifier, text))
    return found


def _has_typed(line: str, texts: Collection[str]) -> bool:
    return line in texts or (line.startswith("/") and any(map(line.endswith, texts)))


def _newest(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The last of `lines`: as many as there is room for, so that the next ones need not shorten the
    file again."""
    sizes = accumulate(len(_line(*line)) for line in reversed(lines))
    fitting = sum(size <= _KEPT_BYTES_WHEN_BOUND_IS_REACHED for size in sizes)
    return lines[len(lines) - fitting :]


def _rewrite(file: Path, lines: list[tuple[str, str]]) -> None:
    write_atomically(file, b"".join(_line(identifier, text) for identifier, text in lines))


def _line(conversation_id: str, text: str) -> bytes:
    return json.dumps([conversation_id, text]).encode() + b"\n"


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Lock the file: a process that shortens it must not bring back a line that another has
    removed."""
    descriptor = lock(file.with_name(f"{file.name}.lock"))
    try:
        yield
    finally:
        os.close(descriptor)
