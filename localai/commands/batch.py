"""`localai batch`: prompts from a file, answers into a file."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, BinaryIO, cast

import typer

from localai.batch.answering import Outcome
from localai.batch.concurrency import requests_at_once
from localai.batch.input import count_lines
from localai.batch.output import Output, Stream, open_output
from localai.batch.prompts import LineDefaults
from localai.batch.run import Batch, Progress
from localai.batch.usage import UsageRecorder
from localai.chat.off_device import allow_every_cloud, prompt_destination
from localai.chat.request import AskSettings
from localai.chat.select import select_model
from localai.commands.flags import (
    named_template,
    parse_keep_alive,
    parse_think,
    wanted_schema,
)
from localai.commands.options import PAIR, PairCommand
from localai.commands.settings import load_settings
from localai.config import Config
from localai.errors import FinishedWithFailures, Interrupted, InvalidInput, NotFound
from localai.options import overlaid_options, parse_options
from localai.output.batch_progress import BatchProgress, summary_text
from localai.output.streams import note, print_document, warn
from localai.types import ResolvedModel

if TYPE_CHECKING:
    from localai.output.documents.batch import BatchRecord

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_STREAM = "-"


@app.command(cls=PairCommand)
def batch(
    prompts: Annotated[
        str, typer.Argument(help='JSON Lines: {"prompt": …} or {"messages": …}; - is stdin.')
    ],
    output: Annotated[
        str, typer.Option("-o", "--output", help="Where the answers go; - is stdout.")
    ] = _STREAM,
    model: Annotated[
        str | None,
        typer.Option("-m", "--model", help="Who answers: a name, provider/name or file."),
    ] = None,
    at_once: Annotated[
        int | None,
        typer.Option("-j", "--jobs", min=1, max=4096, help="Requests at a time, at most."),
    ] = None,
    system: Annotated[str | None, typer.Option("-s", "--system", help="The system prompt.")] = None,
    template: Annotated[
        str | None,
        typer.Option("-t", "--template", help="Ask it this way; other keys are its variables."),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--param", metavar=PAIR, help="A variable of the template."),
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(help='Answers in JSON: a schema file, "name:str, age:int", or pkg.mod:Model.'),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar=PAIR, help="A model option for every line."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Make sampling repeatable.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="The longest answer, in tokens.")
    ] = None,
    ctx: Annotated[
        int | None, typer.Option(min=64, help="The most context a line may use, in tokens.")
    ] = None,
    think: Annotated[
        str | None, typer.Option(help="Reasoning: off, on, low, medium or high.")
    ] = None,
    keep_alive: Annotated[
        str | None, typer.Option(help="How long the model stays loaded: 5m, 0, -1.")
    ] = None,
    as_completed: Annotated[
        bool, typer.Option("--as-completed", help="Answers as they come, not in input order.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask again for the lines that failed.")
    ] = False,
    allow_cloud: Annotated[
        bool, typer.Option("--allow-cloud", help="Let this one run send the prompts to a cloud.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The summary as a JSON document on stdout.")
    ] = False,
    no_log: Annotated[bool, typer.Option("-n", "--no-log", help="Do not count the usage.")] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Nothing on stderr but errors.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Load even what does not seem to fit.")
    ] = False,
) -> int:
    """Answer every line of a file; run it again after a break, and it goes on where it was.

    Each line gets one line in the output: the fields of `chat --json`, its `line` and its `id`.
    A line that cannot be answered has its `error` there, and the exit code is 8.
    """
    if as_json and output == _STREAM:
        raise InvalidInput("--json and the answers cannot both go to stdout", hint="-o FILE")
    paths, config = load_settings("batch")
    asked_by = named_template(template, paths)
    options = parse_options(
        cast("list[tuple[str, str]]", option or []), seed=seed, max_tokens=max_tokens
    )
    if asked_by is not None:
        options = overlaid_options(asked_by.options, options)
        model = model or asked_by.model
    defaults = LineDefaults(
        AskSettings(
            system=system or None,
            options=options,
            schema=wanted_schema(schema, asked_by),
            think=parse_think(think),
            context_tokens=ctx,
            keep_alive_s=parse_keep_alive(keep_alive),
            force=force,
        ),
        asked_by,
        dict(cast("list[tuple[str, str]]", parameter or [])),
    )
    if allow_cloud:
        config = allow_every_cloud(config)
    chosen = select_model(model, config, paths)
    width = requests_at_once(chosen.provider.name, at_once, config)
    destination = prompt_destination(chosen, config)
    if destination is not None:
        # Said even when nothing else is to be: prompts are about to leave this machine.
        note(destination)
    counted = not no_log and bool(config["history.record"])
    usage = UsageRecorder(paths.database, chosen.model, (lambda _: None) if quiet else warn)
    with _source(prompts) as (source, total):
        work = Batch(
            source,
            _open_output(prompts, output, ordered=not as_completed, retry_failed=retry_failed),
            chosen,
            defaults,
            config,
            at_once=width,
            record=lambda outcome: _record(outcome, chosen.model, config),
            answered=usage.enter if counted else lambda _: None,
        )
        last = _follow(work, BatchProgress(total, quiet=quiet))
    return _end(work, last, output, as_json=as_json, quiet=quiet)


@contextmanager
def _source(prompts: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """The input, and how many lines it has if that can be known."""
    if prompts == _STREAM:
        # Not sys.stdin: a thread that still reads it makes the interpreter abort at its end.
        with os.fdopen(os.dup(0), "rb") as stream:
            yield stream, None
        return
    file = Path(prompts)
    try:
        total = count_lines(file) if file.is_file() else None
        with file.open("rb") as stream:
            yield stream, total
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {prompts}") from error
    except (PermissionError, IsADirectoryError) as error:
        raise InvalidInput(f"cannot read {prompts}: {error.strerror}") from error


def _open_output(prompts: str, output: str, *, ordered: bool, retry_failed: bool) -> Output:
    if output == _STREAM:
        return Stream(sys.stdout.buffer, ordered=ordered)
    file = Path(output)
    if not file.parent.is_dir():
        raise InvalidInput(
            f"there is no folder {file.parent}", command=("mkdir", "-p", file.parent)
        )
    if file.exists() and prompts != _STREAM and file.samefile(prompts):
        raise InvalidInput(f"{output} is the input", hint="give another -o FILE")
    return open_output(file, ordered=ordered, retry_failed=retry_failed)


def _record(outcome: Outcome, model: ResolvedModel, config: Config) -> BatchRecord:
    from localai.cost.prices import cost_of
    from localai.output.documents.batch import record_document

    cost = None if outcome.answer is None else cost_of(outcome.answer, config)
    return record_document(outcome, model, cost)


def _follow(work: Batch, shown: BatchProgress) -> Progress:
    """Run it to its end and show how far it is; Ctrl-C stops it tidily, a second one at once."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if not work.stop():
            raise KeyboardInterrupt

    last = Progress()
    with _on_interrupt(interrupt):
        try:
            for last in work.run():
                shown.show(last)
        finally:
            shown.clear()
    return last


@contextmanager
def _on_interrupt(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(work: Batch, last: Progress, output: str, *, as_json: bool, quiet: bool) -> int:
    if work.stopped:
        if not quiet and output != _STREAM:
            note(f"{summary_text(last)}; the same command goes on where this one stopped")
        raise Interrupted("interrupted", hint="the same command goes on where this one stopped")
    failure = None
    if last.all_failed:
        failure = FinishedWithFailures(
            f"{last.all_failed:,} of {last.answered + last.failed + last.found:,} lines failed",
            hint="their `error` says why; the same command with --retry-failed asks them again",
        )
    if as_json:
        from localai.output.documents.batch import summary_document

        print_document(summary_document(last, failure))
        return 0 if failure is None else failure.exit_code
    if not quiet:
        note(summary_text(last))
    if failure is not None:
        raise failure
    return 0
