"""Ask a chosen model a question, and keep what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from localai.chat.recorder import Recorder
from localai.chat.select import Chosen
from localai.types import ChatRequest, Event, Message, Options

if TYPE_CHECKING:
    from localai.config import Config


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
    names = [field.name for field in fields(Options) if getattr(options, field.name) is None]
    filled = replace(options, **{name: getattr(advised, name) for name in names})
    if filled.max_tokens is None:
        return replace(filled, max_tokens=config["chat.max_tokens"])
    return filled


def ask(chosen: Chosen, request: ChatRequest, recorder: Recorder) -> Iterator[Event]:
    """The events of the answer. Whatever ends it early, what came is kept and marked as cut."""
    recorder.answer_begins(chosen.model)
    try:
        for event in chosen.provider.stream(request):
            recorder.event(event)
            yield event
    except GeneratorExit:
        recorder.answer_cut("cancelled")
        raise
    except KeyboardInterrupt:
        recorder.answer_cut("cancelled")
        raise
    except BaseException:
        recorder.answer_cut("failed")
        raise
