"""Choosing one conversation of many on a terminal: type to filter, arrows, Enter.

`localai history` alone and `/load` use it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prompt_toolkit.application import Application, get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPressEvent
from prompt_toolkit.layout import BufferControl, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.styles import Style

from localai.chat.resume import recent_conversations
from localai.output.cells import cells, one_line, pad
from localai.output.conversations import conversation_facts, conversation_name

if TYPE_CHECKING:
    from localai.database import ConversationSummary

_OFFERED: Final = 200
_MOST_ROWS: Final = 12
_ROWS_BESIDE: Final = 4
"""The filter, the facts of the chosen one, the keys, and a line of what stood there before."""
_NONE: Final = "nothing has that in title or text"
_KEYS: Final = "type to filter · ↑↓ · Enter goes on with it · Esc leaves"
_STYLE: Final = Style.from_dict({"chosen": "reverse", "aside": "ansibrightblack"})


def pick_conversation(database_file: Path) -> str | None:
    """The id of the conversation that the user chooses; None if none. Raises DatabaseUnavailable.

    What is typed must stand in its title, or have been said in it.
    """
    picker = _Picker(
        lambda text: recent_conversations(database_file, _OFFERED, text, as_typed=True)
    )
    return picker.run()


class _Picker:
    """The state: what matches, and which of it is chosen."""

    def __init__(self, find: Callable[[str], Sequence[ConversationSummary]]) -> None:
        self._find = find
        self._rows = list(find(""))
        self._at = 0
        self._filter = Buffer(multiline=False, on_text_changed=self._search)

    def run(self) -> str | None:
        """The id of the chosen one; None if the user leaves."""
        typed = Window(
            BufferControl(self._filter, input_processors=[BeforeInput("history: ")]), height=1
        )
        parts = [typed, _lines(self._list, self._height), _lines(self._below, lambda: 2)]
        app: Application[str | None] = Application(
            Layout(HSplit(parts), focused_element=typed),
            key_bindings=self._keys(),
            style=_STYLE,
            include_default_pygments_style=False,
            erase_when_done=True,
        )
        # A terminal that does not report its cursor is no reason for a warning.
        app.renderer.cpr_not_supported_callback = None
        return app.run(handle_sigint=False)

    def _search(self, typed: Buffer) -> None:
        self._rows, self._at = list(self._find(typed.text.strip())), 0

    def _move(self, by: int) -> None:
        self._at = min(max(0, self._at + by), max(0, len(self._rows) - 1))

    def _height(self) -> int:
        room = get_app().output.get_size().rows - _ROWS_BESIDE
        return max(1, min(_MOST_ROWS, room, len(self._rows)))

    def _list(self) -> StyleAndTextTuples:
        columns = get_app().output.get_size().columns
        if not self._rows:
            return [("class:aside", f"  {one_line(_NONE, columns - 3)}")]
        height = self._height()
        first = min(max(0, self._at - height + 1), max(0, len(self._rows) - height))
        shown: StyleAndTextTuples = []
        for number, row in list(enumerate(self._rows))[first : first + height]:
            chosen = number == self._at
            name = one_line(conversation_name(row.title), columns - len(row.id) - 5)
            line = pad(f"{'>' if chosen else ' '} {row.id}  {name}", columns - 1)
            shown.append(("class:chosen" if chosen else "", line))
            shown.append(("", "\n"))
        return shown[:-1]

    def _below(self) -> StyleAndTextTuples:
        columns = get_app().output.get_size().columns
        keys = _KEYS if cells(_KEYS) < columns - 2 else "↑↓ Enter Esc"
        facts = ""
        if self._rows:
            count = f"{self._at + 1} of {len(self._rows)}" + "+" * (len(self._rows) >= _OFFERED)
            facts = conversation_facts(self._rows[self._at], columns - 3, count)
        return [
            ("class:aside", f"  {facts}\n"),
            ("class:aside", f"  {one_line(keys, columns - 3)}"),
        ]

    def _keys(self) -> KeyBindings:
        bindings = KeyBindings()
        steps = {"up": -1, "c-p": -1, "down": 1, "c-n": 1, "pageup": -_MOST_ROWS}
        for key, step in {**steps, "pagedown": _MOST_ROWS}.items():
            bindings.add(key)(lambda _, by=step: self._move(by))

        @bindings.add("enter")
        def _choose(event: KeyPressEvent) -> None:
            if self._rows:
                event.app.exit(result=self._rows[self._at].id)

        @bindings.add("escape", eager=True)
        @bindings.add("c-c")
        @bindings.add("c-d")
        def _leave(event: KeyPressEvent) -> None:
            event.app.exit(result=None)

        return bindings


def _lines(text: Callable[[], StyleAndTextTuples], height: Callable[[], int]) -> Window:
    return Window(FormattedTextControl(text), height=height, wrap_lines=False)
