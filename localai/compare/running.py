"""A suite asked: every case to every model, so often, and each answer kept as soon as it is there.

Models of one machine are asked one after the other, each loaded before its clock starts; others
beside them. What the file has already is not asked again. One thread writes; threads for what is
under way ask.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from localai.batch.concurrency import Closed, SharedContext, make_ready
from localai.chat.request import AskSettings, build_request, overlaid
from localai.compare.asking import Reply, ask, failed
from localai.compare.contestants import Contestant, lanes
from localai.compare.recorded import RecordedAnswer, recorded
from localai.compare.side_by_side import load_in_turn
from localai.compare.suite.case import Case, Suite, fingerprint, seed_of
from localai.dataclass import dataclass
from localai.errors import (
    ContextOverflow,
    LocalaiError,
    NotFound,
    PolicyRefused,
    Unreachable,
    as_error,
)
from localai.options import overlaid_options
from localai.privacy import guard
from localai.sizing.context import generous_context
from localai.types import ChatRequest, Event, Options, Zone

if TYPE_CHECKING:
    from localai.compare.run_file import RunFile
    from localai.config import Config
    from localai.cost.prices import Cost

_LEAVE_S = 2.0
_PAUSE_S = 1.0
_HOPELESS = (PolicyRefused, NotFound)
# So many failures in a row are not the cases' fault.
_PATIENCE = 5


@dataclass(frozen=True, slots=True)
class Manner:
    """How a suite is asked: `settings` are the command line's, over the suite's own.

    `as_shipped` takes each publisher's system prompt where the suite has none, `same_sampling`
    leaves out each publisher's sampling. `jobs` None: one at a time
    here, as many as help elsewhere.
    """

    settings: AskSettings = AskSettings()
    repeats: int = 1
    as_shipped: bool = False
    same_sampling: bool = False
    jobs: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A case's repeat for one model."""

    case: Case
    repeat: int
    fingerprint: str
    request: ChatRequest


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is; `found` were there before. `model` is who answered last."""

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
    """A lane has nothing more to ask."""

    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class _Loading:
    model: str


_Report = tuple[Question, Reply, int] | _Loading | _Ended


class SuiteRun:
    """The questions of `suite` to `contestants`, less those whose answers `file` has.

    `cost_of` says what an answer cost, `answered` is told of each new one. Raises InvalidInput
    where the file has an answer to another question of the same name.
    """

    def __init__(
        self,
        suite: Suite,
        contestants: Sequence[Contestant],
        manner: Manner,
        config: Config,
        file: RunFile,
        *,
        machine: str,
        cost_of: Callable[[Reply], Cost | None],
        answered: Callable[[Reply], None],
    ) -> None:
        self._contestants = contestants
        self._file = file
        self._machine = machine
        self._manner = manner
        self._config = config
        self._cost_of = cost_of
        self._answered = answered
        self._reports: queue.SimpleQueue[_Report] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        asked = questions(suite, contestants, manner, config)
        self.planned = {name: len(each) for name, each in asked.items()}
        self._todo = {
            name: [each for each in some if not self._has(name, each)]
            for name, some in asked.items()
        }

    @property
    def missing(self) -> Mapping[str, int]:
        """How many questions each model will be asked now."""
        return {name: len(each) for name, each in self._todo.items()}

    def run(self) -> Generator[Progress, None, None]:
        """Ask, and say after each answer how far it is. Closing it stops what is under way."""
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
                self._start(partial(self._ask_lane, lane))
            left = len(busy)
            while left:
                report = self._reports.get()
                if isinstance(report, _Ended):
                    left -= 1
                    if report.error is not None:
                        raise as_error_of_thread(report.error)
                elif isinstance(report, _Loading):
                    progress = replace(progress, loading=report.model)
                else:
                    progress = self._keep(progress, *report)
                progress = replace(progress, elapsed_s=time.monotonic() - began)
                yield progress
        finally:
            self._stopping.set()
            for thread in self._threads:
                thread.join(_LEAVE_S)

    def _has(self, model: str, question: Question) -> bool:
        """Whether the answer is there. Raises InvalidInput where it is to something else."""
        from localai.errors import InvalidInput

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

    def _keep(self, progress: Progress, question: Question, reply: Reply, jobs: int) -> Progress:
        answer = recorded(
            reply,
            case=question.case.id,
            repeat=question.repeat,
            request=question.fingerprint,
            machine=self._machine,
            jobs=jobs,
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
        self._threads.append(thread)
        thread.start()

    def _ask_lane(self, lane: Sequence[Contestant]) -> None:
        before: list[Contestant] = []
        for contestant in lane:
            todo = self._todo[contestant.name]
            if todo and not self._stopping.is_set():
                self._ask_all(contestant, todo, before)

    def _ask_all(
        self, contestant: Contestant, todo: Sequence[Question], before: list[Contestant]
    ) -> None:
        self._reports.put(_Loading(contestant.name))
        jobs = _jobs(contestant, self._manner, self._config)
        context = SharedContext()
        try:
            if jobs > 1:
                sample = [each.request for each in todo[: 4 * jobs]]
                jobs, context = make_ready(contestant.selected, jobs, sample)
            load_s = load_in_turn(contestant, todo[0].request, before, lambda _: None)
        except Exception as error:  # noqa: BLE001  the other models go on
            self._reports.put((todo[0], failed(contestant, todo[0].request, error), jobs))
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
                thread.join(None if not self._stopping.is_set() else _LEAVE_S)

    def _work(
        self, contestant: Contestant, shared: _Shared, context: SharedContext, jobs: int
    ) -> None:
        while (question := shared.next()) is not None:
            reply = self._reply(contestant, question, context, shared.take_load_s())
            if reply is None:
                return
            self._reports.put((question, reply, jobs))
            shared.look_for_an_end(reply.error)

    def _reply(
        self,
        contestant: Contestant,
        question: Question,
        context: SharedContext,
        load_s: float | None,
    ) -> Reply | None:
        """The reply; once more, alone, where the provider broke off."""

        def nothing(_event: Event) -> None:
            pass

        for alone in (False, True):
            try:
                with context.share(None if alone else generous_context(question.request)):
                    reply = ask(
                        contestant, question.request, nothing, self._stopping, load_s=load_s
                    )
            except Closed:
                return None
            if reply is None or alone or not isinstance(reply.error, Unreachable):
                return reply
            if self._stopping.wait(_PAUSE_S):
                return None
        return reply


class _Shared:
    """What the threads of one model take their questions from."""

    def __init__(
        self, todo: deque[Question], stopping: threading.Event, load_s: float | None
    ) -> None:
        self._todo = todo
        self._stopping = stopping
        self._load_s = load_s
        self._lock = threading.Lock()
        self._failures = 0

    def next(self) -> Question | None:
        """The next question; None when nothing more is to be asked."""
        with self._lock:
            if self._stopping.is_set() or not self._todo:
                return None
            return self._todo.popleft()

    def take_load_s(self) -> float | None:
        """What loading took, told to the first answer alone."""
        with self._lock:
            taken, self._load_s = self._load_s, None
            return taken

    def look_for_an_end(self, error: LocalaiError | None) -> None:
        """Ask nothing more where the failures are not the questions' own."""
        with self._lock:
            if error is None or isinstance(error, ContextOverflow):
                self._failures = 0
                return
            self._failures += 1
            if isinstance(error, _HOPELESS) or self._failures >= _PATIENCE:
                self._todo.clear()


