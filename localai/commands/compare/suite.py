"""`localai compare --suite FILE`, and `localai compare new`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from localai import __version__
from localai.chat.doubts import Doubts
from localai.chat.recorder import UsageRecorder
from localai.commands.compare.judging import judge_answers
from localai.commands.compare.reporting import Reports, conclude
from localai.commands.parsed_ask_options import ParsedAskOptions
from localai.compare.asking import Reply
from localai.compare.contestants import Contestant, departures
from localai.compare.recorded import Head, ModelFacts, RecordedCase
from localai.errors import InvalidInput, class_of_kind
from localai.output.output import Output
from localai.units import counted

if TYPE_CHECKING:
    from localai.compare.questions import SuiteOptions
    from localai.compare.run_file import Run, RunFile
    from localai.compare.running import SuiteRun
    from localai.compare.suite.case import Suite
    from localai.config import Config
    from localai.cost.prices import Cost
    from localai.paths import Paths


def new(
    file: Annotated[Path, typer.Argument(help="The file to write, such as suite.toml.")],
) -> None:
    """Write a suite with two cases. Its comments explain everything that a suite can have."""
    from localai.compare.suite.new import NEW_SUITE
    from localai.files import cannot_write, create_atomically, require_place_for

    output = Output("compare")
    require_place_for(file)
    try:
        create_atomically(file, [NEW_SUITE.encode()])
    except FileExistsError as error:
        raise InvalidInput(f"{file} is there already", hint="take another name") from error
    except OSError as error:
        raise cannot_write(file, error) from error
    output.note(f"wrote {file}; now: localai compare --suite {file} -m MODEL -m MODEL")


def run_suite(
    suite: Suite,
    contestants: tuple[Contestant, ...],
    options: SuiteOptions,
    parsed: ParsedAskOptions,
    output: Output,
    paths: Paths,
    *,
    judge: Contestant | None,
    record: Path | None,
    runs_code: bool,
    reports: Reports,
    counted: bool,
) -> int:
    """Ask the suite, keep the run, and show its results."""
    from localai.compare.run_file import RunFile
    from localai.compare.running import SuiteRun

    reports.check()
    if runs_code:
        from localai.compare.execution import require_confinement

        require_confinement()
    for line in suite.not_taken:
        output.warn(f"not taken: {line}")
    if suite.licence is not None:
        output.note(f"{suite.name}: {suite.licence}")
    machine = f"{os.uname().nodename}, {os.uname().machine}, {os.cpu_count()} CPUs"
    file = RunFile(record)
    try:
        _require_the_same_suite(file, suite)
        config = parsed.config
        usage = UsageRecorder(paths.database, "compare", output.warn)
        doubts = Doubts(output.warn, config)
        work = SuiteRun(
            suite,
            contestants,
            options,
            config,
            file,
            machine=machine,
            cost_of=lambda reply: _cost(reply, config),
            answered=lambda reply: _count(usage, reply, counted),
            doubted=doubts.warn,
        )
        _keep_what_is_asked(file, suite, contestants, judge, options, machine)
        for line in departures(contestants, work.missing, config):
            output.announce(line)
        for request in work.requests():
            doubts.before(parsed.settings, request)
        if sum(work.missing.values()):
            _say_if_busy(output)
        _follow(work, output, keeps=record is not None)
        _require_an_answer_of_each(file.run, contestants)
        if runs_code:
            _run_code(file, output)
        if judge is not None:
            judge_answers(judge, file, config, output, lambda reply: _count(usage, reply, counted))
        return conclude(output, file.run, reports)
    finally:
        file.close()


def _require_the_same_suite(file: RunFile, suite: Suite) -> None:
    """Raise InvalidInput if the run file is of another suite: one by another name, or of which no
    case is in this one."""
    before, known = file.run.head, file.run.cases
    if before is None:
        return
    if before.suite == suite.name and any(case.id in known for case in suite.cases):
        return
    other = f"the suite {before.suite}"
    if before.suite == suite.name:
        other = f"another suite called {before.suite}: no case of this one is in it"
    raise InvalidInput(
        f"{file.path} has a run of {other}; both in one file would be one result",
        hint=f"another file, such as -o {suite.name}-2.jsonl"
        if before.suite == suite.name
        else f"another file, such as -o {suite.name}.jsonl",
    )


def _keep_what_is_asked(
    file: RunFile,
    suite: Suite,
    contestants: tuple[Contestant, ...],
    judge: Contestant | None,
    options: SuiteOptions,
    machine: str,
) -> None:
    """Keep the head and the cases in the run file, because a report is made from that file
    alone."""
    import time

    before = file.run.head
    judges = {each.name: each for each in (() if before is None else before.judges)}
    if judge is not None:
        judges[judge.name] = _facts(judge)
    head = Head(
        suite=suite.name,
        models=tuple(map(_facts, contestants)),
        repeats=options.repeats,
        at=time.time() if before is None else before.at,
        localai=__version__,
        machine=machine,
        licence=suite.licence,
        gate=None if suite.gate is None else asdict(suite.gate),
        judges=tuple(judges.values()),
    )
    cases = [
        RecordedCase(
            id=case.id,
            messages=tuple((each.role, each.text) for each in case.messages),
            expect=case.expect,
            local_only=case.local_only,
            tags=case.tags,
        )
        for case in suite.cases
    ]
    file.add_changed([head, *cases])


def _facts(contestant: Contestant) -> ModelFacts:
    model = contestant.selected.model
    return ModelFacts(
        name=contestant.name,
        provider=model.provider,
        zone=None if model.zone is None else model.zone.label,
        host=contestant.host,
        digest=model.digest,
        quantization=model.quantization,
        parameters=model.parameters,
    )


def _say_if_busy(output: Output) -> None:
    from localai.compare.processor_load import BUSY_PERCENT, waiting_percent

    waiting = waiting_percent()
    if waiting is not None and waiting > BUSY_PERCENT:
        output.note(
            f"this machine is busy ({waiting:.0f}% of the last 10 s some program waited for a"
            " processor): the speeds will be those of a busy machine"
        )


def _follow(work: SuiteRun, output: Output, *, keeps: bool) -> None:
    from localai.output.long_work import LongWork
    from localai.output.suite_progress import progress_text

    shown = LongWork(output)
    steps = work.run()
    try:
        for progress in steps:
            shown.show(progress_text(progress))
    except KeyboardInterrupt:
        shown.clear()
        if keeps:
            output.note("the same command goes on where this one stopped")
        raise
    finally:
        steps.close()
        shown.clear()


def _run_code(file: RunFile, output: Output) -> None:
    """Run the code in the answers, if a case expects it and it was not run yet."""
    from localai.compare.code_run import run_trials, trials

    todo = trials(file.run)
    try:
        for done in run_trials(todo, file):
            output.progress(f"code of {done:,} of {counted(len(todo), 'answer')} was run")
    finally:
        output.end_progress()


def _require_an_answer_of_each(run: Run, contestants: tuple[Contestant, ...]) -> None:
    """Raise the failure of a model that answered no case at all."""
    from localai.compare.running import unanswered

    for contestant in contestants:
        answers = [each for each in run.answers.values() if each.model == contestant.name]
        failed = unanswered(answers)
        if failed is not None and not failed.overflowed:
            kind = class_of_kind(failed.error_kind)
            raise kind(f"{contestant.name} answered no case: {failed.error}")


def _cost(reply: Reply, config: Config) -> Cost | None:
    from localai.cost.prices import cost_of

    return None if reply.answer is None else cost_of(reply.answer, config)


def _count(usage: UsageRecorder, reply: Reply, counted: bool) -> None:
    if counted and reply.answer is not None:
        usage.record(reply.answer)
