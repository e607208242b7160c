"""A running conversation: its model and settings, what was said, and its place in the tree.

The caller shows and reads; the recorder stores; `ask` gives the answers. One-shot and session use
the same Conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from localai.answers import PartialAnswer
from localai.chat.ask import Asker, ask
from localai.chat.pictures import as_seen
from localai.chat.recorder import Recorder
from localai.chat.request import build_request
from localai.chat.select import SelectedModel
from localai.chat.turn_tree import (
    Turn,
    TurnTree,
    conversation_tokens,
    messages_of,
    system_prompt_of,
    turns_of,
)
from localai.errors import InvalidInput
from localai.events import EarlyEnd, Events
from localai.providers.registry import facts_of
from localai.types import ChatRequest, Message, Picture, ResolvedModel

SUMMARY_HEADING = "What was said so far, in short:"


class Conversation:
    """A conversation that goes on. `unanswered` is the last question if it got no answer; it is not
    part of the branch."""

    def __init__(self, asker: Asker, recorder: Recorder, tree: TurnTree | None = None) -> None:
        """Begin a conversation, or continue that of `tree`. It keeps its system prompt unless the
        user gave one."""
        self.asker = asker
        self.recorder = recorder
        self.tree = TurnTree() if tree is None else tree
        self.unanswered: Message | None = None
        self._system: str | None = None
        self._system_is_set = False
        self._settle()
        if asker.settings.system is not None and self.tree.leaf is not None:
            self.set_system(asker.settings.system)

    # What there is

    @property
    def turns(self) -> list[Turn]:
        """The questions and answers of the branch in force. A user counts them from 1."""
        return turns_of(self.tree.branch())

    @property
    def system(self) -> str | None:
        """The system prompt that is sent with the next question."""
        if self._system_is_set:
            return self._system
        branch = self.tree.branch()
        return system_prompt_of(branch) if branch else self.asker.system_prompt

    @property
    def last_answer(self) -> Turn | None:
        """The answer at the end of the branch."""
        turns = self.turns
        return turns[-1] if turns else None

    @property
    def continues(self) -> bool:
        """Whether the present provider can continue an answer that was cut."""
        return facts_of(self.asker.chosen.provider.name, self.asker.config).continues_answers

    def request(self) -> ChatRequest:
        """The branch as a request to the chosen model."""
        messages = messages_of(self.tree.branch())
        asker = self.asker
        # The branch has the system prompt in force; if it has none, none is sent.
        settings = replace(asker.settings, system="")
        conversation = self.recorder.conversation_id
        return build_request(settings, asker.chosen.model, messages, asker.config, conversation)

    # Asking

    def ask(self, text: str, pictures: tuple[Picture, ...] = ()) -> Events:
        """Ask; returns the events of the answer. However they end, what came becomes part of the
        branch. If nothing came, the question does not become part of it either, and is
        `unanswered`."""
        self._settle(awaits_results=False)
        came_from = self.tree.leaf
        self._keep_system()
        self._keep(Message("user", text, pictures))
        return self._answer(came_from)

    def would_ask(self, text: str, pictures: tuple[Picture, ...] = ()) -> ChatRequest:
        """The request that `ask` would send. The conversation must be one that stores nothing."""
        self._settle(awaits_results=False)
        self._keep_system()
        self._keep(Message("user", text, pictures))
        return as_seen(self.request(), self.asker.paths)

    def retry(self) -> Events:
        """Ask the last question again; its present answer stays, in another branch.

        Raises InvalidInput if nothing was asked yet.
        """
        self._settle()
        if self.unanswered is not None:
            return self.ask(self.unanswered.text, self.unanswered.pictures)
        question = self._last_question("there is nothing to ask again")
        came_from = self.tree.leaf
        self._go_to(question.id)
        if self._system_is_set:
            self._go_to(question.parent)
            return self.ask(question.message.text, question.message.pictures)
        return self._answer(came_from)

    def more(self) -> Events:
        """Continue the last answer where it was cut. Returns the events of the rest, which is part
        of the same message; nothing is computed again.

        Raises InvalidInput if the answer is whole, or the model's provider cannot continue one.
        """
        last = self.last_answer
        if last is None or not last.may_go_on:
            raise InvalidInput(
                "there is no answer yet to go on with" if last is None else "the answer is whole",
                hint="what was cut at its limit, or stopped, can go on",
            )
        if not self.continues:
            name = self.asker.chosen.provider.name
            title = facts_of(name, self.asker.config).title or name
            raise InvalidInput(
                f"{title} cannot go on within an answer",
                hint="ask for the rest, as a new question",
            )
        return self._more(last)

    def _more(self, last: Turn) -> Events:
        self.unanswered = None
        self.recorder.answer_goes_on(last.stored_id, last.message)
        request = self.request()
        if last.message.reasoning:
            # It has reasoned already, and a template puts the reasoning before the answer.
            request = replace(request, think="off")
        answer = PartialAnswer(request.model, last.message)

        def take(cut: EarlyEnd) -> None:
            turn = self._answered(answer, answer.model or request.model, cut)
            self.tree.replace(replace(turn, id=last.id, parent=last.parent))

        yield from self._stream(request, answer, take)

    def _answer(self, came_from: int | None) -> Events:
        question = self.tree.leaf
        assert question is not None
        self.unanswered = self.tree[question].message
        request = self.request()
        answer = PartialAnswer(request.model)

        def take(cut: EarlyEnd) -> None:
            self._take(answer, answer.model or request.model, cut, came_from)

        yield from self._stream(request, answer, take)

    def _stream(
        self, request: ChatRequest, answer: PartialAnswer, take: Callable[[EarlyEnd], None]
    ) -> Events:
        """The events of `answer`; `take` is called at the end with how it was cut, if it was."""
        cut: EarlyEnd = "failed"
        try:
            with closing(ask(self.asker, request, self.recorder)) as events:
                for event in events:
                    answer.add(event)
                    yield event
        except (GeneratorExit, KeyboardInterrupt, SystemExit):
            cut = "cancelled"
            raise
        finally:
            take(cut)

    def _take(
        self, answer: PartialAnswer, model: ResolvedModel, cut: EarlyEnd, came_from: int | None
    ) -> None:
        """Put the answer into the branch, or step back over a question without one."""
        if not answer.text.strip() and not answer.tool_calls:
            self._go_to(came_from)
            return
        self.unanswered = None
        self.tree.add(self._answered(answer, model, cut))

    def _answered(self, answer: PartialAnswer, model: ResolvedModel, cut: str) -> Turn:
        """The turn of an answer that has no place in the tree yet."""
        done = answer.done
        zone = model.zone if done is None else done.locality.zone
        return Turn(
            0,
            None,
            answer.message(),
            model=f"{model.provider}/{model.id}",
            zone=None if zone is None else zone.label,
            finish_reason=cut if done is None else done.finish_reason,
            stored_id=self.recorder.parent_id,
            context_tokens=None if done is None else conversation_tokens(done.usage),
            allocated_tokens=None if done is None else done.context_tokens,
        )

    # Where it goes on

    def undo(self) -> str:
        """Take the last question and its answer out of the branch; they stay in the tree. Returns
        the question. Raises InvalidInput if there is none."""
        question = self._last_question("there is nothing to undo")
        self.go_to_parent(question)
        return question.message.text

    def fork(self, number: int) -> None:
        """Continue after the turn of that number, or, if that is a question, before it. Raises
        InvalidInput."""
        turn = self.turn(number)
        if turn.message.role == "user":
            self.go_to_parent(turn)
        else:
            self.go_to(turn)

    def question(self, number: int | None = None) -> Turn:
        """The question of that number, by default the last one. Raises InvalidInput."""
        if number is None:
            return self._last_question("there is no question yet")
        turn = self.turn(number)
        if turn.message.role != "user":
            raise InvalidInput(f"message {number} is an answer", command=f"/edit {number - 1}")
        return turn

    def turn(self, number: int) -> Turn:
        """The turn that the user calls `number`. Raises InvalidInput."""
        turns = self.turns
        if not 1 <= number <= len(turns):
            there = f"there are 1 to {len(turns)}" if turns else "there is none yet"
            raise InvalidInput(f"there is no message {number}: {there}", command="/show messages")
        return turns[number - 1]

    def go_to(self, turn: Turn | None) -> None:
        """Continue after `turn` of the tree, in whichever branch; None is before the first turn."""
        self.unanswered = None
        self._go_to(None if turn is None else turn.id)

    def go_to_parent(self, turn: Turn) -> None:
        """Continue before `turn` of the tree."""
        self.go_to(None if turn.parent is None else self.tree[turn.parent])

    def fold(self, summary: str, kept: list[Turn]) -> None:
        """Continue in a new branch: the system prompt with `summary`, and copies of the turns
        `kept`. The long branch stays in the tree."""
        prompt = "\n\n".join(filter(None, (self.system, f"{SUMMARY_HEADING}\n{summary}")))
        self._go_to(None)
        self.set_system(prompt)
        self._keep_system()
        for turn in kept:
            self._keep(turn.message, like=turn)

    # What changes

    def set_system(self, text: str | None) -> None:
        """Use another system prompt from here on; None sends none."""
        self._system, self._system_is_set = text, True

    def switch(self, chosen: SelectedModel) -> None:
        """Ask another model from here on. A system prompt that was the old model's own, and not the
        user's choice, is replaced by the new model's."""
        asker = self.asker
        was_its_own = asker.settings.system is None and self.system == asker.system_prompt
        asker.chosen = chosen
        if was_its_own and self.tree.leaf is not None and self.system != asker.system_prompt:
            self.set_system(asker.system_prompt)

    def rename(self, title: str) -> None:
        """Call the conversation `title`."""
        self.recorder.rename(title)

    # Within

    def _settle(self, *, awaits_results: bool = True) -> None:
        """Step back over a question that was never answered. If no results of tools will come any
        more, also step back over a question that was answered by calls alone."""
        skipped = self.tree.settle(awaits_results=awaits_results)
        if skipped is not None:
            self.unanswered = skipped.message
            self.recorder.go_to(self._stored(self.tree.leaf))

    def _stored(self, leaf: int | None) -> int | None:
        return None if leaf is None else self.tree[leaf].stored_id

    def _keep_system(self) -> None:
        system, branch = self.system, self.tree.branch()
        self._system, self._system_is_set = None, False
        if system != system_prompt_of(branch):
            self._keep(Message("system", system or ""))

    def _keep(self, message: Message, like: Turn | None = None) -> None:
        self.recorder.question(message)
        turn = Turn(0, None, message, finish_reason="complete") if like is None else like
        turn = replace(turn, stored_id=self.recorder.parent_id, context_tokens=None)
        self.tree.add(turn)

    def _go_to(self, leaf: int | None) -> None:
        self.tree.leaf = leaf
        self.recorder.go_to(self._stored(leaf))

    def _last_question(self, otherwise: str) -> Turn:
        for turn in reversed(self.turns):
            if turn.message.role == "user":
                return turn
        raise InvalidInput(otherwise, hint="ask something first")
