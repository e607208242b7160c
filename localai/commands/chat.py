"""`localai chat`: a session on a terminal, one shot, or a pipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from localai.chat.answer_checks import AnswerChecks
from localai.chat.ask import Asker
from localai.chat.conversation import Conversation
from localai.chat.doubts import settings_doubts
from localai.chat.file_arguments import takes_stdin
from localai.chat.off_device import select_or_fall_back
from localai.chat.pictures import loss_doubt, require_vision
from localai.chat.recorder import DatabaseRecorder, Recorder
from localai.chat.resume import StoredConversation, resume
from localai.chat.select import SelectedModel
from localai.commands.ask_options import NO_ASK_OPTIONS, AskOptions, with_ask_options
from localai.commands.common_options import Json, PairCommand, Quiet
from localai.commands.conflicts import refuse_conflicts, warn_of_a_number
from localai.commands.dry_run import save_line, show_dry_run
from localai.commands.one_shot import Showing, show_one
from localai.commands.parsed_ask_options import parse_ask_options
from localai.commands.question import Question, gather_question, read_files, read_pictures
from localai.commands.settings import load_settings, open_pool
from localai.config import Config
from localai.errors import (
    InvalidInput,
    NotFound,
    PolicyRefused,
    Unreachable,
)
from localai.output.answer import SilentWriter, Writer
from localai.output.answer_display import Display
from localai.output.cells import one_line
from localai.output.output import Output
from localai.output.terminal import is_terminal
from localai.stores.presets import find_preset

if TYPE_CHECKING:
    from localai.providers.pool import ProviderPool

_TITLE_COLUMNS = 80

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(cls=PairCommand)
@with_ask_options
def chat(
    context: typer.Context,
    prompt: Annotated[
        list[str] | None, typer.Argument(help="The question; stdin's text comes before it.")
    ] = None,
    ask_options: AskOptions = NO_ASK_OPTIONS,
    file: Annotated[
        list[str] | None,
        typer.Option(
            "-f",
            "--file",
            help="Add a text, code or PDF file, a.py:10-40, a folder or a glob; - is stdin.",
        ),
    ] = None,
    attachment: Annotated[
        list[str] | None,
        typer.Option(
            "-a", "--attachment", help="Add a picture, for models that can see; - is stdin."
        ),
    ] = None,
    hide_thinking: Annotated[
        bool, typer.Option("--hide-thinking", help="Do not show the reasoning.")
    ] = False,
    extract: Annotated[
        bool, typer.Option("-x", "--extract", help="Print only the first code block.")
    ] = False,
    logprobs: Annotated[
        int | None,
        typer.Option(min=0, max=20, help="Show each token's probability and N alternatives."),
    ] = None,
    as_json: Json = False,
    no_stream: Annotated[
        bool, typer.Option("--no-stream", help="Print the answer only when it is whole.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Let the model's terminal escapes through.")
    ] = False,
    usage: Annotated[
        int,
        typer.Option(
            "-u",
            "--usage",
            count=True,
            help="Show tokens, speed and place on stderr; -uu shows every figure.",
        ),
    ] = 0,
    yes: Annotated[
        bool, typer.Option("-y", "--yes", help="Send a large folder of -f without asking.")
    ] = False,
    no_log: Annotated[
        bool, typer.Option("-n", "--no-log", help="Keep nothing of this conversation.")
    ] = False,
    quiet: Quiet = False,
    continued: Annotated[
        bool, typer.Option("-c", "--continue", help="Continue the last conversation.")
    ] = False,
    more: Annotated[
        bool,
        typer.Option("--more", help="Continue the last answer, which was cut or stopped."),
    ] = False,
    conversation_id: Annotated[
        str | None,
        typer.Option(
            "--cid",
            metavar="ID",
            help="Continue the conversation with this id or title, or beginning of one.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Ask nothing; show what would be sent, and where."),
    ] = False,
    title: Annotated[
        str | None, typer.Option("--title", help="The conversation's title, which --cid finds.")
    ] = None,
    save: Annotated[
        str | None,
        typer.Option(
            "--save", metavar="NAME", help="Ask nothing; make a template of this command line."
        ),
    ] = None,
) -> int:
    """Ask a model: a session on a terminal, one shot, or a pipe.

    With stdin and a prompt, stdin's text comes first, and files come before both. Only the answer
    goes to stdout.
    """
    output = Output("chat", as_json=as_json, quiet=quiet)
    paths, config = load_settings("chat")
    providers = open_pool(context, paths)
    one_shot = bool(prompt or extract or ask_options.schema or as_json or more or dry_run)
    one_shot = one_shot or logprobs is not None
    warn_of_a_number(prompt, output, no_log=no_log, goes_on=continued)
    refuse_conflicts(
        {
            "-c": continued,
            "--cid": conversation_id is not None,
            "-q": quiet,
            "-u": usage > 0,
            "--dry-run": dry_run,
            "--more": more,
            "--raw": raw,
            "--json": as_json,
            "--airgap": context.find_root().params.get("airgap"),
            "--allow-cloud": ask_options.allow_cloud,
        }
    )
    if more and (prompt or ask_options.template or file or attachment):
        raise InvalidInput(
            "--more goes on with an answer, and takes no question", hint="-c asks on"
        )
    if save is not None:
        save_line(save, prompt, ask_options, output, [file, attachment, continued, more])
        return 0
    parsed = parse_ask_options(ask_options, paths, config)
    if (template := parsed.template) is not None:
        # Such a template is answered in one shot; another one waits for what goes into it.
        one_shot = one_shot or template.asks_by_itself or bool(file)
    in_session = not one_shot and is_terminal(output.stdin) and output.on_terminal
    files = read_files(file or [], output, yes=yes)
    pictures = read_pictures(attachment or [], output)
    question = Question("")
    if not in_session and not more:
        question = gather_question(
            prompt,
            files,
            tuple(pictures.values()),
            parsed.template,
            parsed.parameters,
            output,
            stdin_is_taken=takes_stdin([*(file or []), *(attachment or [])]),
        )
    settings = parsed.settings
    if in_session and template is not None:
        from localai.chat.filling import filled_system

        # Its options hold for the first question, those of the command line for the session.
        settings = parse_ask_options(replace(ask_options, template=None), paths, config).settings
        question = Question("", system=filled_system(template, parsed.parameters))
    system = settings.system or question.system
    settings = replace(settings, system=system, logprobs=logprobs)
    display = Display(raw, not no_stream, hide_thinking, quiet, usage > 0)
    checks = AnswerChecks(extract, settings.schema)
    showing = Showing(output, display, checks, usage, logprobs is not None)
    writer: Writer = SilentWriter() if in_session else showing.writer()

    def announce(text: str) -> None:
        writer.status(None)
        output.announce(text)

    records = parsed.config["history.record"] and not (no_log or dry_run)

    def recorder(stored: StoredConversation | None) -> Recorder:
        if not records:
            return Recorder()
        return DatabaseRecorder(
            paths.database,
            command="chat",
            problem=output.warn,
            conversation_id=None if stored is None else stored.id,
            parent_id=None if stored is None else stored.leaf_id,
            pictures_limit_bytes=parsed.config["history.pictures"],
        )

    stored = (
        resume(paths.database, conversation_id) if continued or more or conversation_id else None
    )
    selected, config = _select(parsed.model, stored, parsed.config, providers, announce)
    doubts = settings_doubts(settings, selected.model, config)
    for doubt in doubts:
        output.warn(doubt)
    if pictures:
        attached = [word for name in attachment or [] for word in ("-a", name)]
        require_vision(selected.model, paths, *attached, *(prompt or ()))
    if stored is not None and (loss := loss_doubt(stored.lost_pictures)) is not None:
        output.warn(loss)
    announced = dict.fromkeys(doubts)
    asker = Asker(selected, config, paths, providers, announce, settings, announced)
    tree = None if stored is None else stored.tree
    conversation = Conversation(asker, recorder(stored), tree)
    if dry_run:
        request = conversation.would_ask(question.text, question.pictures)
        show_dry_run(selected, request, ask_options, parsed, output)
        return 0
    if in_session:
        from localai.session.loop import run_session
        from localai.session.state import Session

        if title is not None:
            conversation.rename(title)
        session = Session(
            asker,
            conversation,
            display,
            recorder,
            records=records,
            title=title or (None if stored is None else stored.title),
            files=files,
            pictures=pictures,
            template=template,
            parameters=parsed.parameters,
        )
        run_session(session, stored)
        return 0
    called = title or (question.title if stored is None else None)
    if called is not None:
        conversation.rename(one_line(called, _TITLE_COLUMNS))
    events = conversation.more() if more else conversation.ask(question.text, question.pictures)
    return show_one(conversation, events, writer, showing)


def _select(
    model: str | None,
    stored: StoredConversation | None,
    config: Config,
    providers: ProviderPool,
    announce: Callable[[str], None],
) -> tuple[SelectedModel, Config]:
    """The model that was named; else the conversation's preset, and else its model, if it still
    exists; else the default."""
    if model is None and stored is not None and stored.preset is not None:
        if find_preset(stored.preset, providers.paths) is not None:
            return select_or_fall_back(stored.preset, config, providers, announce)
        announce(f"the preset {stored.preset} is gone: its model goes on without it")
    if model is None and stored is not None and stored.model is not None:
        try:
            return select_or_fall_back(stored.model, config, providers, announce)
        except (NotFound, Unreachable, PolicyRefused) as error:
            announce(f"{stored.model} does not go on with this conversation: {error.message}")
    return select_or_fall_back(model, config, providers, announce)
