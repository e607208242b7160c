"""`localai compare -m A -m B "prompt"`: one prompt to several models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from localai.chat.doubts import Doubts
from localai.chat.recorder import UsageRecorder
from localai.chat.request import AskSettings, build_request
from localai.commands.ask_options import NO_ASK_OPTIONS, AskOptions, with_ask_options
from localai.commands.common_options import Json, Quiet
from localai.commands.compare.reporting import Against, Html, Junit, Markdown, Reports
from localai.commands.parsed_ask_options import ParsedAskOptions, parse_ask_options
from localai.commands.question import Question, gather_question, read_files
from localai.commands.settings import load_settings, open_pool
from localai.compare.asking import Reply
from localai.compare.contestants import Contestant, departures, destinations, select_contestants
from localai.errors import InvalidInput
from localai.events import Doubt
from localai.output.output import Output
from localai.types import ChatRequest, Message

if TYPE_CHECKING:
    from localai.compare.suite.case import Suite
    from localai.config import Config
    from localai.cost.prices import Cost
    from localai.paths import Paths


@with_ask_options
def compare(
    context: typer.Context,
    prompt: Annotated[
        list[str] | None, typer.Argument(help="The question; stdin's text comes before it.")
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("-m", "--model", help="A model to compare; give 2 to 6 of them."),
    ] = None,
    ask_options: AskOptions = NO_ASK_OPTIONS,
    file: Annotated[
        list[str] | None,
        typer.Option("-f", "--file", help="Add a text, code or PDF file, or a glob."),
    ] = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show where the answers differ from the first one.")
    ] = False,
    blind: Annotated[
        bool, typer.Option("--blind", help="Show the answers without names, and take your vote.")
    ] = False,
    drift: Annotated[
        bool,
        typer.Option(
            "--drift", help="Show what quantization changes: name one model in two or more types."
        ),
    ] = False,
    suite: Annotated[
        str | None,
        typer.Option(
            "--suite",
            metavar="FILE|DATA SET",
            help="Ask all cases of this suite (see `new` and `fetch`).",
        ),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option("-n", "--repeats", min=1, max=1000, help="Ask each case N times."),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Keep the run in this file; a later run continues it."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Ask only the first N cases of the suite.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("-j", "--jobs", min=1, max=4096, help="Ask a model N cases at a time."),
    ] = None,
    as_shipped: Annotated[
        bool,
        typer.Option("--as-shipped", help="Use the system prompt of each model's publisher."),
    ] = False,
    same_sampling: Annotated[
        bool,
        typer.Option(
            "--same-sampling", help="Leave out the sampling options that publishers recommend."
        ),
    ] = False,
    judge: Annotated[
        str | None,
        typer.Option("--judge", help="The model that judges the answers, as -m takes it, or auto."),
    ] = None,
    run_code: Annotated[
        bool,
        typer.Option("--run-code", help="Run the answers' code, confined, if a case expects it."),
    ] = False,
    html: Html = None,
    junit: Junit = None,
    markdown: Markdown = None,
    against: Against = None,
    as_json: Json = False,
    no_log: Annotated[bool, typer.Option("--no-log", help="Do not record the usage.")] = False,
    quiet: Quiet = False,
) -> int:
    """Ask several models the same question, and see the answers, their speed, place and price.

    Models on one machine answer one after the other, so that none slows another down.
    """
    output = Output("compare", as_json=as_json, quiet=quiet)
    reports = Reports(html, junit, markdown, against)
    _refuse_what_does_not_go_together(
        prompt,
        file,
        suite,
        diff,
        blind,
        [repeats, record, limit, jobs, judge, run_code or None, html, junit, markdown, against],
    )
    if blind and (as_json or not output.may_ask or not output.on_terminal):
        raise InvalidInput("--blind shows answers to a person and waits for a key: a terminal")
    paths, config = load_settings("compare")
    parsed = parse_ask_options(ask_options, paths, config)
    config = parsed.config
    cases = None if suite is None else _read_suite(suite, paths)
    if cases is not None and limit is not None:
        cases = replace(cases, cases=cases.cases[:limit])
    providers = open_pool(context, paths)
    if drift:
        from localai.commands.compare.drifting import drift as show_drift

        return show_drift(models or [], prompt or [], cases, parsed, providers, output)
    contestants = select_contestants(models or [], config, providers)
    if cases is not None:
        from localai.commands.compare.judging import choose_judge
        from localai.commands.compare.suite import run_suite
        from localai.compare.questions import SuiteOptions

        return run_suite(
            cases,
            contestants,
            SuiteOptions(
                parsed.settings, repeats or cases.repeats, as_shipped, same_sampling, jobs
            ),
            parsed,
            output,
            paths,
            judge=choose_judge(judge, contestants, config, paths, providers, output),
            record=record,
            runs_code=run_code,
            reports=reports,
            counted=not no_log and bool(config["history.record"]),
        )
    files = read_files(file or [], output)
    question = gather_question(prompt, files, [], parsed.template, parsed.parameters, output)
    for line in departures(contestants, {each.name: 1 for each in contestants}, config):
        output.announce(line)
    doubts = Doubts(output.warn, config)
    settings, message = _settings(parsed, question), Message("user", question.text)
    requests = {
        each.name: build_request(settings, each.selected.model, [message], config)
        for each in contestants
    }
    for request in requests.values():
        doubts.before(settings, request)
    replies = _replies(contestants, requests, output, doubts, hidden=blind)
    if not no_log and bool(config["history.record"]):
        usage = UsageRecorder(paths.database, "compare", output.warn)
        for reply in replies.values():
            if reply.answer is not None:
                usage.record(reply.answer)
    if blind:
        _take_vote(output, list(replies.values()), question.text, paths)
    return _show(output, contestants, replies, config, diff=diff)


def _refuse_what_does_not_go_together(
    prompt: list[str] | None,
    file: list[str] | None,
    suite: str | None,
    diff: bool,
    blind: bool,
    of_suites: list[object],
) -> None:
    if suite is None and any(each is not None for each in of_suites):
        raise InvalidInput(
            "-n, -j, -o, --limit, --judge, --run-code, --against and the reports are for a suite",
            hint="--suite FILE; a first one is written by: localai compare new suite.toml",
        )
    if suite is not None and (prompt or file or diff or blind):
        raise InvalidInput("a suite has its prompts itself: no prompt, -f, --diff or --blind")


def _read_suite(name: str, paths: Paths) -> Suite:
    """The suite in the file `name`. A name that is no file's may be a data set's."""
    from localai.compare.suite.data_sets import read_data_set
    from localai.compare.suite.reading import read_suite
    from localai.fetch.data_sets import DATA_SETS

    if name in DATA_SETS and not Path(name).exists():
        return read_data_set(name, paths)
    return read_suite(Path(name))


def _replies(
    contestants: tuple[Contestant, ...],
    requests: Mapping[str, ChatRequest],
    output: Output,
    doubts: Doubts,
    *,
    hidden: bool,
) -> dict[str, Reply]:
    """Every model's reply, in the order of the models. The replies are shown while they come."""
    from localai.compare.side_by_side import SideBySide
    from localai.output.panes import TICK_S, answer_panes

    panes = answer_panes(output, [each.name for each in contestants], hidden=hidden)
    replies: dict[str, Reply] = {}
    waiting: list[str] = []
    finished = False
    updates = SideBySide(contestants, requests).run(TICK_S)
    try:
        for update in updates:
            if isinstance(update, Reply):
                replies[update.model] = update
                panes.reply(update.model, update)
            elif update is not None and isinstance(update.event, Doubt):
                waiting.append(update.event.message)
            elif update is not None:
                panes.event(update.model, update.event)
            panes.refresh()
        finished = True
    finally:
        updates.close()
        panes.close(interrupted=not finished)
        # Not while the panes are drawn.
        for doubt in waiting:
            doubts.warn(doubt)
    return {each.name: replies[each.name] for each in contestants}


