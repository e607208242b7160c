"""The prompt on a terminal: line editing, keys, history, completion, the status bar.

Only this module, `completion` and `picker` import prompt_toolkit, so that nothing else does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app, run_in_terminal
from prompt_toolkit.completion import CompleteEvent, get_common_complete_suffix
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History, InMemoryHistory
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPress, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.styles import Style

from localai.answers import name_in_a_line
from localai.chat import input_history
from localai.errors import InvalidInput
from localai.session.completion import SlashCompleter
from localai.session.editor import edit_text
from localai.session.model_commands import zone_label
from localai.session.state import Session
from localai.session.typed_text import Pastes, is_open, repaired
from localai.types import ResolvedModel
from localai.units import counted

_STYLE = Style.from_dict({"bottom-toolbar": "noreverse ansibrightblack"})
_MENU_ROWS = 6


class TerminalReader:
    """Reads with prompt_toolkit."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pastes = Pastes()
        self._prompt: PromptSession[str] = PromptSession(
            ">>> ",
            multiline=True,
            prompt_continuation=_continuation,
            history=session_history(session, self._pastes),
            completer=SlashCompleter(session),
            complete_while_typing=Condition(_types_a_command),
            reserve_space_for_menu=_MENU_ROWS,
            key_bindings=key_bindings(session, self._pastes),
            bottom_toolbar=self._status,
            search_ignore_case=True,
            enable_suspend=True,
            include_default_pygments_style=False,
            style=_STYLE,
            input=LargeBites(sys.stdin),
        )

        # A terminal that does not report its cursor gets no status bar, and no warning about that.
        self._prompt.app.renderer.cpr_not_supported_callback = None

    def read(self, prefill: str) -> str:
        """The typed text, with large pastes in full. Raises EOFError, KeyboardInterrupt."""
        line = self._prompt.prompt(
            default=self._pastes.mark(prefill), handle_sigint=False, pre_run=self._leave_if_asked
        )
        return repaired(self._pastes.expand(line))

    def _leave_if_asked(self) -> None:
        # Ctrl-C came as a signal before this prompt was there.
        if self._session.interrupts.leave:
            get_app().exit(exception=EOFError)

    def _status(self) -> StyleAndTextTuples:
        return [("", status_text(self._session, get_app().output.get_size().columns))]


def _types_a_command() -> bool:
    return get_app().current_buffer.text.startswith("/")


def _continuation(width: int, _line: int, wrapped: int) -> str:
    return " " * width if wrapped else "... "


def key_bindings(session: Session, pastes: Pastes) -> KeyBindings:
    """Enter asks, Alt-Enter is a new line, Ctrl-C clears, Ctrl-X Ctrl-E opens the editor."""
    bindings = KeyBindings()
    at_prompt = has_focus(DEFAULT_BUFFER)

    @bindings.add("enter", filter=at_prompt)
    def _ask(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_open(buffer.text):
            buffer.newline(copy_margin=False)
        else:
            buffer.validate_and_handle()

    @bindings.add("escape", "enter", filter=at_prompt)
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    @bindings.add("tab", filter=at_prompt)
    def _complete(event: KeyPressEvent) -> None:
        # At once, as in a shell: prompt_toolkit drops a Tab that comes while the menu for the keys
        # before it is still being made.
        buffer = event.current_buffer
        asked = CompleteEvent(completion_requested=True)
        found = list(buffer.completer.get_completions(buffer.document, asked))
        common = get_common_complete_suffix(buffer.document, found)
        if len(found) == 1:
            buffer.apply_completion(found[0])
        elif common:
            buffer.insert_text(common)
        elif buffer.complete_state is not None:
            buffer.complete_next()
        else:
            buffer.start_completion()

    @bindings.add("c-c", filter=at_prompt)
    def _clear(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if session.edit is not None or not buffer.text:
            session.interrupts.pressed()
            event.app.exit(exception=KeyboardInterrupt)
            return
        buffer.reset()
        session.interrupts.cleared()

    @bindings.add(Keys.BracketedPaste, filter=at_prompt)
    def _paste(event: KeyPressEvent) -> None:
        text = event.data.replace("\r\n", "\n").replace("\r", "\n")
        event.current_buffer.insert_text(pastes.mark(text))

    @bindings.add("c-x", "c-e", filter=at_prompt)
    async def _edit(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        before = pastes.expand(buffer.text)

        def edit() -> str:
            try:
                return edit_text(before)
            except InvalidInput as error:
                session.say_error(error)
                return before

        # In this thread, because the guard's permission to start a program belongs to a thread.
        after = await run_in_terminal(edit, in_executor=False)
        buffer.text = pastes.mark(after)
        buffer.cursor_position = len(buffer.text)

    return bindings


def session_history(session: Session, pastes: Pastes) -> History:
    """The history on disk; one that ends with the session if nothing is to be stored. A line with
    the mark of a large paste is not stored, because the mark has no meaning later."""
    if not session.records:
        return InMemoryHistory()
    file = input_history.input_history_file(session.asker.paths)
    return _DiskHistory(file, pastes, session)


class _DiskHistory(History):
    def __init__(self, file: Path, pastes: Pastes, session: Session) -> None:
        super().__init__()
        self._file = file
        self._pastes = pastes
        self._session = session
        self._broken = False

    def load_history_strings(self) -> Iterable[str]:
        return reversed(input_history.read(self._file))

    def store_string(self, string: str) -> None:
        if self._broken or self._pastes.has_marks(string):
            return
        try:
            recorder = self._session.conversation.recorder
            input_history.append(self._file, string, recorder.typed_in)
        except (OSError, InvalidInput) as error:
            self._broken = True
            self._session.output.warn(f"what is typed is not kept: {error}")


_BITE_BYTES = 4096
"""What a pseudo-terminal gives at once."""
_BITES = 16


class LargeBites(Vt100Input):
    """Reads everything that is available, up to 64 kB, before it interprets the keys."""

    def read_keys(self) -> list[KeyPress]:
        """The keys that were pressed."""
        pieces: list[str] = []
        for _ in range(_BITES):
            pieces.append(self.stdin_reader.read(_BITE_BYTES))
            if not pieces[-1]:
                break
        self.vt100_parser.feed("".join(pieces))
        keys, self._buffer = self._buffer, []
        return keys


def status_text(session: Session, columns: int) -> str:
    """The text that fits into `columns`, the most important first; an unknown value is left out."""
    model = session.asker.chosen.model
    name = f"{model.provider}/{model.id}"
    last = session.conversation.last_answer
    zone = zone_label(model)
    if last is not None and last.model == name and last.zone is not None:
        zone = last.zone
    parts = [_short(model), zone]
    if last is not None and last.context_tokens is not None:
        total = (
            last.allocated_tokens or session.asker.settings.context_tokens or model.context_limit
        )
        of = "" if total is None else f" of {total:,}"
        parts.append(f"{last.context_tokens:,}{of} tokens")
    if session.decode_tokens_per_s is not None:
        parts.append(f"{session.decode_tokens_per_s:.1f} tok/s")
    for count, what in ((len(session.pictures), "picture"), (len(session.files), "file")):
        if count:
            parts.insert(2, f"+{counted(count, what)}")
    if session.template is not None:
        parts.insert(2, f"+{session.template.name}")
    while len(parts) > 1 and len(" · ".join(parts)) > columns:
        parts.pop()
    return " · ".join(parts)[:columns]


def _short(model: ResolvedModel) -> str:
    """The model's name, its end if it is long."""
    whole = name_in_a_line(model)
    return whole if len(whole) <= 30 else f"…{whole[-29:]}"
