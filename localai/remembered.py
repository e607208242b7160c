"""Results that took time to find out, remembered: JSON values by key, in one file of the cache.

Only a cache: a file that is damaged, of another version or not writable counts as empty, and costs
time and nothing else. A value that depends on a file's content has `files.content_key` in its key.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from localai.errors import InvalidInput
from localai.files import write_atomically
from localai.paths import private_dir


class Remembered:
    """The values in `file`, at most the `most` that were added last.

    Raise `version` when the values' meaning changes: values of another version are dropped.
    """

    def __init__(self, file: Path, *, version: int, most: int) -> None:
        self._file = file
        self._version = version
        self._most = most
        self._entries: dict[str, Any] | None = None
        self._added: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        """The value of `key`, as JSON gives it back; None if there is none."""
        if self._entries is None:
            self._entries = self._read()
        return self._added.get(key, self._entries.get(key))

    def put(self, key: str, value: Any) -> None:
        """Add `value`, which `save` writes."""
        self._added[key] = value

    def save(self) -> None:
        """Write the added values, and keep those that other processes have added meanwhile."""
        if not self._added:
            return
        entries = self._read()
        for key, value in self._added.items():
            # Put it last, where the newest is.
            entries.pop(key, None)
            entries[key] = value
        newest = dict(list(entries.items())[-self._most :])
        document = json.dumps({"version": self._version, "entries": newest})
        with contextlib.suppress(OSError, InvalidInput):
            private_dir(self._file.parent)
            write_atomically(self._file, document.encode())
        self._entries, self._added = newest, {}

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads(self._file.read_bytes())
            if document["version"] == self._version and isinstance(document["entries"], dict):
                return dict(document["entries"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            pass
        return {}
