"""Storing a conversation while it happens, so that nothing of it is lost.

The question is stored before it is sent, and the answer as it streams. If the disk fails, the
conversation goes on, and `problem` says what was not stored.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from localai.answers import Answer, PartialAnswer
from localai.events import Done, EarlyEnd, Event, FinishReason
from localai.types import Message, ResolvedModel

if TYPE_CHECKING:
    from localai.database import Database

_FLUSH_AFTER_S = 0.5
_TITLE_LENGTH = 80
_READ_FOR_TITLE = 1000


class Recorder:
    """Receives the steps of a conversation as they happen. This one stores nothing (`--no-log`)."""

    conversation_id: str | None = None
    """The id under which it is stored; None if it is not."""
    typed_in: str = ""
    """The id under which it is or will be stored: lines typed before that belong to it."""
    parent_id: int | None = None
    """The stored message under which the next one goes; None if there is none."""

    def go_to(self, message_id: int | None) -> None:
        """Continue under that stored message; None is before the first one."""

    def rename(self, title: str) -> None:
        """Call the conversation `title`."""

    def used(self, model: ResolvedModel, done: Done) -> None:
        """A call that is no message of the conversation, such as one for a summary."""

    def question(self, message: Message) -> None:
        """A message of the user's, or the system prompt."""

    def answer_begins(self, model: ResolvedModel) -> None:
        """The request is about to be sent."""

    def answer_goes_on(self, message_id: int | None, message: Message) -> None:
        """The stored answer `message` is about to be continued."""

    def event(self, event: Event) -> None:
        """A piece of the answer, or its end."""

    def answer_cut(self, reason: EarlyEnd) -> None:
        """The answer ended early."""


