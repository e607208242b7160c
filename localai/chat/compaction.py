"""Folding the beginning of a long conversation into a summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from localai.answers import Answer
from localai.chat.dialogue import Asking
from localai.chat.turn_tree import Turn
from localai.errors import ContextOverflow, InvalidInput
from localai.types import Answering, ChatRequest, Events, Message, Zone

_SUMMARY_TOKENS = 400
_INSTRUCTION = (
    "You condense conversations. Write a short summary of the conversation that you are given:"
    " the facts, names, numbers, decisions and open questions that are needed to go on with it."
    " Write only the summary."
)


def parted(turns: Sequence[Turn]) -> tuple[list[Turn], list[Turn]]:
    """What is to be folded, and the last question and answer, which stay as they are.

    Raises InvalidInput if there is nothing but those.
    """
    if len(turns) < 4:
        raise InvalidInput(
            "there is nothing to fold yet: the last question and answer stay as they are",
            hint="/context shows how full the context is",
        )
    return list(turns[:-2]), list(turns[-2:])


def require_on_device(asking: Asking) -> None:
    """Raise InvalidInput unless the chosen model is computed on this machine."""
    model = asking.chosen.model
    if model.zone is not Zone.DEVICE:
        zone = "unproven" if model.zone is None else model.zone.label
        raise InvalidInput(
            f"a summary is made on this machine, and {model.provider}/{model.id} is {zone}",
            hint="/model starter, then /compact",
        )


def summarise(asking: Asking, turns: Sequence[Turn], play: Callable[[Events], Answer]) -> str:
    """A summary of `turns` by the chosen model; `play` shows the events and gathers the answer.

    What does not fit the context at once is folded in halves. Raises ContextOverflow where a
    single message does not fit.
    """
    return _summarise(asking, [_said(turn) for turn in turns], play)


def _summarise(asking: Asking, said: list[str], play: Callable[[Events], Answer]) -> str:
    try:
        return play(_events(asking, "\n\n".join(said))).text.strip()
    except ContextOverflow:
        if len(said) < 2:
            raise
        half = len(said) // 2
        parts = [_summarise(asking, part, play) for part in (said[:half], said[half:])]
        return play(_events(asking, "\n\n".join(parts))).text.strip()


def _events(asking: Asking, conversation: str) -> Events:
    options = asking.effective_options
    limit = min(options.max_tokens or _SUMMARY_TOKENS, _SUMMARY_TOKENS)
    request = ChatRequest(
        model=asking.chosen.model,
        messages=(
            Message("system", _INSTRUCTION),
            Message("user", f"The conversation:\n\n{conversation}\n\nSummarise it."),
        ),
        options=replace(options, max_tokens=limit),
        think=asking.think,
        context_tokens=asking.context_tokens,
        keep_alive_s=asking.keep_alive_s,
        force=asking.force,
    )
    yield Answering(asking.chosen.model)
    yield from asking.chosen.provider.stream(request)


def _said(turn: Turn) -> str:
    speaker = "User" if turn.message.role == "user" else "Assistant"
    return f"{speaker}: {turn.message.text.strip()}"
