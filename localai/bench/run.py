"""Measuring: every row in turn, forwards and backwards, until each is known well enough.

The rows are interleaved A B B A, so that a machine that grows warm or busy does so for all of them.
Each is asked until it is steady, then at least six times, then until its intervals are narrow.
Nothing is printed: `Bench.run` yields the progress and passes each cell to `keep` after every
answer, so that an interrupted run keeps all its measurements.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Final

from localai.bench.anchor import anchor, has_moved
from localai.bench.arriving import arrivals, wanted_arrivals
from localai.bench.cell import Cell, decode, is_finished, is_steady, prefill
from localai.bench.loaded_models import LoadedModels
from localai.bench.plan import (
    CLOUD,
    LEAST_REPETITIONS,
    NO_OBJECTIVES,
    SPARE_TOKENS,
    Limits,
    Objectives,
    Test,
)
from localai.bench.progress import Phase, Progress
from localai.bench.prompts import Prompts
from localai.bench.recording import Sample, record
from localai.bench.remarks import has_several_engines
from localai.bench.row import Row, with_memory
from localai.bench.subject import Known, Subject
from localai.bench.verdict import moved_note
from localai.errors import InvalidInput, LocalaiError
from localai.hardware.energy import EnergyMeter, energy_meter
from localai.statistics import Interval

# A model must not be unloaded between two answers.
_KEEP_ALIVE_S: Final = 900.0
# The repetitions of a turn for which the model is loaded with other settings.
_BLOCK: Final = 3
_IN_TURN: Final = "not interleaved: the models do not fit into memory together"


class Bench:
    """One run over `subjects` and `tests`. `cores` is how many cores the anchors use; there are
    none where it is 0.
    """

    def __init__(
        self,
        subjects: Sequence[Subject],
        tests: Sequence[Test],
        known: Sequence[Known],
        limits: Limits,
        *,
        cores: int,
        objectives: Objectives = NO_OBJECTIVES,
        force: bool = False,
    ) -> None:
        self._models = LoadedModels(subjects, tests)
        self._tests = tests
        self._limits = limits
        self._cores = cores
        self._force = force
        self._objectives = objectives
        self._source = random.Random()
        self._anchors: list[Interval] = []
        self._all_anchors: list[Interval] = []
        self._deadline = float("inf")
        self.rows = [
            self._row(subject, test, known[number])
            for number, subject in enumerate(subjects)
            for test in tests
        ]

    def go_on_with(self, cells: Sequence[Cell]) -> None:
        """Take the rows of an earlier run over, in their order: only what they lack is measured.
        A row without an answer is tried again."""
        for row, cell in zip(self.rows, cells, strict=False):
            samples = cell.samples if cell.succeeded else ()
            row.cell = replace(cell, samples=samples, failed=None)

    @property
    def cells(self) -> list[Cell]:
        """What was measured so far, in the order of the rows."""
        return [row.cell for row in self.rows]

    @property
    def anchor(self) -> float | None:
        """How fast the machine itself was during the run; None where nothing was computed on it."""
        found = [each.value for each in self._all_anchors]
        return median(found) if found else None

    def run(self, keep: Callable[[int, Cell], None]) -> Generator[Progress, None, None]:
        """Measure everything; a model or test that fails is a cell that says why. `keep` is told
        each row's number and state whenever it changes."""
        self._keep = keep
        self._models.remember()
        with energy_meter() as meter:
            self._know_energy(meter)
            yield from self._run()

    def _run(self) -> Iterator[Progress]:
        if all(self._is_whole(row) for row in self.rows):
            return
        try:
            for name in self._models.load_all(self.rows, self._fail):
                yield Progress("loading", name, "")
            groups = [self.rows] if self._models.together else self._by_subject()
            self._deadline = time.monotonic() + self._limits.budget_s * max(1, len(self.rows))
            for group in groups:
                yield from self._measure(group)
                if not self._models.together:
                    self._models.release(group[0])
        finally:
            self._models.restore(self.rows)

    def _know_energy(self, meter: EnergyMeter) -> None:
        """Have the rows that are computed here read the `meter`, and note the power before."""
        idle = meter.idle()
        for row in self.rows:
            if idle is not None and not row.subject.leaves_machine:
                row.meter = meter
                row.cell = replace(row.cell, energy_from=idle.domains, idle_w=idle.watts)

    def _row(self, subject: Subject, test: Test, known: Known) -> Row:
        model, provider = subject.selected.model, subject.selected.provider
        needed = max(each.context_tokens for each in self._tests) + SPARE_TOKENS
        asked = None if needed <= subject.config["engine.context"] else -(-needed // 256) * 256
        loaded = self._models.was_loaded(subject)
        prompts = Prompts(
            subject, test, asked, self._source, None if loaded else _KEEP_ALIVE_S, self._force
        )
        middle = test.depth_tokens + test.prompt_tokens + test.output_tokens // 2
        cell = Cell(
            model=subject.name,
            provider=provider.name,
            engine=provider.engine() or provider.name,
            test=test,
            digest=known.digest,
            zone=None if model.zone is None else model.zone.label,
            settings=dict(subject.settings),
            objectives=self._objectives if test.rate is not None else NO_OBJECTIVES,
            active_bytes=known.active_bytes,
            context_bytes_per_token=known.context_bytes_per_token,
            bandwidth_bytes_per_s=known.bandwidth_bytes_per_s,
            predicted_tokens_per_s=known.predicted.get(middle) if test.output_tokens > 1 else None,
        )
        if model.context_limit is not None and needed - SPARE_TOKENS > model.context_limit:
            raise InvalidInput(
                f"{subject.name} was made for a context of {model.context_limit:,} tokens,"
                f" and {test.label} needs {test.context_tokens:,}",
                hint="a smaller -p, -n or -d",
            )
        return Row(subject, prompts, cell, CLOUD if subject.is_cloud else self._limits)

    def _by_subject(self) -> list[list[Row]]:
        """The rows of each model, where the models cannot be in memory together."""
        for row in self.rows:
            row.cell = _noted(row.cell, _IN_TURN)
        subjects = dict.fromkeys(id(row.subject) for row in self.rows)
        return [[row for row in self.rows if id(row.subject) == each] for each in subjects]

    def _fail(self, subject: Subject, error: LocalaiError) -> None:
        for row in self.rows:
            if row.subject is subject:
                self._change(row, replace(row.cell, failed=error.message))

    # Measuring

    def _measure(self, rows: list[Row]) -> Iterator[Progress]:
        rows = [row for row in rows if row.cell.failed is None and not self._is_whole(row)]
        for row in rows:
            yield self._progress("fitting", row)
            try:
                row.prompts.fit()
            except LocalaiError as error:
                self._change(row, replace(row.cell, failed=error.message))
        rows = [row for row in rows if row.cell.failed is None]
        measured = list(rows)
        self._look(rows)
        for row in rows:
            yield from self._warm_up(row)
        for row in [row for row in rows if row.cell.test.rate is not None]:
            wanted = wanted_arrivals(row, self._limits)
            begin, before = time.monotonic(), len(row.cell.samples)
            for done in arrivals(row, wanted, self._source, partial(self._change, row)):
                made, took_s = done - before, time.monotonic() - begin
                left_s = took_s / made * (wanted - done) if made else None
                now = self._progress("measuring", row)
                yield replace(now, done=done, wanted=wanted, left_s=left_s)
            rows.remove(row)
        number = max((len(row.cell.samples) for row in rows), default=0)
        halfway, turn = False, 0
        # Where a turn begins with another worker, it is worth several repetitions.
        block = _BLOCK if any(self._models.changes_worker(row) for row in rows) else 1
        while unfinished := [row for row in rows if not self._is_finished(row)]:
            backwards = turn % 4 in (1, 2)
            for row in reversed(unfinished) if backwards else unfinished:
                self._take_worker(row)
                for each in range(number, number + block):
                    self._repeat(row, each)
                    yield self._progress("measuring", row)
            turn, number = turn + 1, number + block
            if not halfway and number >= LEAST_REPETITIONS:
                self._look(rows)
                halfway = True
        self._look(measured)
        self._mark_if_moved(measured)

    def _look(self, rows: list[Row]) -> None:
        """How fast the machine itself is just now, if anything is computed on it."""
        if self._cores and any(not row.subject.leaves_machine for row in rows):
            self._anchors.append(anchor(self._cores))

    def _mark_if_moved(self, rows: list[Row]) -> None:
        if has_moved(self._anchors):
            for row in rows:
                self._change(row, _noted(row.cell, moved_note()))
        self._all_anchors += self._anchors
        self._anchors.clear()

    def _take_worker(self, row: Row) -> None:
        """Have the model loaded with the row's settings, and the first answer behind it."""
        if self._models.changes_worker(row):
            try:
                self._models.load(row)
                record(row.subject.selected.provider, row.prompts.loading(), -1)
            except LocalaiError as error:
                self._change(row, replace(row.cell, failed=error.message))

    def _warm_up(self, row: Row) -> Iterator[Progress]:
        """Ask at full size until it is steady."""
        self._take_worker(row)
        made: list[Sample] = []
        begin = time.monotonic()
        while len(made) < row.limits.warm_ups and not is_steady(tuple(made), row.cell.test):
            if made and time.monotonic() - begin > row.limits.warm_up_s:
                break
            yield self._progress("warming", row, len(made))
            made.append(row.repeat(-1))
            if made[-1].failed is not None and len(made) > 1:
                break
        warm = is_steady(tuple(made), row.cell.test) or row.subject.is_cloud
        if row.cell.samples:
            # Those of an earlier run stay what they were.
            warm = warm and row.cell.is_warm
        self._change(row, replace(row.cell, warm_ups=len(made), is_warm=warm))

    def _repeat(self, row: Row, number: int) -> None:
        sample = row.repeat(number)
        cell = with_memory(row.cell, row.pid)
        self._change(row, replace(cell, samples=(*row.cell.samples, sample)))

    def _change(self, row: Row, cell: Cell) -> None:
        row.cell = cell
        self._keep(self.rows.index(row), cell)

    def _is_whole(self, row: Row) -> bool:
        """Whether nothing of the row is left to measure, however much time there is."""
        if row.cell.test.rate is not None:
            return len(row.cell.samples) >= wanted_arrivals(row, self._limits)
        return is_finished(row.cell, row.limits, out_of_time=False)

    def _is_finished(self, row: Row) -> bool:
        late = time.monotonic() > self._deadline
        return is_finished(row.cell, row.limits, out_of_time=late)

    def _progress(self, phase: Phase, row: Row, done: int | None = None) -> Progress:
        cell = row.cell
        has_several = has_several_engines([each.cell for each in self.rows])
        return Progress(
            phase=phase,
            model=f"{cell.model} in {cell.engine}" if has_several else cell.model,
            test=cell.test.label,
            done=len(cell.samples) if done is None else done,
            wanted=max(row.limits.least, len(cell.samples)),
            prefill=cell.interval(prefill),
            decode=cell.interval(decode),
            left_s=self._left_s(),
        )

    def _left_s(self) -> float | None:
        """About how long it still takes: what the least repetitions and warm-ups would."""
        left = 0.0
        for row in self.rows:
            if row.took_s is None:
                if row.cell.failed is None:
                    return None
                continue
            missing = row.limits.least - len(row.cell.undisturbed)
            left += row.took_s * max(missing, 0 if self._is_finished(row) else 1)
        return left


def _noted(cell: Cell, note: str) -> Cell:
    """The cell with a note, once."""
    return replace(cell, notes=tuple(dict.fromkeys((*cell.notes, note))))
