"""The state of a running session, which its readers and commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Final

from localai.answers import Answer
from localai.chat.ask import Asker
from localai.chat.conversation import Conversation
from localai.chat.filling import fill, filled_system, settings_of, title_of
from localai.chat.inputs import TextFile, with_files
from localai.chat.recorder import title_from
from localai.chat.request import overlaid
from localai.dataclass import dataclass
from localai.errors import LocalaiError, find_localai_error
from localai.events import Events
from localai.output.answer import SilentWriter, Writer, show_answer
from localai.output.answer_display import Display, say_how_it_ended, say_usage
from localai.output.output import Output
from localai.session.hints import hint_here, line_here
from localai.session.interrupts import Interrupts
from localai.types import Picture

if TYPE_CHECKING:
    from localai.chat.recorder import Recorder
    from localai.chat.resume import StoredConversation
    from localai.chat.templates import Template
    from localai.chat.turn_tree import Turn


@dataclass(frozen=True, slots=True)
class Edit:
    """A question that stands at the prompt to be changed. `back` is the turn to return to if the
    user does not ask it; `pictures` stay with it."""

    text: str
    back: Turn | None
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class SystemBefore:
    """The system prompt before a template brought its own: what was asked for, and what was in
    force."""

    asked: str | None
    in_force: str | None


@dataclass(slots=True)
class Session:
    """A session: its conversation, its display, and what waits for the next question.

    `new_recorder` makes the recorder of a new conversation (None) or of a continued one. `records`
    is False if nothing is to be stored. `files`, and `pictures` by the names that the user gave,
    are sent with the next question. That question is put into `template`, with `parameters`; the
    template's options and schema hold for it alone.
    """

    asker: Asker
    conversation: Conversation
    display: Display
    new_recorder: Callable[[StoredConversation | None], Recorder]
    records: bool
    output: Output = field(default_factory=lambda: Output("chat"))
    interrupts: Interrupts = field(default_factory=Interrupts)
    files: list[TextFile] = field(default_factory=list)
    pictures: dict[str, Picture] = field(default_factory=dict)
    template: Template | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    title: str | None = None
    system_before: SystemBefore | None = None
    edit: Edit | None = None
    leaving: bool = False
    decode_tokens_per_s: float | None = None
    _writer: Writer = field(default_factory=SilentWriter)

    def __post_init__(self) -> None:
        self.asker.announce = self.announce
        system = None if self.template is None else filled_system(self.template, self.parameters)
        if system is not None and system == self.asker.settings.system:
            self.asker.change(system=None)
            self.take_system(system)

    def announce(self, text: str) -> None:
        """Show the text, even if nothing else is shown: a prompt is about to leave this machine."""
        self._writer.status(None)
        self.output.announce(text)

    def say_error(self, error: LocalaiError) -> None:
        """Show an error, with what helps as it is typed here."""
        error.hint, error.command = hint_here(error.hint), line_here(error.command)
        if (error.command or "").startswith("localai config set"):
            error.hint = error.hint or _ANEW
        is_typed_here = error.command is None or error.command.startswith("/")
        run = "run:" if is_typed_here else "in a shell:"
        self.output.error(error, run=run, doctor="/doctor")

    def take_system(self, system: str) -> None:
        """Use a template's system prompt from here on, until `drop_template`."""
        if self.system_before is None:
            asked, in_force = self.asker.settings.system, self.conversation.system
            self.system_before = SystemBefore(asked, in_force)
        self.asker.change(system=system)
        self.conversation.set_system(system)

    def drop_template(self) -> None:
        """Put no question into a template, and use the system prompt that was in force before."""
        self.template = None
        before, self.system_before = self.system_before, None
        if before is not None:
            self.asker.change(system=before.asked)
            self.conversation.set_system(before.in_force)

    def begin(self, kept: StoredConversation | None) -> None:
        """Begin a new conversation, or continue a stored one."""
        tree = None if kept is None else kept.tree
        self.conversation = Conversation(self.asker, self.new_recorder(kept), tree)
        self.title = None if kept is None else kept.title
        if kept is not None:
            self.system_before = None
        self.decode_tokens_per_s = None

    def ask(self, question: str, pictures: tuple[Picture, ...] = ()) -> None:
        """Ask, with the waiting files, pictures and template, and show the answer."""
        text, before = with_files(self.files, question), self.asker.settings
        # The question gives the conversation its title, not the first line of a file.
        title = title_from(question) if self.files else None
        if self.template is not None:
            filled = fill(self.template, self.parameters, text)
            text, title = filled.prompt, title_of(self.template, question, filled)
            self.asker.settings = overlaid(settings_of(self.template), before)
        if title is not None and self.title is None and not self.conversation.turns:
            self.title = title_from(title)
            self.conversation.rename(self.title)
        pictures = (*pictures, *self.pictures.values())
        self.files, self.pictures, self.template = [], {}, None
        try:
            self.answer(self.conversation.ask(text, pictures))
        finally:
            self.asker.settings = before

    def answer(self, events: Events) -> bool:
        """Show an answer as it comes. Returns whether it came to its end. Errors are shown, Ctrl-C
        stops it, and either way the session goes on."""
        self.decode_tokens_per_s = None
        try:
            answer = self.show_events(events)
        except KeyboardInterrupt:
            self.output.note(_stopped(self.conversation))
            return False
        except Exception as error:
            known = find_localai_error(error)
            if known is None:
                raise
            self.say_error(known)
            return False
        self.decode_tokens_per_s = answer.done.timings.decode_tokens_per_s
        limit = self.asker.options.max_tokens
        if answer.refusal is not None:
            self.say_error(answer.refusal)
        say_how_it_ended(
            self.output,
            answer,
            limit,
            go_on="/more" if self._goes_on(answer) else None,
            more="/set max_tokens N",
            larger="/set ctx N",
            calmer="/set repeat_penalty 1.2",
        )
        if self.display.usage:
            say_usage(self.output, answer, self.asker.config)
        return True

    def _goes_on(self, answer: Answer) -> bool:
        """Whether /more can continue the answer: in a context that the user has set there is no
        more room."""
        is_full = answer.done.finish_reason == "context"
        has_set = self.asker.settings.context_tokens is not None
        return self.conversation.continues and not (is_full and has_set)

    def show_events(self, events: Events) -> Answer:
        """Show the events as an answer is shown. Raises what they raise, KeyboardInterrupt."""
        self._writer = self.display.writer()
        return show_answer(events, self._writer)

    def show_text(self, text: str) -> None:
        """Show a text as an answer is shown."""
        writer = self.display.writer()
        writer.text(text)
        writer.close()


_ANEW: Final = "then leave, and go on by localai chat -c: a session reads settings when it begins"


def _stopped(conversation: Conversation) -> str:
    if conversation.unanswered is not None:
        return "(stopped before anything came; /retry asks again)"
    more = "/more goes on, " if conversation.continues else ""
    return f"(stopped; what came is kept. {more}/retry asks again, /undo takes it back)"
