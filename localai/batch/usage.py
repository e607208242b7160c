"""What a batch's answers used, in the database for `localai cost`; not what was said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from localai.batch.answering import Outcome

if TYPE_CHECKING:
    from localai.database import Database
    from localai.types import ResolvedModel


class UsageRecorder:
    """Enters each answer. Where the database does not play along, `problem` is told once."""

    def __init__(
        self, database_file: Path, model: ResolvedModel, problem: Callable[[str], None]
    ) -> None:
        self._database_file = database_file
        self._model = model
        self._problem = problem
        self._database: Database | None = None
        self._broken = False

    def enter(self, outcome: Outcome) -> None:
        """Keep the numbers of an answer."""
        from localai.database import Database
        from localai.errors import DatabaseUnavailable

        if self._broken or outcome.answer is None:
            return
        try:
            done = outcome.answer.done
            if self._database is None:
                self._database = Database(self._database_file)
            self._database.record_usage(
                command="batch",
                provider=self._model.provider,
                model=self._model.id,
                usage=done.usage,
                timings=done.timings,
                locality=done.locality,
            )
        except DatabaseUnavailable as error:
            self._broken = True
            self._problem(f"what the batch uses is not kept: {error.message}")