def _settings(parsed: ParsedAskOptions, question: Question) -> AskSettings:
    if question.system is not None and parsed.settings.system is None:
        return replace(parsed.settings, system=question.system)
    return parsed.settings


def _take_vote(output: Output, replies: list[Reply], prompt: str, paths: Paths) -> None:
    from localai.compare.names import short_names
    from localai.compare.votes import keep, kept, tallies
    from localai.output.blind import ALIKE, SKIP, ask_for_vote, label, print_unnamed, shuffled
    from localai.output.comparison import print_tallies

    answered = [reply for reply in replies if reply.answer is not None]
    if len(answered) < 2:
        output.warn("there are no two answers to vote on")
        return
    order = shuffled(answered)
    print_unnamed(output, order)
    key = ask_for_vote(output, len(order))
    names = short_names([reply.model for reply in order])
    for number, reply in enumerate(order):
        output.line(f"{label(number)} is {names[reply.model]}")
    models = [reply.model for reply in order]
    if key != SKIP:
        winner = None if key == ALIKE else models[int(key) - 1]
        keep(paths, models, winner, prompt)
        print_tallies(output, tallies(kept(paths), [reply.model for reply in answered]))
    output.line("")


def _show(
    output: Output,
    contestants: tuple[Contestant, ...],
    replies: dict[str, Reply],
    config: Config,
    *,
    diff: bool,
) -> int:
    """Show the table, the differences or the document. Return the exit code, or raise the first
    failure."""
    costs = {name: _cost(reply, config) for name, reply in replies.items()}
    failure = next((each.error for each in replies.values() if each.error is not None), None)
    if output.as_json:
        from localai.output.documents.compare import prompt_document

        went = destinations(contestants, {each.name: 1 for each in contestants})
        output.document(prompt_document(contestants, replies, costs, went, failure))
        return 0 if failure is None else failure.exit_code
    from localai.output.comparison import print_differences, print_replies

    print_replies(output, list(replies.values()), lambda reply: costs[reply.model])
    if diff:
        print_differences(output, list(replies.values()))
    if failure is not None:
        raise failure
    return 0


def _cost(reply: Reply, config: Config) -> Cost | None:
    from localai.cost.prices import cost_of

    return None if reply.answer is None else cost_of(reply.answer, config)
