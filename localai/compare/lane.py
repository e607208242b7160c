"""The models that share a processor are asked one after the other, each loaded before its clock
starts.

Events are reported as they happen; nothing is kept or shown here.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from localai.batch.concurrency import (
    SharedContext,
    allowed_concurrency,
    make_ready,
    once_more_alone,
)
from localai.compare.asking import Reply, ask, failed
from localai.compare.contestants import Contestant
from localai.compare.questions import CaseRepeat
from localai.compare.side_by_side import load_in_turn
from localai.dataclass import dataclass
from localai.errors import ContextOverflow, LocalaiError, NotFound, PolicyRefused
from localai.events import Doubt, Event
from localai.privacy import guard

if TYPE_CHECKING:
    from localai.config import Config

LEAVE_S = 2.0
"""How long whoever stops waits for a thread that asks."""

_HOPELESS = (PolicyRefused, NotFound)
# This many failures in a row are not the cases' fault.
_PATIENCE = 5


@dataclass(frozen=True, slots=True)
class LoadingModel:
    """The model is being loaded."""

    model: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A question and its reply, which came while `jobs` questions were asked at once."""

    question: CaseRepeat
    reply: Reply
    jobs: int


class Lane:
    """Asks the questions `todo`, given by the names of the models, to contestants of one lane.

    `report` is called with each event, in the thread in which it happens. `jobs` None is one
    question at a time on this machine, and as many as help elsewhere.
    """

    def __init__(
        self,
        contestants: Sequence[Contestant],
        todo: Mapping[str, Sequence[CaseRepeat]],
        jobs: int | None,
        config: Config,
        report: Callable[[LoadingModel | Answered | Doubt], None],
        stopping: threading.Event,
    ) -> None:
        self._contestants = contestants
        self._todo = todo
        self._jobs = jobs
        self._config = config
        self._report = report
        self._stopping = stopping

    def run(self) -> None:
        """Ask all questions. A failure is a reply."""
        before: list[Contestant] = []
        for contestant in self._contestants:
            todo = self._todo[contestant.name]
            if todo and not self._stopping.is_set():
                self._ask_all(contestant, todo, before)

    def _ask_all(
        self, contestant: Contestant, todo: Sequence[CaseRepeat], before: list[Contestant]
    ) -> None:
        self._report(LoadingModel(contestant.name))
        jobs = self._concurrency(contestant)
        context = SharedContext()
        try:
            if jobs > 1:
                sample = [each.request for each in todo[: 4 * jobs]]
                jobs, context = make_ready(contestant.selected, jobs, sample)
            load_s = load_in_turn(contestant, todo[0].request, before, lambda _: None)
        except Exception as error:  # noqa: BLE001  the other models go on
            self._report(Answered(todo[0], failed(contestant, todo[0].request, error), jobs))
            return
        if load_s is not None:
            before.append(contestant)
        shared = _Shared(deque(todo), self._stopping, load_s)
        work = guard.in_scope(lambda: self._work(contestant, shared, context, jobs))
        threads = [threading.Thread(target=work, daemon=True) for _ in range(jobs - 1)]
        for thread in threads:
            thread.start()
        try:
            work()
        finally:
            if self._stopping.is_set():
                context.close()
            for thread in threads:
                thread.join(None if not self._stopping.is_set() else LEAVE_S)

    def _concurrency(self, contestant: Contestant) -> int:
        if self._jobs is None and contestant.host is None:
            return 1
        return allowed_concurrency(contestant.selected.provider.name, self._jobs, self._config)

    def _pass_doubts_on(self, event: Event) -> None:
        if isinstance(event, Doubt):
            self._report(event)

    def _work(
        self, contestant: Contestant, shared: _Shared, context: SharedContext, jobs: int
    ) -> None:
        while (question := shared.next()) is not None:
            attempt = partial(
                ask,
                contestant,
                question.request,
                self._pass_doubts_on,
                self._stopping,
                load_s=shared.take_load_s(),
            )
            reply = once_more_alone(attempt, question.request, context, self._stopping)
            if reply is None:
                return
            self._report(Answered(question, reply, jobs))
            shared.look_for_an_end(reply.error)


class _Shared:
    """The questions of one model, shared by the threads that ask them."""

    def __init__(
        self, todo: deque[CaseRepeat], stopping: threading.Event, load_s: float | None
    ) -> None:
        self._todo = todo
        self._stopping = stopping
        self._load_s = load_s
        self._lock = threading.Lock()
        self._failures = 0

    def next(self) -> CaseRepeat | None:
        """The next question; None if no more are to be asked."""
        with self._lock:
            if self._stopping.is_set() or not self._todo:
                return None
            return self._todo.popleft()

    def take_load_s(self) -> float | None:
        """The seconds that loading took, for the first answer only; None for the others."""
        with self._lock:
            taken, self._load_s = self._load_s, None
            return taken

    def look_for_an_end(self, error: LocalaiError | None) -> None:
        """Stop asking if the failures are not the questions' fault."""
        with self._lock:
            if error is None or isinstance(error, ContextOverflow):
                self._failures = 0
                return
            self._failures += 1
            if isinstance(error, _HOPELESS) or self._failures >= _PATIENCE:
                self._todo.clear()
