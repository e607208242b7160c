"""`localai bench tune`: the settings of the embedded engine that are worth changing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from localai.commands.bench.following import follow
from localai.commands.common_options import Json, Quiet
from localai.commands.settings import load_settings, open_pool
from localai.dataclass import dataclass
from localai.errors import FinishedWithFailures, Interrupted, InvalidInput
from localai.output.output import Output
from localai.patterns import lazy_pattern
from localai.units import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localai.bench.plan import Plan
    from localai.bench.stored_runs import StoredRun
    from localai.bench.tuning import EngineCores, Settings
    from localai.config import Config
    from localai.database import Database
    from localai.hardware.facts import Machine
    from localai.paths import Paths
    from localai.providers.pool import ProviderPool

_PROMPT: Final = "512"
_ANSWER: Final = "48"
_SETTING: Final = lazy_pattern(r"engine\.\w+")


def tune(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(help="The model.  [default: the default model]")
    ] = None,
    prompt: Annotated[
        str, typer.Option("-p", "--prompt", metavar="N", help="Prompt length, in tokens.")
    ] = _PROMPT,
    answer: Annotated[
        str, typer.Option("-n", "--answer", metavar="N", help="Answer length, in tokens.")
    ] = _ANSWER,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            help="The lengths and texts of a kind of work in place of these: code-edit, chat, …",
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            "--only", metavar="SETTING,…", help="Try only these settings: engine.threads,…"
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the last search that was broken off.")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Try the engine's settings one by one, and say which are worth changing, and by how much.

    What gains is measured a second time, and only that decides. No setting is changed: each
    suggestion is a line to run. The exit code is 8 if a setting could not be tried.
    """
    from contextlib import closing

    from localai.bench.plan import Plan, shape_of
    from localai.bench.resuming import unfinished_search
    from localai.bench.values import token_counts
    from localai.database import Database

    output = Output("bench", as_json=as_json, quiet=quiet)

    def plan_of(model: str | None, prompt: str, answer: str, profile: str | None) -> Plan:
        shape = shape_of(profile, quick=False, crowded=False)
        return Plan(
            models=() if model is None else (model,),
            engines=("llamacpp",),
            prompts=(shape.prompts if profile else token_counts(prompt, "-p"))[:1],
            answers=(shape.answers if profile else token_counts(answer, "-n"))[:1],
            depths=shape.depths[:1],
            profile=shape.profile,
            quick=True,
        )

    plan = plan_of(model, prompt, answer, profile)
    paths, config = load_settings("bench")
    with closing(Database(paths.database)) as database:
        search = _Search(config, paths, open_pool(context, paths), database, output)
        if resume:
            if only is not None:
                raise InvalidInput("--resume goes on with the settings that were tried")
            found = unfinished_search(database, plan, plan_of(None, _PROMPT, _ANSWER, None))
            return search.go_on(found)
        return search.begin(plan, [each.strip() for each in only.split(",")] if only else ())


