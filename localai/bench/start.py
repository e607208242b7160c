"""From what was asked for to a run that can begin: models, texts, machine, what may be paid."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from localai.bench.plan import CLOUD, QUICK, Limits, Plan, Test, tests
from localai.bench.progress import Progress
from localai.bench.resuming import claim, require_same
from localai.bench.run import Bench
from localai.bench.scoring import PIECES, QUICK_PIECES, Scoring
from localai.bench.stored_runs import RunRecorder, StoredRun, note_machine
from localai.bench.subject import Subject, known_of, subjects
from localai.dataclass import dataclass
from localai.units import counted

if TYPE_CHECKING:
    from localai.bench.quality import Quality
    from localai.config import Config
    from localai.database import Database
    from localai.paths import Paths
    from localai.providers.pool import ProviderPool


@dataclass(frozen=True, slots=True)
class Started:
    """A run that is ready. `announcements` are what must be said before the first request."""

    bench: Bench
    keeper: RunRecorder
    announcements: tuple[str, ...]
    scoring: Scoring | None = None

    def steps(self) -> Generator[Progress, None, None]:
        """Measure, then score where that was asked for; what is known is kept as it comes."""
        with closing(self.bench.run(self.keeper.keep)) as measuring:
            yield from measuring
        if self.scoring is not None:
            scored = [
                row.subject
                for row in self.bench.rows
                if row.cell.quality is not None and row.cell.quality.unavailable is None
            ]
            yield from self.scoring.run(self._keep_quality, scored)

    def _keep_quality(self, subject: Subject, quality: Quality) -> None:
        for number, row in enumerate(self.bench.rows):
            if row.subject is subject:
                row.cell = replace(row.cell, quality=quality)
                self.keeper.keep(number, row.cell)


def begin(
    plan: Plan,
    config: Config,
    paths: Paths,
    pool: ProviderPool,
    database: Database,
    announce: Callable[[str], None],
    *,
    force: bool = False,
    before: StoredRun | None = None,
    limits: Limits | None = None,
) -> Started:
    """Make everything ready. `before` is a run to go on with, whose plan then holds. `limits` stand
    in for those that the plan implies.

    Raises what finding the models raises, and InvalidInput for a test that a model has no context
    for, and for a run to go on with that another process measures, or whose models, settings or
    machine are others now.
    """
    from localai.engine.llamacpp.evaluation import require_numpy
    from localai.hardware.this_machine import this_machine

    if before is not None:
        claim(before.id, paths)
        plan = before.plan or plan
    if plan.quality:
        # Before a minute is spent on speeds.
        require_numpy()
    wanted = [
        replace(test, profile=plan.profile)
        for test in tests(plan.prompts, plan.answers, plan.depths, plan.users, plan.rates)
    ]
    chosen = list(
        subjects(
            plan.models,
            plan.engines,
            config,
            pool,
            plan.engine_settings,
            plan.quantizations,
            paths,
        )
    )
    machine = this_machine(paths, "once", announce)
    context = max(config["engine.context"], *(test.context_tokens for test in wanted))
    middles = [t.depth_tokens + t.prompt_tokens + t.output_tokens // 2 for t in wanted]
    known = [known_of(each, machine, middles, context, paths, pool) for each in chosen]
    note = note_machine(machine)
    bench = Bench(
        chosen,
        wanted,
        known,
        limits or (QUICK if plan.quick else Limits()),
        cores=int(note.cores or 1),
        objectives=plan.objectives,
        force=force,
    )
    if before is not None:
        require_same(before, bench.cells, note)
        bench.go_on_with(before.cells)
    scoring = None
    if plan.quality:
        scoring = Scoring(
            chosen,
            paths,
            pool,
            threads=int(note.cores or 1),
            pieces=QUICK_PIECES if plan.quick else PIECES,
            available_bytes=None if force else _available_bytes,
        )
    announcements = tuple(_announcements(chosen, wanted))
    if before is not None:
        return Started(bench, RunRecorder(database, before.id), announcements, scoring)
    keeper = RunRecorder.new(database, note, plan)
    claim(keeper.run_id, paths)
    for number, cell in enumerate(bench.cells):
        keeper.keep(number, cell)
    return Started(bench, keeper, announcements, scoring)


def _available_bytes() -> int | None:
    from localai.hardware.memory import live_memory

    return live_memory().available_bytes.value


def _announcements(chosen: Sequence[Subject], wanted: Sequence[Test]) -> Iterator[str]:
    for subject in chosen:
        destination = subject.destination()
        if destination is None:
            continue
        yield destination
        if subject.is_cloud:
            yield _most_paid(subject, wanted)


def _most_paid(subject: Subject, wanted: Sequence[Test]) -> str:
    """How many requests there will be at most, and what they cost at most."""
    from localai.cost.prices import price
    from localai.events import Usage
    from localai.units import money_text

    # Each is made twice as often at most, once more to warm up, and a few to learn its length.
    each = 2 * CLOUD.least + CLOUD.warm_ups + 4
    model = subject.selected.model
    prompt = sum(each * (t.depth_tokens + t.prompt_tokens) for t in wanted)
    output = sum(each * t.output_tokens for t in wanted)
    import time

    usage = Usage(input_tokens=prompt, output_tokens=output)
    cost = price(model.provider, model.id, "cloud", usage, time.time())
    amount = "which cost" if cost.amount is None else f"for {money_text(cost.amount)}"
    unknown = f" an unknown amount ({cost.basis})" if cost.amount is None else " at most"
    return f"{counted(each * len(wanted), 'request')} at most, {amount}{unknown}"
