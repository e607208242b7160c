"""The prompt's history, as prompt_toolkit wants it, over the file of typed lines."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import History, InMemoryHistory

from localai.chat import input_history
from localai.errors import InvalidInput
from localai.output.streams import warn
from localai.session.pasted import Pastes
from localai.session.state import Session


def session_history(session: Session, pastes: Pastes) -> History:
    """The history on disk; one that ends with the session where nothing is to be kept. A line with
    the mark of a large paste is not kept either: the mark means nothing later."""
    if not session.records:
        return InMemoryHistory()
    return _DiskHistory(input_history.input_history_file(session.asker.paths), pastes)


class _DiskHistory(History):
    def __init__(self, file: Path, pastes: Pastes) -> None:
        super().__init__()
        self._file = file
        self._pastes = pastes
        self._broken = False

    def load_history_strings(self) -> Iterable[str]:
        return reversed(input_history.read(self._file))

    def store_string(self, string: str) -> None:
        if self._broken or self._pastes.has_marks(string):
            return
        try:
            input_history.append(self._file, string)
        except (OSError, InvalidInput) as error:
            self._broken = True
            warn(f"what is typed is not kept: {error}")
