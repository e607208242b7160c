"""The judges of a run: a model that sees both orders, and a person who does not see the models'
names."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from localai.chat.select import select_model
from localai.commands.compare.reporting import RunPath
from localai.compare.contestants import Contestant, contestant_of
from localai.errors import InvalidInput
from localai.output.output import Output
from localai.units import counted

if TYPE_CHECKING:
    from localai.compare.asking import Reply
    from localai.compare.recorded import RecordedAnswer
    from localai.compare.run_file import Run, RunFile
    from localai.config import Config
    from localai.paths import Paths
    from localai.providers.pool import ProviderPool

_AUTO = "auto"


def choose_judge(
    name: str | None,
    contestants: tuple[Contestant, ...],
    config: Config,
    paths: Paths,
    providers: ProviderPool,
    output: Output,
) -> Contestant | None:
    """The judge that was named. For `auto`, the largest model of this machine that is no contestant
    and, if possible, no contestant's kin. A warning says if the judge is kin. Raises NotFound and
    InvalidInput."""
    if name is None:
        return None
    from localai.compare.judging import kin_of, largest_outsider
    from localai.compare.names import short_name

    names = [each.name for each in contestants]
    if name == _AUTO:
        name, _ = largest_outsider(_sizes(config, paths, providers), names)
    judge = contestant_of(select_model(name, config, providers))
    kin = [short_name(each) for each in kin_of(judge.name, names)]
    called = short_name(judge.name)
    if judge.name in names:
        output.warn(f"the judge {called} is one of those that it judges")
    elif kin:
        output.warn(f"the judge {called} is of the family of {', '.join(kin)}")
    else:
        output.note(f"the judge is {called}")
    return judge


def _sizes(config: Config, paths: Paths, providers: ProviderPool) -> dict[str, int | None]:
    """The sizes in bytes of this machine's models that can answer, by the name that `-m` takes."""
    from localai.library.available import available_models
    from localai.providers.registry import full_name
    from localai.types import Zone

    found = {}
    for each in available_models(config, paths, providers).models:
        model = each.model
        talks = model.capabilities is None or "completion" in model.capabilities
        if model.zone is Zone.DEVICE and talks:
            found[full_name(model.provider, model.id)] = model.size_bytes
    return found


def judge_answers(
    judge: Contestant,
    file: RunFile,
    config: Config,
    output: Output,
    answered: Callable[[Reply], None],
) -> None:
    """Have those of the run's answers judged that are not judged yet."""
    from localai.chat.off_device import prompt_destination
    from localai.compare.judging import JudgeRun
    from localai.compare.names import short_name
    from localai.compare.questions import leaves

    work = JudgeRun(judge, file, config, answered=answered, may_see_local_only=not leaves(judge))
    total = len(work.todo)
    if total and prompt_destination(judge.selected, config) is not None:
        go = counted(total, "prompt with answers goes", "prompts with answers go")
        output.announce(f"{go} to {judge.host}, for {judge.name}")
    try:
        for done in work.run():
            output.progress(f"{done:,} of {counted(total, 'judgement')} · {short_name(judge.name)}")
    finally:
        output.end_progress()


def vote(
    run: RunPath,
    count: Annotated[
        int,
        typer.Option(
            "-n", "--pairs", min=1, help="The number of pairs of answers, chosen at random."
        ),
    ] = 10,
) -> None:
    """Judge pairs of a run's answers yourself, without names; then see how far the judge agrees."""
    from localai.compare.recorded import RecordedVote
    from localai.compare.run_file import RunFile
    from localai.output.blind import ALIKE, SKIP, ask_for_vote, print_unnamed_texts

    output = Output("compare")
    if not output.may_ask or not output.on_terminal:
        raise InvalidInput("vote shows answers to a person and waits for keys: a terminal")
    if not run.is_file():
        from localai.files import missing_file

        raise missing_file(run)
    file = RunFile(Path(run))
    try:
        pairs = random.SystemRandom().sample(found := _unvoted(file.run), min(count, len(found)))
        for number, pair in enumerate(pairs, start=1):
            case = file.run.cases[pair[0].case]
            output.line((f"{number} of {len(pairs)} · {case.id}", "bold"))
            for _, text in case.messages:
                output.text(text, style="dim")
            order = random.SystemRandom().sample(pair, 2)
            print_unnamed_texts(output, [each.text for each in order])
            key = ask_for_vote(output, 2)
            if key == SKIP:
                continue
            winner = None if key == ALIKE else order[int(key) - 1].model
            a, b = pair
            file.add(RecordedVote(a.case, a.repeat, a.model, b.model, winner, time.time()))
        _print_agreement(output, file.run)
    finally:
        file.close()


def _unvoted(run: Run) -> list[tuple[RecordedAnswer, RecordedAnswer]]:
    """The pairs of differing answers that nobody has voted on."""
    from localai.compare.results import model_names

    found = []
    for case in run.cases:
        for a, b in combinations(model_names(run), 2):
            one, other = run.answers.get((case, a, 1)), run.answers.get((case, b, 1))
            if one is None or other is None or one.error or other.error or one.text == other.text:
                continue
            if (case, 1, frozenset((a, b))) not in run.votes:
                found.append((one, other))
    return found


def _print_agreement(output: Output, run: Run) -> None:
    from localai.compare.audit import audit_of
    from localai.compare.names import short_name, short_names
    from localai.compare.results import model_names

    votes = list(run.votes.values())
    for name, short in short_names(model_names(run)).items():
        won = sum(each.winner == name for each in votes)
        of = sum(name in (each.a, each.b) for each in votes)
        output.line(f"{short}: {won} of {counted(of, 'vote')}")
    audit = audit_of(run)
    judge = "" if audit is None else short_name(audit.judge)
    if audit is None:
        output.note("no judge has judged this run: --judge MODEL")
    elif audit.agreement is None:
        output.note(f"{judge} and you have judged no pair in common that would tell")
    else:
        output.line(
            f"{judge} agrees with your {counted(audit.voted, 'vote')} by κ {audit.agreement:.2f}"
            " (0 is chance, 1 is full)"
        )
