"""Completion at the prompt: commands, and the values that each of them takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import get_args

from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from localai.chat.resume import recent_conversations
from localai.chat.templates import list_templates
from localai.errors import LocalaiError
from localai.library.available import models_by_provider
from localai.output.cells import one_line
from localai.privacy import guard
from localai.providers.pool import ProviderPool
from localai.session.model_commands import KINDS_OF_SHOW, setting_names
from localai.session.slash_commands import COMMANDS
from localai.session.state import Session
from localai.types import Think

_CONVERSATIONS = 30
_Choices = Callable[[], Iterable[tuple[str, str]]]


class SlashCompleter(Completer):
    """Completes `/` lines; questions are left alone."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._models = _ModelNames(session)
        self._paths = PathCompleter(expanduser=True)
        self._choices: dict[str, _Choices] = {
            "help": lambda: ((command.name, command.summary) for command in COMMANDS),
            "model": self._models.names,
            "set": lambda: ((name, "") for name in setting_names()),
            "show": lambda: ((name, "") for name in KINDS_OF_SHOW),
            "think": lambda: ((name, "") for name in (*get_args(Think), "default", "hide", "show")),
            "load": self._conversations,
            "doctor": _checks,
            "template": self._templates,
        }

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        """The values that fit at the cursor."""
        line = document.text_before_cursor
        if not line.startswith("/") or "\n" in line:
            return
        name, space, argument = line[1:].partition(" ")
        if not space:
            yield from _matching(name, ((c.name, c.summary) for c in COMMANDS))
        elif name in ("file", "attach", "save"):
            yield from self._paths.get_completions(Document(argument), complete_event)
        elif name in self._choices and " " not in argument:
            yield from _matching(argument, self._choices[name]())

    def _templates(self) -> Iterator[tuple[str, str]]:
        try:
            found = list_templates(self._session.asker.paths)
        except LocalaiError:
            return
        for each in found:
            yield each.name, one_line(each.description, 50)

    def _conversations(self) -> Iterator[tuple[str, str]]:
        try:
            rows = recent_conversations(self._session.asker.paths.database, _CONVERSATIONS)
        except LocalaiError:
            return
        for row in rows:
            yield row.id, one_line(row.title or "", 50)


class _ModelNames:
    """Every provider's models. A thread asks for them once, when a name is first completed: a
    server that does not answer must not hold up the keyboard."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._names: list[tuple[str, str]] | None = None
        self._thread: threading.Thread | None = None

    def names(self) -> list[tuple[str, str]]:
        """The names that are known by now. The menu opens again when there are more."""
        if self._names is None and self._thread is None:
            application = get_app()
            loop = application.loop
            buffer = application.current_buffer

            def show() -> None:
                if buffer.document.text_before_cursor.startswith("/model "):
                    buffer.start_completion()

            def ask() -> None:
                asker = self._session.asker
                with ProviderPool(asker.paths) as providers:
                    every = models_by_provider(asker.config, providers)
                found = [model for each in every for model in each.models]
                self._names = [(f"{m.provider}/{m.id}", m.quantization or "") for m in found]
                if loop is not None and not loop.is_closed():
                    loop.call_soon_threadsafe(show)

            self._thread = threading.Thread(
                target=guard.in_scope(ask), name="model names", daemon=True
            )
            self._thread.start()
        return self._names or []


def _checks() -> Iterator[tuple[str, str]]:
    """The groups of doctor's checks, and the checks."""
    from localai.doctor.checks import CHECKS, GROUPS

    yield from ((group, "") for group in GROUPS)
    yield from ((code, one_line(check.title, 50)) for code, check in CHECKS.items())


def _matching(start: str, choices: Iterable[tuple[str, str]]) -> Iterator[Completion]:
    """The choices that begin with `start`, or whose part behind a slash does."""
    for text, meaning in choices:
        if text.startswith(start) or text.partition("/")[2].startswith(start):
            yield Completion(text, start_position=-len(start), display_meta=meaning)
