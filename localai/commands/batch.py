"""`localai batch`: prompts from a file, answers into a file."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from localai.batch.answering import Outcome
from localai.batch.concurrency import allowed_concurrency
from localai.batch.input import count_lines
from localai.batch.output import RecordOutput, Stream, open_output
from localai.batch.progress import Progress
from localai.batch.prompts import LineDefaults
from localai.batch.run import Batch
from localai.chat.off_device import prompt_destination
from localai.chat.recorder import UsageRecorder
from localai.chat.select import select_model
from localai.commands.ask_options import NO_ASK_OPTIONS, AskOptions, with_ask_options
from localai.commands.common_options import PairCommand, Quiet
from localai.commands.parsed_ask_options import parse_ask_options
from localai.commands.settings import load_settings, open_pool
from localai.config import Config
from localai.errors import FinishedWithFailures, Interrupted, InvalidInput
from localai.files import is_folder, missing_file, require_place_for
from localai.output.batch_progress import progress_text, summary_text
from localai.output.long_work import LongWork
from localai.output.output import Output
from localai.types import ResolvedModel
from localai.units import counted

if TYPE_CHECKING:
    from localai.output.documents.batch import BatchRecord

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_STREAM = "-"


@app.command(cls=PairCommand)
@with_ask_options
def batch(
    context: typer.Context,
    prompts: Annotated[
        str, typer.Argument(help='JSON Lines: {"prompt": …} or {"messages": …}; - is stdin.')
    ],
    answers: Annotated[
        str, typer.Option("-O", "--output", help="The file for the answers; - is stdout.")
    ] = _STREAM,
    ask_options: AskOptions = NO_ASK_OPTIONS,
    jobs: Annotated[
        int | None,
        typer.Option("-j", "--jobs", min=1, max=4096, help="At most N requests at a time."),
    ] = None,
    as_completed: Annotated[
        bool, typer.Option("--as-completed", help="Write answers as they come, not in input order.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask again for the lines that failed.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as a JSON document on stdout.")
    ] = False,
    no_log: Annotated[
        bool, typer.Option("-n", "--no-log", help="Do not record the usage.")
    ] = False,
    quiet: Quiet = False,
) -> int:
    """Answer every line of a file. After a break, the same command continues where it was.

    Each line gets one line in the output: the fields of `chat --json`, its `line` and its `id`. The
    options hold for every line that does not say otherwise. With a template, the other keys of a
    line are its variables. A line that cannot be answered gets an `error`, and the exit code is 8.
    """
    if as_json and answers == _STREAM:
        raise InvalidInput("--json and the answers cannot both go to stdout", hint="--output FILE")
    output = Output("batch", as_json=as_json, quiet=quiet)
    paths, config = load_settings("batch")
    parsed = parse_ask_options(ask_options, paths, config)
    config = parsed.config
    selected = select_model(parsed.model, config, open_pool(context, paths))
    destination = prompt_destination(selected, config)
    if destination is not None:
        output.announce(destination)
    usage = UsageRecorder(paths.database, "batch", output.warn)
    is_kept = not no_log and bool(config["history.record"])
    shown = LongWork(output)
    with _source(prompts) as (source, total):
        work = Batch(
            source,
            _open_records(
                prompts, answers, shown, ordered=not as_completed, retry_failed=retry_failed
            ),
            selected,
            LineDefaults(parsed.settings, parsed.template, parsed.parameters),
            config,
            concurrency=allowed_concurrency(selected.provider.name, jobs, config),
            record=lambda outcome: _record(outcome, selected.model, config),
            answered=usage.record if is_kept else lambda _: None,
            warn=output.warn,
        )
        last = _follow(work, total, shown)
    return _end(work, last, output, keeps=answers != _STREAM)


@contextmanager
def _source(prompts: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """The input, and the number of its lines; None if that cannot be known."""
    if prompts == _STREAM:
        # Not sys.stdin: at the end, a thread that still reads it makes the interpreter abort.
        with os.fdopen(os.dup(0), "rb") as stream:
            yield stream, None
        return
    file = Path(prompts)
    if is_folder(file):
        raise InvalidInput(f"{prompts!r} is a folder", hint="name a file of prompts in it")
    try:
        total = count_lines(file) if file.is_file() else None
        stream = file.open("rb")
    except FileNotFoundError as error:
        raise missing_file(file) from error
    except PermissionError as error:
        raise InvalidInput(f"cannot read {prompts}: {error.strerror}") from error
    with stream:
        yield stream, total


def _open_records(
    prompts: str, answers: str, shown: LongWork, *, ordered: bool, retry_failed: bool
) -> RecordOutput:
    if answers == _STREAM:
        return Stream(sys.stdout.buffer, ordered=ordered, make_way=shown.clear)
    file = Path(answers)
    require_place_for(file)
    if file.exists() and prompts != _STREAM and file.samefile(prompts):
        raise InvalidInput(f"{answers} is the input", hint="give another --output FILE")
    return open_output(file, ordered=ordered, retry_failed=retry_failed)


def _record(outcome: Outcome, model: ResolvedModel, config: Config) -> BatchRecord:
    from localai.cost.prices import cost_of
    from localai.output.documents.batch import record_document

    cost = None if outcome.answer is None else cost_of(outcome.answer, config)
    return record_document(outcome, model, cost)


def _follow(work: Batch, total: int | None, shown: LongWork) -> Progress:
    """Run the batch to its end and show its progress. Ctrl-C stops it tidily; a second one stops it
    at once."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if not work.stop():
            raise KeyboardInterrupt

    from localai.hardware.power import kept_awake

    last = Progress()
    with kept_awake(), _on_interrupt(interrupt):
        try:
            for last in work.run():
                shown.show(progress_text(last, total))
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


def _end(work: Batch, last: Progress, output: Output, *, keeps: bool) -> int:
    """Say how the batch ended. `keeps` says that the answers are in a file, so that a later run can
    continue."""
    if work.stopped:
        if keeps:
            output.note(f"{summary_text(last)}; the same command goes on where this one stopped")
        raise Interrupted("interrupted", hint="the same command goes on where this one stopped")
    failure = None
    if last.all_failed:
        failure = FinishedWithFailures(
            f"{last.all_failed:,} of {counted(last.lines, 'line')} failed",
            hint="their `error` says why; the same command with --retry-failed asks them again",
        )
    if output.as_json:
        from localai.output.documents.batch import summary_document

        output.document(summary_document(last, failure))
        return 0 if failure is None else failure.exit_code
    output.note(summary_text(last))
    if failure is not None:
        raise failure
    return 0
