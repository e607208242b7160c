"""`localai chat`: a session on a terminal, one shot, or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, cast

import typer

from localai.answers import Answer
from localai.chat.answer_checks import AnswerChecks
from localai.chat.ask import Asker
from localai.chat.conversation import Conversation
from localai.chat.inputs import require_sight
from localai.chat.off_device import allow_every_cloud, select_or_fall_back
from localai.chat.recorder import DatabaseRecorder, NoRecorder, Recorder
from localai.chat.request import AskSettings
from localai.chat.resume import StoredConversation, resume
from localai.chat.select import SelectedModel
from localai.commands.flags import (
    named_template,
    parse_keep_alive,
    parse_think,
    wanted_schema,
)
from localai.commands.options import PAIR, PairCommand
from localai.commands.question import Question, gather_question, read_files, read_images
from localai.commands.settings import load_settings
from localai.config import Config
from localai.errors import FinishedWithFailures, NotFound, PolicyRefused, Unreachable
from localai.options import overlaid_options, parse_options
from localai.output.answer_display import Display, say_how_it_ended, say_logprobs, say_usage
from localai.output.held_back import HeldBack, print_plain
from localai.output.play import SilentWriter, Writer, play
from localai.output.streams import note, print_document, warn
from localai.output.terminal import is_terminal
from localai.paths import Paths

if TYPE_CHECKING:
    from localai.output.documents.chat import Chat

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(cls=PairCommand)
def chat(
    prompt: Annotated[
        list[str] | None, typer.Argument(help="The question; stdin's text comes before it.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("-m", "--model", help="Who answers: a name, provider/name or file."),
    ] = None,
    system: Annotated[str | None, typer.Option("-s", "--system", help="The system prompt.")] = None,
    template: Annotated[
        str | None,
        typer.Option("-t", "--template", help="Ask it this way (localai template list)."),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--param", metavar=PAIR, help="A variable of the template."),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("-f", "--file", help="A text, code or PDF file, or a glob, to go along."),
    ] = None,
    attachment: Annotated[
        list[str] | None,
        typer.Option("-a", "--attachment", help="A picture, for models that can see."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("-o", "--option", metavar=PAIR, help="A model option."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Make sampling repeatable.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="The longest answer, in tokens.")
    ] = None,
    ctx: Annotated[int | None, typer.Option(min=64, help="The context to use, in tokens.")] = None,
    think: Annotated[
        str | None, typer.Option(help="Reasoning: off, on, low, medium or high.")
    ] = None,
    hide_thinking: Annotated[
        bool, typer.Option("--hide-thinking", help="Do not show the reasoning.")
    ] = False,
    keep_alive: Annotated[
        str | None, typer.Option(help="How long the model stays loaded: 5m, 0, -1.")
    ] = None,
    allow_cloud: Annotated[
        bool, typer.Option("--allow-cloud", help="Let this one run send the prompt to a cloud.")
    ] = False,
    extract: Annotated[
        bool, typer.Option("-x", "--extract", help="Print the first code block alone.")
    ] = False,
    schema: Annotated[
        str | None,
        typer.Option(help='Answer in JSON: a schema file, "name:str, age:int", or pkg.mod:Model.'),
    ] = None,
    logprobs: Annotated[
        int | None,
        typer.Option(min=0, max=20, help="Show each token's probability and N alternatives."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    no_stream: Annotated[
        bool, typer.Option("--no-stream", help="Print the answer when it is whole.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Let the model's terminal escapes through.")
    ] = False,
    usage: Annotated[
        bool, typer.Option("-u", "--usage", help="Tokens, speed and where, on stderr.")
    ] = False,
    no_log: Annotated[bool, typer.Option("-n", "--no-log", help="Keep nothing of this.")] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Nothing on stderr but errors.")
    ] = False,
    continued: Annotated[
        bool, typer.Option("-c", "--continue", help="Go on with the last conversation.")
    ] = False,
    conversation_id: Annotated[
        str | None,
        typer.Option("--cid", metavar="ID", help="Go on with that one (localai history list)."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Load even what does not seem to fit.")
    ] = False,
) -> int:
    """Ask a model: a session on a terminal, one shot, or a pipe.

    With stdin and a prompt, stdin's text comes first, and files before both. The answer alone goes
    to stdout.
    """
    paths, config = load_settings("chat")
    one_shot = bool(prompt or template or attachment or extract or schema or as_json)
    one_shot = one_shot or logprobs is not None
    in_session = not one_shot and is_terminal(sys.stdin) and is_terminal(sys.stdout)
    asked_by = named_template(template, paths)
    files = read_files(file or [], quiet=quiet)
    question = Question("")
    if not in_session:
        question = gather_question(
            prompt,
            files,
            read_images(attachment or [], quiet=quiet),
            asked_by,
            dict(cast("list[tuple[str, str]]", parameter or [])),
            quiet=quiet,
        )
    options = parse_options(
        cast("list[tuple[str, str]]", option or []),
        seed=seed,
        max_tokens=max_tokens,
    )
    checks = AnswerChecks(extract, wanted_schema(schema, asked_by))
    if asked_by is not None:
        options = overlaid_options(asked_by.options, options)
        model = model or asked_by.model
    if allow_cloud:
        config = allow_every_cloud(config)
    records = config["history.record"] and not no_log
    kept = resume(paths.database, conversation_id) if continued or conversation_id else None
    display = Display(raw, not no_stream, hide_thinking, quiet, usage)
    writer: Writer = SilentWriter() if as_json or in_session else display.writer()
    # JSON is no Markdown, and of an extract only the end knows what it is.
    whole = extract or (checks.schema is not None and is_terminal(sys.stdout))
    if whole and not as_json:
        writer = HeldBack(writer)

    def announce(text: str) -> None:
        # Said even when nothing else is to be: a prompt is about to leave this machine.
        writer.status(None)
        note(text)

    def recorder(kept: StoredConversation | None) -> Recorder:
        if not records:
            return NoRecorder()
        problem = (lambda _: None) if quiet else warn
        return DatabaseRecorder(
            paths.database,
            command="chat",
            problem=problem,
            conversation_id=None if kept is None else kept.id,
            parent_id=None if kept is None else kept.leaf_id,
        )

    chosen, config = _choose(model, kept, config, paths, announce)
    if question.images:
        require_sight(chosen.model)
    settings = AskSettings(
        system=system or question.system,
        options=options,
        schema=checks.schema,
        logprobs=logprobs,
        think=parse_think(think),
        context_tokens=ctx,
        keep_alive_s=parse_keep_alive(keep_alive),
        force=force,
    )
    asker = Asker(chosen, config, paths, announce, settings)
    conversation = Conversation(asker, recorder(kept), None if kept is None else kept.tree)
    if in_session:
        from localai.session.loop import run_session
        from localai.session.state import Session

        title = None if kept is None else kept.title
        session = Session(
            asker, conversation, display, recorder, records=records, title=title, files=files
        )
        run_session(session, kept)
        return 0
    answer = play(conversation.ask(question.text, question.images), writer)
    extracted = checks.extracted(answer)
    failure = checks.failure(answer, extracted)
    if as_json:
        print_document(_document(answer, conversation, extracted, failure))
        return 0 if failure is None else failure.exit_code
    if whole and not (extract and extracted is None):
        print_plain(answer.text if extracted is None else extracted, raw=raw)
    _show_end(answer, conversation, usage=usage, quiet=quiet)
    if failure is not None:
        raise failure
    return 0


def _choose(
    model: str | None,
    kept: StoredConversation | None,
    config: Config,
    paths: Paths,
    announce: Callable[[str], None],
) -> tuple[SelectedModel, Config]:
    """The model that was named; else the one that the conversation was held with, if it is still
    there; else the default."""
    if model is None and kept is not None and kept.model is not None:
        try:
            return select_or_fall_back(kept.model, config, paths, announce)
        except (NotFound, Unreachable, PolicyRefused) as error:
            announce(f"{kept.model} does not go on with this conversation: {error.message}")
    return select_or_fall_back(model, config, paths, announce)


def _document(
    answer: Answer,
    conversation: Conversation,
    extracted: str | None,
    failure: FinishedWithFailures | None,
) -> Chat:
    from localai.cost.prices import cost_of
    from localai.output.documents.chat import chat_document

    return chat_document(
        answer,
        cost_of(answer, conversation.asker.config),
        conversation_id=conversation.recorder.conversation_id,
        extracted=extracted,
        with_logprobs=conversation.asker.settings.logprobs is not None,
        error=failure,
    )


def _show_end(answer: Answer, conversation: Conversation, *, usage: bool, quiet: bool) -> None:
    asker = conversation.asker
    if asker.settings.logprobs is not None:
        say_logprobs(answer)
    if quiet:
        return
    limit = asker.options.max_tokens
    say_how_it_ended(answer, limit, more="--max-tokens", larger="--ctx")
    if usage:
        say_usage(answer, asker.config)
