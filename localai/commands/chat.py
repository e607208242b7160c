"""`localai chat`: a session on a terminal, one shot, or a pipe."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from localai.chat.ask import ask, effective_options, with_system_prompt
from localai.chat.departure import allow_every_cloud, choose_or_fall_back
from localai.chat.incoming import read_text
from localai.chat.options import parse_options
from localai.chat.recorder import NoRecorder, Recorder, StoreRecorder
from localai.commands.pairs import PAIR, PairCommand
from localai.commands.startup import begin
from localai.config import Config, parse_duration
from localai.errors import InvalidInput, Unreachable
from localai.paths import Paths
from localai.render.documents import answer_document
from localai.render.play import Answer, SilentWriter, Writer, play
from localai.render.sink import is_terminal, note, print_json, warn
from localai.render.usage_line import usage_lines
from localai.types import ChatRequest, Done, Message, ResolvedModel, Think

if TYPE_CHECKING:
    from localai.cost.prices import Cost

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_FINISH_NOTES = {
    "length": "cut at {limit} tokens; --max-tokens allows more",
    "context": "cut: the context is full; --ctx allows more",
    "refusal": "the provider refused to answer",
}


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
    force: Annotated[
        bool, typer.Option("--force", help="Load even what does not seem to fit.")
    ] = False,
) -> None:
    """Ask a model: a session on a terminal, one shot, or a pipe.

    With stdin and a prompt, stdin's text comes first. The answer alone goes to stdout.
    """
    paths, config = begin("chat")
    text = _question(prompt, quiet=quiet)
    options = parse_options(
        cast("list[tuple[str, str]]", option or []),
        seed=seed,
        max_tokens=max_tokens,
    )
    if allow_cloud:
        config = allow_every_cloud(config)
    writer = _writer(
        as_json=as_json, raw=raw, stream=not no_stream, hide_thinking=hide_thinking, quiet=quiet
    )

    def announce(text: str) -> None:
        # Said even when nothing else is to be: a prompt is about to leave this machine.
        writer.status(None)
        note(text)

    chosen, config = choose_or_fall_back(model, config, paths, announce)
    recorder = _recorder(paths, config, no_log=no_log, quiet=quiet)
    messages = with_system_prompt([Message("user", text)], system, chosen, config)
    for message in messages:
        recorder.question(message)
    request = ChatRequest(
        model=chosen.model,
        messages=messages,
        options=effective_options(options, chosen, config),
        think=_think(think),
        context_tokens=ctx,
        keep_alive_s=_keep_alive(keep_alive),
        force=force,
    )
    events = ask(chosen, request, recorder, config, paths, announce=announce)
    answer = play(events, writer)
    _show_end(answer, request, recorder, config, as_json=as_json, usage=usage, quiet=quiet)


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


def _writer(*, as_json: bool, raw: bool, stream: bool, hide_thinking: bool, quiet: bool) -> Writer:
    if as_json:
        return SilentWriter()
    from localai.render.answer import answer_writer

    return answer_writer(raw=raw, stream=stream, hide_thinking=hide_thinking, quiet=quiet)


def _recorder(paths: Paths, config: Config, *, no_log: bool, quiet: bool) -> Recorder:
    if no_log or not config["history.record"]:
        return NoRecorder()
    return StoreRecorder(
        paths.database, command="chat", problem=(lambda _: None) if quiet else warn
    )


def _think(text: str | None) -> Think | None:
    if text is None:
        return None
    if text not in get_args(Think):
        raise InvalidInput(
            f"--think takes {', '.join(get_args(Think))}, not {text!r}", hint="--think high"
        )
    return cast("Think", text)


def _keep_alive(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidInput(f"--keep-alive must be {error}, not {text!r}") from error


def _show_end(
    answer: Answer,
    request: ChatRequest,
    recorder: Recorder,
    config: Config,
    *,
    as_json: bool,
    usage: bool,
    quiet: bool,
) -> None:
    done, model = answer.done, answer.model or request.model
    if done is None:
        raise Unreachable(f"{model.provider} ended without an answer")
    if as_json:
        cost = _cost(model, done, config)
        print_json("chat", answer_document(model, answer, done, cost, recorder.conversation_id))
        return
    if quiet:
        return
    if finish := _FINISH_NOTES.get(done.finish_reason):
        warn(finish.format(limit=request.options.max_tokens))
    if usage:
        for line in usage_lines(model, done, _cost(model, done, config)):
            note(line)


def _cost(model: ResolvedModel, done: Done, config: Config) -> Cost:
    from localai.cost.prices import price

    zone = done.locality.zone
    endpoint = config.endpoints.get(model.provider)
    return price(
        model.provider,
        model.id,
        None if zone is None else zone.label,
        done.usage,
        time.time(),
        None if endpoint is None else endpoint.url,
    )
