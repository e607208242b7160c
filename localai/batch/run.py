"""A batch from its first line to its last: which line is asked when, and when to give up.

One thread reads, some ask, and this one decides and writes. Memory does not grow with the input:
lines are read as they are needed, and at most `AHEAD` finished ones wait for an earlier line.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from localai.answers import Answer, PartialAnswer
from localai.batch.answering import Job, Outcome, answer
from localai.batch.concurrency import SharedContext, make_ready
from localai.batch.input import EndOfInput, Line, LineReader
from localai.batch.output import RecordOutput
from localai.batch.progress import Progress
from localai.batch.prompts import LineDefaults, fingerprint, read_prompt
from localai.batch.record_file import record_line
from localai.chat.doubts import Doubts
from localai.chat.request import build_request, overlaid
from localai.dataclass import dataclass
from localai.errors import (
    AnswerRefused,
    ContextOverflow,
    FinishedWithFailures,
    InvalidInput,
    LocalaiError,
    NotFound,
    PolicyRefused,
    SchemaRefused,
    as_error,
)
from localai.privacy import guard
from localai.sizing.context import with_a_limit
from localai.units import counted

if TYPE_CHECKING:
    from localai.chat.select import SelectedModel
    from localai.config import Config

# How many lines may be finished before an earlier one. They wait on disk, or in memory if the
# output is a stream.
AHEAD = 1024
_QUEUED_PER_REQUEST = 4
_GATHER_S = 0.05
_LEAVE_S = 2.0
# After this many failures in a row, beyond the lines that were under way at once, the lines are not
# the cause.
_PATIENCE = 4
# Errors that would fail every line. A lack of memory may be one line's own.
_HOPELESS = (PolicyRefused, NotFound)
# Errors that say nothing about the next line.
_LINES_OWN = (ContextOverflow, FinishedWithFailures, AnswerRefused, SchemaRefused)


class _Stop:
    pass


@dataclass(frozen=True, slots=True)
class _Died:
    """A thread that asks has ended with `error`; the line that it had will never be answered."""

    error: BaseException


class Batch:
    """A run over `source`; `run` may be called once.

    `record` makes the document that is written for an outcome; `answered` is called with each
    answer once its record is written, `warn` once with each thing that is to be said before.
    """

    def __init__(
        self,
        source: BinaryIO,
        output: RecordOutput,
        chosen: SelectedModel,
        defaults: LineDefaults,
        config: Config,
        *,
        concurrency: int,
        record: Callable[[Outcome], Mapping[str, object]],
        answered: Callable[[Answer], None],
        warn: Callable[[str], None],
    ) -> None:
        self._output = output
        self._chosen = chosen
        self._defaults = defaults
        self._config = config
        self._record = record
        self._answered = answered
        self._doubts = Doubts(warn, config)
        self._concurrency = concurrency
        self._events: queue.SimpleQueue[Line | EndOfInput | Outcome | _Stop | _Died] = (
            queue.SimpleQueue()
        )
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._queued = threading.Semaphore(concurrency * _QUEUED_PER_REQUEST)
        self._ahead = threading.Semaphore(AHEAD)
        self._lines = LineReader(source, self._events.put, (self._queued, self._ahead))
        self._context = SharedContext()
        self._stopping = threading.Event()
        self._interruptible = False
        self._counted = Progress()
        self._started: float | None = None
        self._threads: list[threading.Thread] = []
        self._under_way = 0
        self._input_ended = False
        self._first_line = True
        self._last_line = 0
        self._failures_in_a_row = 0

    def stop(self) -> bool:
        """Stop after the requests under way. Returns False if it cannot, because it is loading a
        model or was stopped before.

        May be called by a signal handler.
        """
        if not self._interruptible or self._stopping.is_set():
            return False
        self._stopping.set()
        self._events.put(_Stop())
        return True

    @property
    def stopped(self) -> bool:
        """Whether it was stopped before its end."""
        return self._stopping.is_set() and bool(self._under_way or not self._input_ended)

    def run(self) -> Iterator[Progress]:
        """Answer every line. Yields after each step how far the batch is.

        Raises InvalidInput if the first line is invalid or the output has answers to other lines,
        and the provider's error if the batch cannot go on.
        """
        try:
            self._lines.start()
            first = self._first_jobs()
            yield self._progress()
            if first and not self._stopping.is_set():
                self._interruptible = False
                self._start(first)
            self._interruptible = True
            while (self._under_way or not self._input_ended) and not self._stopping.is_set():
                self._handle(self._events.get())
                yield self._progress()
            if not self._stopping.is_set() and self._output.last > self._last_line:
                raise _input_shortened(self._output.last, self._last_line)
        finally:
            self._leave()

    # Lines

    def _first_jobs(self) -> list[Job]:
        """The lines that can be read without waiting: enough to judge how much context lines
        need."""
        jobs: list[Job] = []
        self._interruptible = True
        while len(jobs) < self._concurrency * _QUEUED_PER_REQUEST and not self._stopping.is_set():
            try:
                event = self._events.get(timeout=_GATHER_S if jobs else None)
            except queue.Empty:
                break
            if isinstance(event, Line):
                job = self._job(event)
                jobs += [] if job is None else [job]
            elif isinstance(event, EndOfInput):
                self._end(event)
                break
        return jobs

    def _job(self, line: Line) -> Job | None:
        """The line as a job; None if it has a record already, or got one now because it is
        invalid."""
        self._last_line = line.number
        print_ = fingerprint(line.content, self._defaults, self._chosen.model)
        before = self._output.finished(line.number)
        if before is not None:
            if before != print_:
                raise _other_question(line.number)
            self._counted = replace(
                self._counted,
                found=self._counted.found + 1,
                found_failed=self._counted.found_failed + self._output.has_failed(line.number),
            )
        self._place(self._output.expect(line.number))
        first, self._first_line = self._first_line, False
        if before is not None:
            self._queued.release()
            return None
        try:
            prompt = read_prompt(line.content, self._defaults)
            settings = overlaid(self._defaults.settings, prompt.settings)
            asked = build_request(settings, self._chosen.model, prompt.messages, self._config)
            request = with_a_limit(asked)
            self._doubts.before(settings, request)
        except Exception as error:
            failure = as_error(error)
            failure.message = f"line {line.number}: {failure.message}"
            if first:
                raise failure from error
            self._queued.release()
            self._write(Outcome(line.number, print_, None, PartialAnswer(), error=failure))
            return None
        return Job(line.number, print_, prompt.id, request, settings.schema)

    def _end(self, end: EndOfInput) -> None:
        if end.error is not None:
            raise end.error
        self._input_ended = True

    # Asking

    def _start(self, jobs: list[Job]) -> None:
        requests = [job.request for job in jobs]
        self._concurrency, self._context = make_ready(self._chosen, self._concurrency, requests)
        self._started = time.monotonic()
        for job in jobs:
            self._ask(job)
        for number in range(self._concurrency):
            work = guard.in_scope(self._work)
            thread = threading.Thread(target=work, name=f"batch {number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _ask(self, job: Job) -> None:
        self._under_way += 1
        self._jobs.put(job)

    def _work(self) -> None:
        try:
            self._answer_jobs()
        except BaseException as error:  # noqa: BLE001  raised where the batch waits for its line
            self._events.put(_Died(error))

    def _answer_jobs(self) -> None:
        while (job := self._jobs.get()) is not None and not self._stopping.is_set():
            self._queued.release()
            provider, warn = self._chosen.provider, self._doubts.warn
            outcome = answer(job, provider, self._context, self._stopping, warn)
            if outcome is not None:
                self._events.put(outcome)

    # Answers

    def _handle(self, event: Line | EndOfInput | Outcome | _Stop | _Died) -> None:
        if isinstance(event, Line):
            job = self._job(event)
            if job is not None:
                self._ask(job)
        elif isinstance(event, EndOfInput):
            self._end(event)
        elif isinstance(event, _Died):
            raise LocalaiError(
                "this is a bug in localai: a thread of the batch ended with"
                f" {type(event.error).__name__}: {event.error}"
            ) from event.error
        elif isinstance(event, Outcome):
            self._under_way -= 1
            if isinstance(event.error, _HOPELESS):
                raise event.error
            outcome = event.checked()
            self._write(outcome)
            self._look_for_an_end(outcome)

    def _look_for_an_end(self, outcome: Outcome) -> None:
        error = outcome.error
        if error is None:
            self._failures_in_a_row = 0
        elif not isinstance(error, _LINES_OWN):
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= self._concurrency + _PATIENCE:
                raise _hopeless(error, self._failures_in_a_row)

    def _write(self, outcome: Outcome) -> None:
        try:
            content = record_line(self._record(outcome))
        except RecursionError:
            deep = InvalidInput(f"line {outcome.number}: its id is nested too deeply to come back")
            outcome = replace(outcome, id=None, error=outcome.error or deep)
            content = record_line(self._record(outcome))
        failed = outcome.error is not None
        placed = self._output.write(outcome.number, content, outcome.fingerprint, failed=failed)
        self._place(placed)
        self._counted = self._counted.with_line(outcome)
        if outcome.answer is not None:
            self._answered(outcome.answer)

    def _place(self, lines: int) -> None:
        if lines:
            self._ahead.release(lines)

    def _progress(self) -> Progress:
        elapsed_s = 0.0 if self._started is None else time.monotonic() - self._started
        return replace(self._counted, concurrency=self._concurrency, elapsed_s=elapsed_s)

    def _leave(self) -> None:
        ended = not self._under_way and self._input_ended
        self._stopping.set()
        self._context.close()
        for _ in self._threads:
            self._jobs.put(None)
        deadline = time.monotonic() + (0 if ended else _LEAVE_S)
        for thread in self._threads:
            # A thread that still waits for a server ends with the process.
            thread.join(max(0.0, deadline - time.monotonic()))
        self._output.close()


def _other_question(number: int) -> InvalidInput:
    return InvalidInput(
        f"line {number} has an answer in the output, but to another question:"
        " the line, the model, the system prompt, the options or the schema have changed since",
        hint="give another --output FILE, or delete this one",
    )


def _input_shortened(answered: int, last: int) -> InvalidInput:
    return InvalidInput(
        f"the output has an answer to line {answered}, and the input ends with line {last}",
        hint="give another --output FILE, or delete this one",
    )


def _hopeless(error: LocalaiError, failures: int) -> LocalaiError:
    stopped = type(error)(
        f"the batch stops after {counted(failures, 'failure')} in a row: {error.message}"
    )
    stopped.hint, stopped.command = error.hint, error.command
    if stopped.hint is None:
        stopped.hint = "the same command with --retry-failed goes on"
    return stopped
