"""The run of a suite: every case and repeat to every model; each answer is kept as soon as it has
come.

Models on one machine are asked one after the other, each loaded before its clock starts; other
models run in parallel. Questions that the file has answers to are not asked again. One thread
writes the file; other threads ask.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from localai.compare.asking import Reply
from localai.compare.contestants import Contestant, lanes
from localai.compare.lane import LEAVE_S, Answered, Lane, LoadingModel
from localai.compare.questions import CaseRepeat, SuiteOptions, questions
from localai.compare.recorded import RecordedAnswer, recorded
from localai.compare.suite.case import Suite
from localai.dataclass import dataclass
from localai.errors import InvalidInput, LocalaiError, as_error
from localai.events import Doubt
from localai.privacy import guard
from localai.types import ChatRequest

if TYPE_CHECKING:
    from localai.compare.run_file import RunFile
    from localai.config import Config
    from localai.cost.prices import Cost


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run. `found` answers were there before. `model` is the model that answered
    last."""

    total: int
    found: int = 0
    done: int = 0
    failed: int = 0
    model: str = ""
    loading: str = ""
    output_tokens: int = 0
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Ended:
    """A lane has no more questions."""

    error: BaseException | None = None


_Report = LoadingModel | Answered | Doubt | _Ended


class SuiteRun:
    """Asks `contestants` the questions of `suite` that `file` has no answers to.

    `cost_of` returns the cost of an answer, `answered` is called with each new one, and `doubted`
    with a warning about the questions that follow. Raises InvalidInput if the file has an answer
    to another question with the same name.
    """

    def __init__(
        self,
        suite: Suite,
        contestants: Sequence[Contestant],
        options: SuiteOptions,
        config: Config,
        file: RunFile,
        *,
        machine: str,
        cost_of: Callable[[Reply], Cost | None],
        answered: Callable[[Reply], None],
        doubted: Callable[[str], None],
    ) -> None:
        self._contestants = contestants
        self._file = file
        self._machine = machine
        self._options = options
        self._config = config
        self._cost_of = cost_of
        self._answered = answered
        self._doubted = doubted
        self._reports: queue.SimpleQueue[_Report] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        asked = questions(suite, contestants, options, config)
        self.planned = {name: len(each) for name, each in asked.items()}
        self._todo = {
            name: [each for each in some if not self._has(name, each)]
            for name, some in asked.items()
        }

    @property
    def missing(self) -> Mapping[str, int]:
        """The number of questions that each model will be asked now."""
        return {name: len(each) for name, each in self._todo.items()}

    def requests(self) -> Iterator[ChatRequest]:
        """The requests that will be made now, of all models."""
        yield from (each.request for some in self._todo.values() for each in some)

    def run(self) -> Generator[Progress, None, None]:
        """Ask the questions, and yield the progress after each answer. Closing the generator stops
        the models."""
        total = sum(self.planned.values())
        progress = Progress(total, found=total - sum(self.missing.values()))
        began = time.monotonic()
        yield progress
        try:
            busy = [
                lane
                for lane in lanes(self._contestants)
                if any(self._todo[each.name] for each in lane)
            ]
            for lane in busy:
                asked = Lane(
                    lane,
                    self._todo,
                    self._options.jobs,
                    self._config,
                    self._reports.put,
                    self._stopping,
                )
                self._start(asked.run)
            left = len(busy)
            while left:
                report = self._reports.get()
                if isinstance(report, _Ended):
                    left -= 1
                    if report.error is not None:
                        raise as_error_of_thread(report.error)
                elif isinstance(report, Doubt):
                    self._doubted(report.message)
                elif isinstance(report, LoadingModel):
                    progress = replace(progress, loading=report.model)
                else:
                    progress = self._keep(progress, report)
                progress = replace(progress, elapsed_s=time.monotonic() - began)
                yield progress
        finally:
            self._stopping.set()
            for thread in self._threads:
                thread.join(LEAVE_S)

    def _has(self, model: str, question: CaseRepeat) -> bool:
        """Whether the file has the answer. Raises InvalidInput if it has the answer to another
        question."""
        kept = self._file.run.answers.get((question.case.id, model, question.repeat))
        if kept is None:
            return False
        if kept.request != question.fingerprint:
            raise InvalidInput(
                f"{self._file.path} has an answer of {model} to {question.case.id!r}, but to"
                " another question: the case, the system prompt or the options have changed since",
                hint="give another -o FILE",
            )
        return not kept.may_succeed_later

    def _keep(self, progress: Progress, answered: Answered) -> Progress:
        question, reply = answered.question, answered.reply
        answer = recorded(
            reply,
            case=question.case.id,
            repeat=question.repeat,
            request=question.fingerprint,
            machine=self._machine,
            jobs=answered.jobs,
            cost=self._cost_of(reply),
        )
        self._file.add(answer)
        if reply.answer is not None:
            self._answered(reply)
        return replace(
            progress,
            done=progress.done + 1,
            failed=progress.failed + (reply.error is not None),
            model=reply.model,
            loading="",
            output_tokens=progress.output_tokens + (answer.output_tokens or 0),
        )

    # In threads

    def _start(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  raised where the run waits for it
                self._reports.put(_Ended(error))
            else:
                self._reports.put(_Ended())

        thread = threading.Thread(target=guard.in_scope(guarded), name="compare", daemon=True)
        thread.start()
        self._threads.append(thread)


def as_error_of_thread(error: BaseException) -> LocalaiError:
    """The error that a thread of the run ended with."""
    return as_error(error) if isinstance(error, Exception) else LocalaiError(repr(error))


def unanswered(answers: Sequence[RecordedAnswer]) -> RecordedAnswer | None:
    """The failure of a model that answered no case at all; None where it answered one."""
    if not answers or any(each.error is None for each in answers):
        return None
    return answers[0]
