"""Replacing the beginning of a long conversation by a summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from localai.answers import Answer, name_in_a_line
from localai.chat.ask import Asker
from localai.chat.request import build_request
from localai.chat.turn_tree import Turn
from localai.errors import ContextOverflow, InvalidInput
from localai.events import Answering, Events
from localai.types import Message, Zone

_SUMMARY_TOKENS = 400
_INSTRUCTION = (
    "You condense conversations. Write a short summary of the conversation that you are given:"
    " the facts, names, numbers, decisions and open questions that are needed to go on with it."
    " Write only the summary."
)

_SPEAKERS = {"user": "User", "assistant": "Assistant", "tool": "A tool", "system": "System"}


def parted(turns: Sequence[Turn]) -> tuple[list[Turn], list[Turn]]:
    """The turns to summarise, and the last question with its answers, which stay as they are.

    Raises InvalidInput if there are no earlier turns.
    """
    roles = [turn.message.role for turn in turns]
    last = max((at for at, role in enumerate(roles) if role == "user"), default=0)
    if last < 2:
        raise InvalidInput(
            "there is nothing to fold yet: the last question and answer stay as they are",
            hint="see how full the context is",
            command="/context",
        )
    return list(turns[:last]), list(turns[last:])


def require_on_device(asker: Asker) -> None:
    """Raise InvalidInput unless the chosen model is computed on this machine."""
    model = asker.chosen.model
    if model.zone is not Zone.DEVICE:
        zone = "unproven" if model.zone is None else model.zone.label
        raise InvalidInput(
            f"a summary is made on this machine, and {name_in_a_line(model)} is {zone}",
            hint="let a smaller model do it: /model starter, then /compact",
        )


def summarise(asker: Asker, turns: Sequence[Turn], show: Callable[[Events], Answer]) -> str:
    """A summary of `turns` by the chosen model; `show` shows the events and gathers the answer.

    Turns that do not fit the context at once are summarised in halves. Raises ContextOverflow if a
    single message does not fit.
    """
    return _summarise(asker, [_transcript(turn) for turn in turns], show)


def _summarise(asker: Asker, turns: list[str], show: Callable[[Events], Answer]) -> str:
    try:
        return show(_events(asker, "\n\n".join(turns))).text.strip()
    except ContextOverflow:
        if len(turns) < 2:
            raise
        half = len(turns) // 2
        parts = [_summarise(asker, part, show) for part in (turns[:half], turns[half:])]
        return show(_events(asker, "\n\n".join(parts))).text.strip()


def _events(asker: Asker, conversation: str) -> Events:
    limit = min(asker.options.max_tokens or _SUMMARY_TOKENS, _SUMMARY_TOKENS)
    settings = replace(
        asker.settings,
        system=_INSTRUCTION,
        options=replace(asker.settings.options, max_tokens=limit),
        schema=None,
        logprobs=None,
    )
    question = Message("user", f"The conversation:\n\n{conversation}\n\nSummarise it.")
    request = build_request(settings, asker.chosen.model, (question,), asker.config)
    yield Answering(asker.chosen.model)
    yield from asker.chosen.provider.stream(request)


def _transcript(turn: Turn) -> str:
    message = turn.message
    calls = [f"(calls {call.name} {call.arguments})" for call in message.tool_calls]
    words = "\n".join(filter(None, [message.text.strip(), *calls]))
    return f"{_SPEAKERS[message.role]}: {words}"
