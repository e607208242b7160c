"""The keys of the prompt that are not every line editor's."""

from __future__ import annotations

from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPressEvent

from localai.commands.session.interrupts import Interrupts
from localai.commands.session.typed_text import is_open


def key_bindings(interrupts: Interrupts) -> KeyBindings:
    """Enter submits, but for open quotes; Alt-Enter is a new line; Ctrl-C clears."""
    bindings = KeyBindings()
    at_prompt = has_focus(DEFAULT_BUFFER)

    @bindings.add("enter", filter=at_prompt)
    def _submit(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_open(buffer.text):
            buffer.newline(copy_margin=False)
        else:
            buffer.validate_and_handle()

    @bindings.add("escape", "enter", filter=at_prompt)
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    @bindings.add("c-c", filter=at_prompt)
    def _clear(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
            interrupts.pressed()
            if interrupts.leave:
                event.app.exit(exception=EOFError)
        else:
            event.app.exit(exception=KeyboardInterrupt, style="class:aborting")

    return bindings
