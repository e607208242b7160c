"""What is to be said before answers, each thing once for all questions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from localai.chat.request import AskSettings, settings_doubts, special_tokens_doubt
from localai.types import ChatRequest

if TYPE_CHECKING:
    from localai.config import Config


class Doubts:
    """Passes each doubt to `warn` once; any thread may have one."""

    def __init__(self, warn: Callable[[str], None], config: Config) -> None:
        self._warn = warn
        self._config = config
        self._given: set[str] = set()
        self._lock = threading.Lock()

    def before(self, settings: AskSettings, request: ChatRequest) -> None:
        """Warn of what is doubtful before a question is asked. Raises InvalidInput for a schema
        that its provider does not take."""
        for doubt in (
            *settings_doubts(settings, request.model, self._config),
            special_tokens_doubt(request, self._config),
        ):
            if doubt is not None:
                self.warn(doubt)

    def warn(self, doubt: str) -> None:
        """Warn of `doubt`, unless that was done."""
        with self._lock:
            if doubt in self._given:
                return
            self._given.add(doubt)
        self._warn(doubt)