@dataclass(slots=True)
class _Search:
    """A search for settings: everything is tried, then what gained is measured once more."""

    config: Config
    paths: Paths
    pool: ProviderPool
    database: Database
    output: Output

    def begin(self, plan: Plan, only: Sequence[str]) -> int:
        """The whole search, and its exit code."""
        from localai.bench.tuning import trials
        from localai.hardware.this_machine import this_machine
        from localai.providers.gpu_use import machine_of_engine
        from localai.sizing.devices import gpu_kind

        machine = this_machine(self.paths, "once", self.output.note)
        # What is tried may put layers on a card that the setting in force leaves idle.
        used = machine_of_engine(
            machine, self.config.with_flags(engine__gpu_layers=None), self.paths
        )
        tried = trials(
            {key: value.value for key, value in self.config.values.items()},
            _cores(machine),
            has_gpu=any(gpu_kind(gpu) is not None for gpu in used.gpus),
            prompt_tokens=plan.prompts[0],
            only=only,
        )
        if len(tried) == 1:
            raise InvalidInput(f"there is nothing to try of {', '.join(only)} here")
        self.output.note(
            f"trying {counted(len(tried) - 1, 'setting')}, each alone, beside those in force"
        )
        return self._decide(self._measure(replace(plan, trials=tuple(tried))))

    def go_on(self, broken: StoredRun) -> int:
        """What is left of a search that was broken off, and its exit code."""
        from localai.bench.stored_runs import read_run

        plan = broken.plan
        assert plan is not None
        if plan.confirms is not None:
            return self._decide(read_run(self.database, plan.confirms), broken)
        if broken.ended_at is None:
            return self._decide(self._measure(plan, broken))
        return self._decide(broken)

    def _decide(self, run: StoredRun, broken: StoredRun | None = None) -> int:
        """Measure once more what gained in `run`, and show what came of it. `broken` is the second
        measurement, if it was begun."""
        from localai.bench.tuning import Suggestions, confirmations, gains, not_tried, suggestions
        from localai.output.bench import show_run
        from localai.output.bench_tuning import show_suggestions

        plan, output = run.plan, self.output
        assert plan is not None
        gained, confirming, found = gains(run.cells, plan.trials), None, Suggestions()
        show_run(output, run, beside=False)
        if gained:
            output.note("measuring once more what gained")
            wanted = confirmations(plan.trials[0], gained)
            again = replace(plan, trials=tuple(map(dict, wanted.trials)), confirms=run.id)
            confirming = self._measure(again, broken)
            found = suggestions(confirming.cells, wanted)
        if output.as_json:
            from localai.output.documents.bench import bench_tune_document

            output.document(bench_tune_document(run, confirming, found))
        if confirming is not None:
            output.line("")
            show_run(output, confirming, beside=False)
        failed = not_tried(run.cells, plan.trials)
        error = _failure(failed, plan.trials)
        if error is None or failed[0][0] != plan.trials[0]:
            show_suggestions(output, gained, found, failed)
        if error is None:
            return 0
        if output.as_json:
            # The document tells the rest.
            return error.exit_code
        raise error

    def _measure(self, plan: Plan, before: StoredRun | None = None) -> StoredRun:
        """Measure a model under the settings of `plan`, and keep it as a run. Ctrl-C shows what was
        measured."""
        from localai.bench.plan import QUICK
        from localai.bench.start import begin
        from localai.bench.stored_runs import read_run
        from localai.bench.tuning import CONFIRMING
        from localai.output.bench import show_run

        note = self.output.note
        limits = QUICK if plan.confirms is None else CONFIRMING
        started = begin(
            plan,
            self.config,
            self.paths,
            self.pool,
            self.database,
            note,
            before=before,
            limits=limits,
        )
        # Everything is compared with what is in force.
        base = started.bench.rows[0]
        interrupted = follow(started, self.output, given_up=lambda: base.cell.failed is not None)
        if not interrupted:
            started.keeper.end(started.bench.anchor)
        run = read_run(self.database, started.keeper.run_id)
        if not interrupted:
            return run
        if any(cell.samples for cell in run.cells):
            show_run(self.output, run, beside=False)
        self.output.note("what was measured is kept: localai bench tune --resume goes on")
        raise Interrupted("interrupted", command="localai bench tune --resume")


def _failure(
    failed: Sequence[tuple[Settings, str]], tried: Sequence[Settings]
) -> FinishedWithFailures | None:
    """The error of a search in which settings could not be tried; None if all were."""
    if not failed:
        return None
    settings, reason = failed[0]
    if settings == tried[0]:
        named = _SETTING.search(reason)
        return FinishedWithFailures(
            f"what is in force could not be measured, and all is compared with that: {reason}",
            command=None if named is None else f"localai config unset {named[0]}",
        )
    return FinishedWithFailures(
        f"{len(failed)} of {counted(len(tried) - 1, 'setting')} could not be tried"
    )


def _cores(machine: Machine) -> EngineCores:
    from localai.bench.tuning import EngineCores

    physical = machine.cpu.physical_cores.value
    usable = int(machine.cpu.usable_cores.value or physical or 1)
    return EngineCores(physical or usable, max(1, usable))