def questions(
    suite: Suite, contestants: Sequence[Contestant], manner: Manner, config: Config
) -> dict[str, list[Question]]:
    """What each model is to be asked, case after case, then all of them again for each repeat.

    A case that shall stay on this machine is not asked of a model elsewhere.
    """
    return {
        each.name: [
            _question(case, repeat, each, suite, manner, config)
            for repeat in range(1, manner.repeats + 1)
            for case in suite.cases
            if not (case.local_only and leaves(each))
        ]
        for each in contestants
    }


def leaves(contestant: Contestant) -> bool:
    """Whether a prompt for it leaves this machine, or may."""
    return contestant.host is not None or contestant.selected.model.zone is not Zone.DEVICE


def _question(
    case: Case,
    repeat: int,
    contestant: Contestant,
    suite: Suite,
    manner: Manner,
    config: Config,
) -> Question:
    model = contestant.selected.model
    settings = overlaid(overlaid(suite.settings, case.settings), manner.settings)
    if settings.system is None and not manner.as_shipped and not config["chat.system"]:
        # The same for all: a publisher's own prompt would be another question.
        settings = replace(settings, system="")
    print_ = fingerprint(case, settings, contestant.name)
    if settings.options.seed is None and model.zone is not Zone.CLOUD:
        # The clouds take none.
        seed = Options(seed=seed_of(case, repeat))
        settings = replace(settings, options=overlaid_options(seed, settings.options))
    if manner.same_sampling:
        model = replace(model, recommended=Options())
    request = build_request(settings, model, case.messages, config)
    return Question(case, repeat, print_, replace(request, tools=case.tools))


def _jobs(contestant: Contestant, manner: Manner, config: Config) -> int:
    from localai.batch.concurrency import allowed_concurrency

    if manner.jobs is None and contestant.host is None:
        return 1
    return allowed_concurrency(contestant.selected.provider.name, manner.jobs, config)


def as_error_of_thread(error: BaseException) -> LocalaiError:
    """The error with which a thread of the run ended."""
    return as_error(error) if isinstance(error, Exception) else LocalaiError(repr(error))


def unanswered(answers: Sequence[RecordedAnswer]) -> RecordedAnswer | None:
    """The failure of a model that answered no case at all; None where it answered one."""
    if not answers or any(each.error is None for each in answers):
        return None
    return answers[0]
