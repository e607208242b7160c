"""The messages of a conversation as a tree, of which one branch is in force. Pure.

A system prompt may stand anywhere; it holds from there on, until another one does. A branch in
force ends in an answer, because a question without an answer would be asked twice. So `settle`
steps back over such a question, also over one that a killed command left. An answer may call tools;
their results follow it, and then the next answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from localai.dataclass import dataclass
from localai.events import CUT, Usage
from localai.types import Message


@dataclass(frozen=True, slots=True)
class Turn:
    """A message in its place. `id` counts from 1 within the tree; `stored_id` is the database's.

    `model` (`provider/id`), its `preset` and `zone` (its label) say who wrote an answer, and
    `finish_reason` how it ended; None means that the command was killed while the answer came.
    `context_tokens` is the length of the conversation up to here, `allocated_tokens` the context
    that the provider had for it. `lost_pictures` are those that the message had and that are no
    longer kept.
    """

    id: int
    parent: int | None
    message: Message
    model: str | None = None
    zone: str | None = None
    finish_reason: str | None = None
    stored_id: int | None = None
    context_tokens: int | None = None
    allocated_tokens: int | None = None
    lost_pictures: int = 0
    preset: str | None = None

    @property
    def is_cut(self) -> bool:
        """Whether it is an answer of which only a part came."""
        ended = ("cancelled", "failed", None)
        return self.message.role == "assistant" and self.finish_reason in ended

    @property
    def may_go_on(self) -> bool:
        """Whether it is an answer that did not come to its own end and has a text to continue."""
        unfinished = self.is_cut or self.finish_reason in CUT
        return self.message.role == "assistant" and unfinished and bool(self.message.text.strip())


class TurnTree:
    """A growing tree of turns. `leaf` is the turn under which the next one goes."""

    def __init__(self) -> None:
        self._turns: list[Turn] = []
        self.leaf: int | None = None

    def add(self, turn: Turn) -> Turn:
        """Put `turn` under the leaf (its own `id` and `parent` are ignored) and make it the leaf.
        Returns it with its place in the tree."""
        placed = replace(turn, id=len(self._turns) + 1, parent=self.leaf)
        self._turns.append(placed)
        self.leaf = placed.id
        return placed

    def replace(self, turn: Turn) -> None:
        """Put `turn` in the place of the one that has its id."""
        self._turns[turn.id - 1] = turn

    def __getitem__(self, identifier: int) -> Turn:
        return self._turns[identifier - 1]

    def branch(self, leaf: int | None = None) -> list[Turn]:
        """The turns from the root to `leaf` (default: the leaf in force)."""
        found: list[Turn] = []
        at = self.leaf if leaf is None else leaf
        while at is not None:
            turn = self[at]
            found.append(turn)
            at = turn.parent
        return found[::-1]

    def walk(self) -> Iterator[Turn]:
        """Every turn; a branch is walked to its end before the next one begins."""
        children: dict[int | None, list[Turn]] = {}
        for turn in self._turns:
            children.setdefault(turn.parent, []).append(turn)
        waiting = children.get(None, [])[::-1]
        while waiting:
            turn = waiting.pop()
            yield turn
            waiting += children.get(turn.id, [])[::-1]

    def settle(self, *, awaits_results: bool = True) -> Turn | None:
        """Step back to the newest answer, or to before the first question. An answer has a text or,
        if it `awaits_results`, calls of tools.

        Returns the question that was stepped over; None if every question was answered.
        """
        unanswered: Turn | None = None
        while self.leaf is not None:
            turn = self[self.leaf]
            if turn.message.role == "system" or _is_answer(turn, calls=awaits_results):
                break
            if turn.message.role == "user":
                unanswered = unanswered or turn
            self.leaf = turn.parent
        return unanswered

    def ends(self) -> list[Turn]:
        """The ends of the branches, oldest first: answers after which none follows, and the leaf in
        force wherever it is."""
        inner: set[int] = set()
        answers = [turn for turn in self._turns if _is_answer(turn)]
        for turn in answers:
            at = turn.parent
            while at is not None and at not in inner:
                inner.add(at)
                at = self[at].parent
        return [turn for turn in answers if turn.id not in inner or turn.id == self.leaf]


def turns_of(branch: Iterable[Turn]) -> list[Turn]:
    """The questions and answers of a branch, without its system prompts."""
    return [turn for turn in branch if turn.message.role != "system"]


def system_prompt_of(branch: Iterable[Turn]) -> str | None:
    """The system prompt in force at the end of `branch`; None if there is none."""
    text = None
    for turn in branch:
        if turn.message.role == "system":
            text = turn.message.text
    return text or None


def messages_of(branch: list[Turn]) -> tuple[Message, ...]:
    """The messages of a branch for a provider: the system prompt in force, then what was said."""
    system = system_prompt_of(branch)
    messages = tuple(turn.message for turn in turns_of(branch))
    return (Message("system", system), *messages) if system else messages


def conversation_tokens(usage: Usage) -> int | None:
    """The tokens that a conversation takes in the context after an answer, without the answer's
    reasoning, which is not kept."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    return usage.input_tokens + usage.output_tokens - (usage.reasoning_tokens or 0)


def _is_answer(turn: Turn, *, calls: bool = True) -> bool:
    message = turn.message
    has_text = bool(message.text.strip()) and (calls or not message.tool_calls)
    return message.role == "assistant" and (has_text or (calls and bool(message.tool_calls)))
