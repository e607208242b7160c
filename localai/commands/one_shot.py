"""The answer to one question: shown while it comes, whole at its end, or as one JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localai.answers import Answer, PartialAnswer
from localai.chat.answer_checks import AnswerChecks
from localai.dataclass import dataclass
from localai.errors import Interrupted, LocalaiError
from localai.output.answer import SilentWriter, WithheldText, Writer, show_answer
from localai.output.answer_display import Display, say_how_it_ended, say_logprobs, say_usage
from localai.output.output import Output
from localai.output.plain_answer import print_answer_text

if TYPE_CHECKING:
    from localai.chat.conversation import Conversation
    from localai.events import Events
    from localai.output.documents.chat import Chat


@dataclass(frozen=True, slots=True)
class Showing:
    """How the answer is shown, and what is checked before it counts as good.

    `usage` is how often `-u` was given: 1 adds a line, more add every figure. `logprobs` adds the
    probability of each token.
    """

    output: Output
    display: Display
    checks: AnswerChecks
    usage: int = 0
    logprobs: bool = False

    @property
    def at_the_end(self) -> bool:
        """Whether the text is printed only when it is whole: JSON is not drawn as Markdown, and the
        part that `-x` prints is known only at the answer's end."""
        on_terminal = self.output.on_terminal
        return self.checks.extract or (self.checks.schema is not None and on_terminal)

    def writer(self) -> Writer:
        """What shows the answer while it comes."""
        if self.output.as_json:
            return SilentWriter()
        writer = self.display.writer()
        return WithheldText(writer) if self.at_the_end else writer


def show_one(conversation: Conversation, events: Events, writer: Writer, showing: Showing) -> int:
    """Show the answer of `events`, which `conversation` makes, and return the exit code.

    Raises KeyboardInterrupt (with JSON the document of the part is printed instead), the errors
    of the stream, and the answer's own where it fails a check.
    """
    output, checks = showing.output, showing.checks
    partial = PartialAnswer(conversation.asker.chosen.model)
    try:
        answer = show_answer(events, writer, partial)
    except KeyboardInterrupt:
        if not output.as_json:
            raise
        output.document(_cancelled(partial, conversation))
        return Interrupted.exit_code
    extracted = checks.extracted(answer)
    failure = checks.failure(answer, extracted)
    if output.as_json:
        output.document(_document(answer, conversation, extracted, failure))
        return 0 if failure is None else failure.exit_code
    if showing.at_the_end and not (checks.extract and extracted is None):
        text = answer.text if extracted is None else extracted
        print_answer_text(text, raw=showing.display.raw)
    if showing.logprobs:
        say_logprobs(output, answer)
    _say_its_end(answer, conversation, showing)
    if failure is not None:
        raise failure
    return 0


def _say_its_end(answer: Answer, conversation: Conversation, showing: Showing) -> None:
    kept = conversation.recorder.conversation_id is not None
    say_how_it_ended(
        showing.output,
        answer,
        conversation.asker.options.max_tokens,
        go_on="localai chat --more" if conversation.continues and kept else None,
        more="--max-tokens",
        larger="--ctx",
        calmer="--repeat-penalty 1.2",
    )
    if showing.usage:
        whole = showing.usage > 1
        say_usage(showing.output, answer, conversation.asker.config, whole=whole)


def _document(
    answer: Answer,
    conversation: Conversation,
    extracted: str | None,
    failure: LocalaiError | None,
) -> Chat:
    from localai.cost.prices import cost_of
    from localai.output.documents.chat import chat_document

    return chat_document(
        answer,
        cost_of(answer, conversation.asker.config),
        conversation_id=conversation.recorder.conversation_id,
        extracted=extracted,
        warnings=list(conversation.asker.announced),
        with_logprobs=conversation.asker.settings.logprobs is not None,
        error=failure,
    )


def _cancelled(partial: PartialAnswer, conversation: Conversation) -> Chat:
    from localai.output.documents.chat import cancelled_document

    announced = list(conversation.asker.announced)
    return cancelled_document(partial, conversation.recorder.conversation_id, announced)
