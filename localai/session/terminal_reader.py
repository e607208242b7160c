"""The prompt on a terminal: line editing, history, completion, the status bar."""

from __future__ import annotations

import sys

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.styles import Style

from localai.session.completion import SlashCompleter
from localai.session.disk_history import session_history
from localai.session.key_bindings import key_bindings
from localai.session.pasted import Pastes
from localai.session.state import Session
from localai.session.status_bar import status_text
from localai.session.terminal_input import LargeBites
from localai.session.typed_text import repaired

_STYLE = Style.from_dict({"bottom-toolbar": "noreverse ansibrightblack"})
_MENU_ROWS = 6


class TerminalReader:
    """Reads with prompt_toolkit."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pastes = Pastes()
        self._prompt: PromptSession[str] = PromptSession(
            ">>> ",
            multiline=True,
            prompt_continuation=_continuation,
            history=session_history(session, self._pastes),
            completer=SlashCompleter(session),
            complete_while_typing=Condition(_types_a_command),
            reserve_space_for_menu=_MENU_ROWS,
            key_bindings=key_bindings(session, self._pastes),
            bottom_toolbar=self._status,
            search_ignore_case=True,
            enable_suspend=True,
            include_default_pygments_style=False,
            style=_STYLE,
            input=LargeBites(sys.stdin),
        )

        # A terminal that does not say where its cursor is gets no status bar, and no lecture.
        self._prompt.app.renderer.cpr_not_supported_callback = None

    def read(self, prefill: str) -> str:
        """What was typed, large pastes and all. Raises EOFError, KeyboardInterrupt."""
        line = self._prompt.prompt(
            default=self._pastes.mark(prefill), handle_sigint=False, pre_run=self._leave_if_asked
        )
        return repaired(self._pastes.expand(line))

    def _leave_if_asked(self) -> None:
        # Ctrl-C came as a signal while this prompt was not there yet.
        if self._session.interrupts.leave:
            get_app().exit(exception=EOFError)

    def _status(self) -> StyleAndTextTuples:
        return [("", status_text(self._session, get_app().output.get_size().columns))]


def _types_a_command() -> bool:
    return get_app().current_buffer.text.startswith("/")


def _continuation(width: int, _line: int, wrapped: int) -> str:
    return " " * width if wrapped else "... "
