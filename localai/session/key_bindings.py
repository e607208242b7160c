"""The keys of the prompt that are not every line editor's."""

from __future__ import annotations

from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.completion import CompleteEvent, get_common_complete_suffix
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPressEvent
from prompt_toolkit.keys import Keys

from localai.errors import InvalidInput
from localai.output.streams import show_failure
from localai.session.editor import edit_text
from localai.session.pasted import Pastes
from localai.session.state import Session
from localai.session.typed_text import is_open


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
        # At once, as in a shell: prompt_toolkit's own drops a Tab that comes while the menu of
        # the keys before it is still on its way.
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
                show_failure(error)
                return before

        # In this thread, for the guard's permission to start a program is a thread's own.
        after = await run_in_terminal(edit, in_executor=False)
        buffer.text = pastes.mark(after)
        buffer.cursor_position = len(buffer.text)

    return bindings