class DatabaseRecorder(Recorder):
    """Stores a conversation in the database. Beyond `pictures_limit_bytes` the oldest pictures of
    all conversations are given up.

    `problem` is called once with the reason if the disk fails or the conversation was deleted
    meanwhile; after that nothing more is stored.
    """

    def __init__(
        self,
        database_file: Path,
        *,
        command: str,
        problem: Callable[[str], None],
        conversation_id: str | None = None,
        parent_id: int | None = None,
        pictures_limit_bytes: int | None = None,
    ) -> None:
        self.conversation_id = conversation_id
        self.typed_in = conversation_id or os.urandom(5).hex()
        self.parent_id = parent_id
        self._database_file = database_file
        self._command = command
        self._problem = problem
        self._pictures_limit_bytes = pictures_limit_bytes
        self._database: Database | None = None
        self._broken = False
        self._titled = conversation_id is not None
        self._model: ResolvedModel | None = None
        self._answer_id: int | None = None
        self._answer = PartialAnswer()
        # A timer's thread flushes, too, so it and the conversation's take turns.
        self._lock = threading.RLock()
        self._flushing: threading.Timer | None = None

    def go_to(self, message_id: int | None) -> None:
        """Store the next message under that one. A command that continues the conversation later
        does the same."""
        self.parent_id = message_id
        conversation = self.conversation_id
        if conversation is not None:
            self._try(lambda database: database.set_leaf(conversation, message_id))

    def rename(self, title: str) -> None:
        """Call the conversation `title`; until then its first question is its title."""
        self._titled = True

        def write(database: Database) -> None:
            if self.conversation_id is None:
                self.conversation_id = database.create_conversation(self.typed_in)
            database.set_title(self.conversation_id, title)

        self._try(write)

    def used(self, model: ResolvedModel, done: Done) -> None:
        """Store the usage of a call that gave no message of the conversation."""
        self._try(lambda database: self._record_usage(database, model, done, None))

    def question(self, message: Message) -> None:
        """Store a message under the newest one."""

        def write(database: Database) -> None:
            if self.conversation_id is None:
                self.conversation_id = database.create_conversation(self.typed_in)
            if message.role == "user" and not self._titled:
                database.set_title(self.conversation_id, title_from(message.text))
                self._titled = True
            self.parent_id = database.add_message(
                self.conversation_id,
                self.parent_id,
                message,
                finish_reason="complete",
                pictures_limit_bytes=self._pictures_limit_bytes,
            )

        self._try(write)

    def answer_begins(self, model: ResolvedModel) -> None:
        """Open an answer under the newest message; until it ends it counts as cut.

        If one is open already, `model` gives the rest of it.
        """
        self._model = model
        opened = self._answer_id
        if opened is not None:
            self._try(
                lambda database: database.set_answer_model(
                    opened, model.provider, model.id, model.zone, model.preset
                )
            )
            return
        self._answer = PartialAnswer(model)

        def write(database: Database) -> None:
            if self.conversation_id is None:
                self.conversation_id = database.create_conversation(self.typed_in)
            self._answer_id = database.add_message(
                self.conversation_id,
                self.parent_id,
                Message("assistant", ""),
                provider=model.provider,
                model=model.id,
                zone=model.zone,
                preset=model.preset,
            )

        self._try(write)

    def answer_goes_on(self, message_id: int | None, message: Message) -> None:
        """Open a stored answer once more; what comes is appended to it."""
        self._answer_id, self._answer = message_id, PartialAnswer(None, message)

    def event(self, event: Event) -> None:
        """Store a piece of the answer half a second after it came, whether or not another comes."""
        with self._lock:
            self._answer.add(event)
            if isinstance(event, Done):
                self._finish(event.finish_reason, event)
            elif self._flushing is None:
                self._flushing = threading.Timer(_FLUSH_AFTER_S, self._flush)
                self._flushing.daemon = True
                self._flushing.start()

    def answer_cut(self, reason: EarlyEnd) -> None:
        """Store what came, and that it was cut."""
        self._finish(reason, None)

    def _finish(self, reason: FinishReason | EarlyEnd, done: Done | None) -> None:
        answer, model = self._answer_id, self._model
        if answer is None or model is None:
            return
        self._flush()

        def write(database: Database) -> None:
            database.finish_answer(answer, reason, None if done is None else done.locality)
            if done is not None:
                self._record_usage(database, model, done, answer)

        self._try(write)
        self.parent_id = answer
        self._answer_id = None

    def _record_usage(
        self, database: Database, model: ResolvedModel, done: Done, message_id: int | None
    ) -> None:
        database.record_usage(
            command=self._command,
            provider=model.provider,
            model=model.id,
            usage=done.usage,
            timings=done.timings,
            locality=done.locality,
            message_id=message_id,
        )

    def _flush(self) -> None:
        with self._lock:
            if self._flushing is not None:
                self._flushing.cancel()
                self._flushing = None
            answer = self._answer_id
            if answer is None:
                return
            came = self._answer.message()
            self._try(
                lambda database: database.update_answer(
                    answer, came.text, came.reasoning, came.tool_calls
                )
            )

    def _try(self, work: Callable[[Database], None]) -> None:
        from localai.database import Database
        from localai.errors import DatabaseUnavailable

        with self._lock:
            if self._broken:
                return
            try:
                if self._database is None:
                    self._database = Database(self._database_file)
                work(self._database)
            except DatabaseUnavailable as error:
                self._broken = True
                # The engine's states of it are not kept either.
                self.conversation_id = None
                self._problem(f"this conversation is not kept: {error.message}")


class UsageRecorder:
    """Stores the usage of answers, for `localai cost`, but not what was said.

    If the database fails, `problem` is called once.
    """

    def __init__(self, database_file: Path, command: str, problem: Callable[[str], None]) -> None:
        self._database_file = database_file
        self._command = command
        self._problem = problem
        self._database: Database | None = None
        self._broken = False

    def record(self, answer: Answer) -> None:
        """Store the numbers of an answer."""
        from localai.database import Database
        from localai.errors import DatabaseUnavailable

        if self._broken:
            return
        try:
            if self._database is None:
                self._database = Database(self._database_file)
            self._database.record_usage(
                command=self._command,
                provider=answer.model.provider,
                model=answer.model.id,
                usage=answer.done.usage,
                timings=answer.done.timings,
                locality=answer.done.locality,
            )
        except DatabaseUnavailable as error:
            self._broken = True
            self._problem(f"what the {self._command} uses is not kept: {error.message}")


def title_from(text: str) -> str:
    """The title of a conversation that begins with `text`: its first words, in one line."""
    words = " ".join(text[:_READ_FOR_TITLE].split())
    return words if len(words) <= _TITLE_LENGTH else f"{words[: _TITLE_LENGTH - 1].rstrip()}…"
