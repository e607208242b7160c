"""The models of a benchmark in memory: loaded for it, and every server left as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from localai.bench.plan import SPARE_TOKENS, Test
from localai.bench.row import Row
from localai.bench.subject import Subject
from localai.errors import InsufficientResources, LocalaiError


class LoadedModels:
    """The models of `subjects`, loaded with room for `tests`.

    `together` becomes False where they do not fit into memory together: then the caller loads and
    releases each in its turn.
    """

    def __init__(self, subjects: Sequence[Subject], tests: Sequence[Test]) -> None:
        self._subjects = subjects
        self._tests = tests
        self._were_loaded = {
            id(each): each.selected.provider.loaded(each.selected.model) for each in subjects
        }
        self._before: dict[str, set[str]] = {}
        self.together = True

    def was_loaded(self, subject: Subject) -> bool | None:
        """Whether the model was in memory before the benchmark; None where that is not known."""
        return self._were_loaded[id(subject)]

    def remember(self) -> None:
        """Note which models the servers of others have in memory, for `restore`."""
        for subject in self._subjects:
            if subject.facts.computes in ("by_model", "unproven") and not subject.is_cloud:
                self._before.setdefault(subject.selected.provider.name, _names_loaded(subject))

    def load_all(
        self, rows: Sequence[Row], failed: Callable[[Subject, LocalaiError], None]
    ) -> Iterator[str]:
        """Load every model; yields the name of each before. Where they do not fit together, none
        stays. `failed` is told of a model that cannot be loaded; a single one raises its error."""
        for number, subject in enumerate(self._subjects):
            yield subject.name
            try:
                self.load(_first_row(rows, subject))
            except InsufficientResources as error:
                if not number:
                    failed(subject, error)
                    continue
                self.together = False
                for loaded in self._subjects[:number]:
                    self.release(_first_row(rows, loaded))
                return
            except LocalaiError as error:
                if len(self._subjects) == 1:
                    raise
                failed(subject, error)

    def load(self, row: Row) -> None:
        """Load a model, with room for as many users as the tests have. Raises LocalaiError."""
        provider, request = row.subject.selected.provider, row.prompts.loading()
        users = max(test.concurrency for test in self._tests)
        if any(test.rate is not None for test in self._tests):
            users = max(users, row.subject.facts.concurrency)
        if users > 1:
            tokens = max(test.context_tokens for test in self._tests) + SPARE_TOKENS
            provider.prepare(request, users, users * tokens)
        provider.warm(request)

    def release(self, row: Row) -> None:
        """Let a model leave that this run has loaded; whoever uses it meanwhile keeps it."""
        subject = row.subject
        later = self._subjects[self._subjects.index(subject) + 1 :]
        if self.was_loaded(subject) is not False or any(map(subject.shares_worker, later)):
            return
        provider = subject.selected.provider
        try:
            if provider.loaded(subject.selected.model):
                provider.warm(replace(row.prompts.loading(), keep_alive_s=0.0))
        except LocalaiError:
            return

    def restore(self, rows: Sequence[Row]) -> None:
        """Take out of memory what was not there before, and load again what had to leave."""
        for subject in self._subjects:
            self.release(_first_row(rows, subject))
        for subject in self._subjects:
            for name in self._before.pop(subject.selected.provider.name, set()):
                _load_again(subject, name)

    def changes_worker(self, row: Row) -> bool:
        """Whether another subject computes the same file with other settings."""
        return any(
            each is not row.subject and each.shares_worker(row.subject) for each in self._subjects
        )


def _first_row(rows: Sequence[Row], subject: Subject) -> Row:
    return next(row for row in rows if row.subject is subject)


def _names_loaded(subject: Subject) -> set[str]:
    try:
        return {each.id for each in subject.selected.provider.models() if each.loaded}
    except LocalaiError:
        return set()


def _load_again(subject: Subject, name: str) -> None:
    """Have the provider load the model `name`, if it is not in memory any more."""
    from localai.types import ChatRequest, Message

    provider = subject.selected.provider
    try:
        model = provider.resolve(name)
        if provider.loaded(model) is False:
            provider.warm(ChatRequest(model, (Message("user", "hello"),)))
    except LocalaiError:
        return
