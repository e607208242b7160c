"""The answer to one question, and how it is gathered from a stream of events.

`gather` reads a stream to its end. A caller that needs what came before a failure, or stores it
while it comes, passes a `PartialAnswer` of its own. Nothing here shows or stores.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from localai.dataclass import dataclass
from localai.errors import AnswerRefused, Unreachable
from localai.events import (
    CUT,
    Answering,
    Done,
    Event,
    Events,
    ReasoningDelta,
    TextDelta,
    ThinkingEnded,
    TokenLogprobs,
)
from localai.types import Message, ResolvedModel, ToolCall


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: who gave it, what was said, and how it ended.

    `text` and `reasoning` are empty if the model wrote none. `logprobs` has an entry for each token
    if they were asked for and the provider gives them.
    """

    model: ResolvedModel
    text: str
    reasoning: str
    done: Done
    logprobs: tuple[TokenLogprobs, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()

    @property
    def is_cut(self) -> bool:
        """Whether it did not come to its own end (`types.CUT`)."""
        return self.done.finish_reason in CUT

    @property
    def refusal(self) -> AnswerRefused | None:
        """The error for an answer that the provider refused to give; None if it was given."""
        if self.done.finish_reason != "refusal":
            return None
        return AnswerRefused(f"{name_in_a_line(self.model)} refused to answer")


def name_in_a_line(model: ResolvedModel) -> str:
    """The model's name for a sentence: `provider/name`; of a file that is named by its path, the
    file."""
    if model.id.startswith("/"):
        return model.id.rpartition("/")[2]
    return f"{model.provider}/{model.id}"


class PartialAnswer:
    """An answer while it comes. `done` is None as long as it has not ended.

    `begun` is the earlier part of an answer that is continued. `model` is the model that was asked.
    An `Answering` event replaces it, so it may be None for a stream that begins with one, as every
    stream of `chat.ask` does.
    """

    def __init__(self, model: ResolvedModel | None = None, begun: Message | None = None) -> None:
        self.model = model
        self.done: Done | None = None
        self._text: list[str] = [] if begun is None else [begun.text]
        self._reasoning: list[str] = [] if begun is None else [begun.reasoning or ""]
        self._logprobs: list[TokenLogprobs] = []
        self._tool_calls: list[ToolCall] = []

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """The reasoning so far."""
        return "".join(self._reasoning)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls of tools so far."""
        return tuple(self._tool_calls)

    def message(self) -> Message:
        """The answer so far, as a message of the conversation."""
        return Message(
            "assistant", self.text, reasoning=self.reasoning or None, tool_calls=self.tool_calls
        )

    def add(self, event: Event) -> None:
        """Take the next event of the stream."""
        if isinstance(event, TextDelta):
            self._text.append(event.text)
        elif isinstance(event, ReasoningDelta):
            self._reasoning.append(event.text)
        elif isinstance(event, ThinkingEnded):
            self._reasoning = ["\n".join(filter(None, (self.reasoning, self.text.strip())))]
            self._text = []
        elif isinstance(event, TokenLogprobs):
            self._logprobs.append(event)
        elif isinstance(event, ToolCall):
            self._tool_calls.append(event)
        elif isinstance(event, Answering):
            self.model = event.model
        elif isinstance(event, Done):
            self.done = event

    def whole(self) -> Answer:
        """The answer, once its stream has ended. Raises Unreachable if no `Done` came."""
        if self.model is None or self.done is None:
            provider = "the provider" if self.model is None else self.model.provider
            raise Unreachable(f"{provider} ended without an answer")
        return Answer(
            self.model,
            self.text,
            self.reasoning,
            self.done,
            tuple(self._logprobs),
            self.tool_calls,
        )


def gather(
    events: Events,
    into: PartialAnswer | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Answer:
    """The answer that `events` make; they are read to their end.

    If this raises, `into` has what came so far. `on_event` is called with each event after it was
    added; an exception of it ends the answer. The stream is closed in any case, which stops the
    computation. Raises what the stream raises, and Unreachable if it ends without `Done`.
    """
    answer = PartialAnswer() if into is None else into
    with closing(events):
        for event in events:
            answer.add(event)
            if on_event is not None:
                on_event(event)
    return answer.whole()
