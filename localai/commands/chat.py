"""`localai chat`: a session on a terminal, one shot, or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, cast

import typer

from localai.chat.departure import allow_every_cloud, choose_or_fall_back
from localai.chat.dialogue import Asking, Dialogue
from localai.chat.incoming import read_text
from localai.chat.options import parse_options
from localai.chat.recorder import NoRecorder, Recorder, StoreRecorder
from localai.chat.resume import Kept, resume
from localai.chat.select import Chosen
from localai.commands.answer_display import Display, cost_of, say_how_it_ended, say_usage
from localai.commands.flags import parse_keep_alive, parse_think
from localai.commands.pairs import PAIR, PairCommand
from localai.commands.startup import begin
from localai.config import Config
from localai.errors import InvalidInput, NotFound, PolicyRefused, Unreachable
from localai.paths import Paths
from localai.render.documents import answer_document
from localai.render.play import Answer, SilentWriter, play
from localai.render.sink import is_terminal, note, print_json, warn

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
    conversation: Annotated[
        str | None,
        typer.Option("--cid", metavar="ID", help="Go on with that one (localai history list)."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Load even what does not seem to fit.")
    ] = False,
) -> None:
    """Ask a model: a session on a terminal, one shot, or a pipe.

    With stdin and a prompt, stdin's text comes first. The answer alone goes to stdout.
    """
    paths, config = begin("chat")
    in_session = not prompt and not as_json and is_terminal(sys.stdin) and is_terminal(sys.stdout)
    text = "" if in_session else _question(prompt, quiet=quiet)
    options = parse_options(
        cast("list[tuple[str, str]]", option or []),
        seed=seed,
        max_tokens=max_tokens,
    )
    if allow_cloud:
        config = allow_every_cloud(config)
    records = config["history.record"] and not no_log
    kept = resume(paths.database, conversation) if continued or conversation else None
    display = Display(raw, not no_stream, hide_thinking, quiet, usage)
    writer = SilentWriter() if as_json or in_session else display.writer()

    def announce(text: str) -> None:
        # Said even when nothing else is to be: a prompt is about to leave this machine.
        writer.status(None)
        note(text)

    def recorder(kept: Kept | None) -> Recorder:
        if not records:
            return NoRecorder()
        problem = (lambda _: None) if quiet else warn
        return StoreRecorder(
            paths.database,
            command="chat",
            problem=problem,
            conversation_id=None if kept is None else kept.id,
            parent_id=None if kept is None else kept.leaf_id,
        )

    chosen, config = _choose(model, kept, config, paths, announce)
    asking = Asking(
        chosen,
        config,
        paths,
        announce,
        system=system,
        options=options,
        think=parse_think(think),
        context_tokens=ctx,
        keep_alive_s=parse_keep_alive(keep_alive),
        force=force,
    )
    dialogue = Dialogue(asking, recorder(kept), None if kept is None else kept.tree)
    if in_session:
        from localai.commands.session.loop import run_session
        from localai.commands.session.state import Session

        title = None if kept is None else kept.title
        session = Session(asking, dialogue, display, recorder, records=records, title=title)
        run_session(session, kept)
        return
    answer = play(dialogue.ask(text), writer)
    _show_end(answer, dialogue, as_json=as_json, usage=usage, quiet=quiet)


def _choose(
    model: str | None,
    kept: Kept | None,
    config: Config,
    paths: Paths,
    announce: Callable[[str], None],
) -> tuple[Chosen, Config]:
    """The model that was named; else the one that the conversation was held with, if it is still
    there; else the default."""
    if model is None and kept is not None and kept.model is not None:
        try:
            return choose_or_fall_back(kept.model, config, paths, announce)
        except (NotFound, Unreachable, PolicyRefused) as error:
            announce(f"{kept.model} does not go on with this conversation: {error.message}")
    return choose_or_fall_back(model, config, paths, announce)


def _question(prompt: list[str] | None, *, quiet: bool) -> str:
    """The whole question: stdin's text first, then the argument."""
    parts = [" ".join(prompt)] if prompt else []
    if sys.stdin is not None and (not parts or not is_terminal(sys.stdin)):
        waiting = lambda: None if quiet else note("reading stdin (</dev/null if nothing comes) …")  # noqa: E731
        parts.insert(0, read_text(sys.stdin.buffer, on_wait=waiting))
    text = "\n\n".join(part for part in (part.strip("\n") for part in parts) if part.strip())
    if not text:
        raise InvalidInput("there is nothing to ask", hint='localai chat "hello"')
    return text


def _show_end(
    answer: Answer,
    dialogue: Dialogue,
    *,
    as_json: bool,
    usage: bool,
    quiet: bool,
) -> None:
    asking = dialogue.asking
    done, model = answer.done, answer.model or asking.chosen.model
    if done is None:
        raise Unreachable(f"{model.provider} ended without an answer")
    if as_json:
        cost = cost_of(model, done, asking.config)
        conversation = dialogue.recorder.conversation_id
        print_json("chat", answer_document(model, answer, done, cost, conversation))
        return
    if quiet:
        return
    limit = asking.effective_options.max_tokens
    say_how_it_ended(done, limit, more="--max-tokens", larger="--ctx")
    if usage:
        say_usage(model, done, asking.config)
