"""The lines that were typed in sessions, on disk: one JSON text a line, oldest first, mode 0600.

Only small ones are kept, and not more than the file's bound; a line that is damaged is skipped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path

from localai.files import write_atomically
from localai.paths import Paths, private_dir

LONGEST_CHARACTERS = 8_000
_BOUND_BYTES = 1_000_000
_KEPT_WHEN_BOUND_IS_REACHED = 1_000


def input_history_file(paths: Paths) -> Path:
    """Where the typed lines are."""
    return paths.data_dir / "input_history"


def read(file: Path) -> list[str]:
    """All lines, oldest first; none if the file cannot be read."""
    try:
        content = file.read_bytes()
    except OSError:
        return []
    found = []
    for line in content.splitlines():
        try:
            text = json.loads(line)
        except ValueError:
            continue
        if isinstance(text, str):
            found.append(text)
    return found


def append(file: Path, text: str) -> None:
    """Add a line, unless it is too long to be worth it. Raises OSError, InvalidInput."""
    if len(text) > LONGEST_CHARACTERS:
        return
    private_dir(file.parent)
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "ab") as opened:
        opened.write(json.dumps(text).encode() + b"\n")
        too_long = opened.tell() > _BOUND_BYTES
    if too_long:
        _rewrite(file, read(file)[-_KEPT_WHEN_BOUND_IS_REACHED:])


def remove(file: Path, texts: Collection[str]) -> None:
    """Remove the lines that are these texts, or a slash command with one. Raises OSError."""
    lines = read(file)
    wanted = {text.strip() for text in texts if text.strip()}
    kept = [line for line in lines if not _has_typed(line.strip(), wanted)]
    if len(kept) != len(lines):
        _rewrite(file, kept)


def _has_typed(line: str, texts: Collection[str]) -> bool:
    return line in texts or (line.startswith("/") and any(map(line.endswith, texts)))


def _rewrite(file: Path, lines: list[str]) -> None:
    write_atomically(file, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
