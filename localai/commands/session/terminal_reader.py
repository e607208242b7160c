"""The prompt on a terminal: line editing, history, completion, the status bar."""

from __future__ import annotations

from prompt_toolkit import PromptSession
from prompt_toolkit.styles import Style

from localai.commands.session.disk_history import session_history
from localai.commands.session.key_bindings import key_bindings
from localai.commands.session.state import Session

_STYLE = Style.from_dict({"bottom-toolbar": "noreverse ansibrightblack"})


class TerminalReader:
    """Reads with prompt_toolkit."""

    def __init__(self, session: Session) -> None:
        self._prompt: PromptSession[str] = PromptSession(
            ">>> ",
            multiline=True,
            prompt_continuation=_continuation,
            history=session_history(session),
            key_bindings=key_bindings(session.interrupts),
            search_ignore_case=True,
            enable_suspend=True,
            include_default_pygments_style=False,
            style=_STYLE,
        )

    def read(self, prefill: str) -> str:
        """What was typed. Raises EOFError for Ctrl-D, KeyboardInterrupt for Ctrl-C."""
        return self._prompt.prompt(default=prefill)


def _continuation(width: int, _line: int, wrapped: int) -> str:
    return " " * width if wrapped else "... "
