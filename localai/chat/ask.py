"""Ask a chosen model a question, and keep what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from localai.chat.off_device import departure_of, fallback_for
from localai.chat.recorder import Recorder
from localai.chat.select import Chosen
from localai.errors import Unreachable
from localai.types import Answering, ChatRequest, Events, Loading, Message, Options

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths


def with_system_prompt(
    messages: Sequence[Message], given: str | None, chosen: Chosen, config: Config
) -> tuple[Message, ...]:
    """The messages with the system prompt in front: the one given, else the configured one, else
    the one that the model's catalogue entry says it needs. A prompt that is there already stays."""
    if messages and messages[0].role == "system":
        return tuple(messages)
    prompt = given or config["chat.system"] or chosen.model.system_prompt
    return (Message("system", prompt), *messages) if prompt else tuple(messages)


def effective_options(options: Options, chosen: Chosen, config: Config) -> Options:
    """The options with the model's recommended ones where none were given, and a token limit:
    some models never stop, and a pipe would wait for them for ever."""
    advised = chosen.model.recommended
    unset: tuple[object, ...] = (None, (), {})
    names = [field.name for field in fields(Options) if getattr(options, field.name) in unset]
    filled = replace(options, **{name: getattr(advised, name) for name in names})
    if filled.max_tokens is None:
        return replace(filled, max_tokens=config["chat.max_tokens"])
    return filled


def ask(
    chosen: Chosen,
    request: ChatRequest,
    recorder: Recorder,
    config: Config,
    paths: Paths,
    *,
    announce: Callable[[str], None],
) -> Events:
    """The events of the answer, `Answering` first. Whatever ends it early, what came is kept and
    marked as cut.

    `announce` is told before a byte of the prompt leaves this machine, and when the configured
    cloud fallback steps in for a local provider that cannot be reached.
    """
    try:
        for event in _with_fallback(chosen, request, config, paths, announce):
            if isinstance(event, Answering):
                recorder.answer_begins(event.model)
            recorder.event(event)
            yield event
    except (GeneratorExit, KeyboardInterrupt):
        recorder.answer_cut("cancelled")
        raise
    except BaseException:
        recorder.answer_cut("failed")
        raise


def _with_fallback(
    chosen: Chosen,
    request: ChatRequest,
    config: Config,
    paths: Paths,
    announce: Callable[[str], None],
) -> Events:
    answered = False
    try:
        for event in _from(chosen, request, config, announce):
            answered = answered or not isinstance(event, Answering | Loading)
            yield event
    except Unreachable as error:
        if answered:
            raise
        stand_in = fallback_for(chosen.provider.name, error, config, paths, announce)
        if stand_in is None:
            raise
        other = replace(request, model=stand_in.chosen.model)
        yield from _from(stand_in.chosen, other, stand_in.config, announce)


def _from(
    chosen: Chosen, request: ChatRequest, config: Config, announce: Callable[[str], None]
) -> Events:
    yield Answering(chosen.model)
    departure = departure_of(chosen, config)
    if departure is not None:
        announce(departure)
    with closing(chosen.provider.stream(request)) as events:
        yield from events
