"""The real command in a real pseudo-terminal, and a look at what a person sees there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pexpect
import pyte
import pytest

from tests.support.command import COMMAND, merged

LINES_OF_HISTORY = 10_000


class _AnsweringScreen(pyte.HistoryScreen):
    """A screen that answers the program's questions, such as where the cursor is."""

    def __init__(self, columns: int, rows: int, answer: Callable[[str], None]) -> None:
        self._answer = answer
        super().__init__(columns, rows, history=LINES_OF_HISTORY)

    def write_process_input(self, data: str) -> None:
        self._answer(data)


class Terminal:
    """A child in a pseudo-terminal of `columns` by `rows`, and the screen it draws."""

    def __init__(
        self, command: list[str], environment: dict[str, str], cwd: Path, columns: int, rows: int
    ) -> None:
        self.output = b""
        self._screen = _AnsweringScreen(columns, rows, self.send)
        self._stream = pyte.ByteStream(self._screen)
        self._child: pexpect.spawn[bytes] = pexpect.spawn(
            command[0],
            command[1:],
            env=environment,
            cwd=str(cwd),
            dimensions=(rows, columns),
            timeout=None,
        )

    @property
    def pid(self) -> int:
        """The process id of the child."""
        assert self._child.pid is not None
        return self._child.pid

    @property
    def screen(self) -> str:
        """What is visible now, line by line, without spaces at the ends."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def scrollback(self) -> str:
        """All lines that scrolled away, then the visible ones."""
        columns = range(self._screen.columns)
        gone = ("".join(line[x].data for x in columns) for line in self._screen.history.top)
        return "\n".join([*(line.rstrip() for line in gone), self.screen])

    @property
    def cursor(self) -> tuple[int, int]:
        """Column and row of the cursor, from 0."""
        return self._screen.cursor.x, self._screen.cursor.y

    def send(self, keys: str) -> None:
        """Type `keys`: "\\r" is Enter, "\\x03" is Ctrl-C, "\\x04" is Ctrl-D."""
        self._child.send(keys)

    def resize(self, columns: int, rows: int) -> None:
        """Change the size as a person who drags the window does."""
        self._screen.resize(rows, columns)
        self._child.setwinsize(rows, columns)

    def wait_for(self, text: str, timeout_s: float = 30) -> None:
        """Wait until `text` is on the screen. Raises AssertionError with the screen."""
        self.wait_until(lambda: text in self.screen, f"no {text!r}", timeout_s)

    def wait_until(self, condition: Callable[[], bool], complaint: str, timeout_s: float) -> None:
        """Read until `condition()`. Raises AssertionError: `complaint` and the screen."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            ended = not self._read(0.05)
            if (ended or time.monotonic() > deadline) and not condition():
                when = "when the program ended" if ended else f"after {timeout_s} s"
                raise AssertionError(f"{complaint} {when}; the screen:\n{self.screen}")

    def wait_exit(self, timeout_s: float = 30) -> int:
        """Wait until the child has ended; return its exit code, or minus the signal."""
        deadline = time.monotonic() + timeout_s
        while self._read(0.05):
            assert time.monotonic() < deadline, f"still running; the screen:\n{self.screen}"
        self._child.wait()
        if self._child.signalstatus is not None:
            return -self._child.signalstatus
        assert self._child.exitstatus is not None
        return self._child.exitstatus

    def close(self) -> None:
        """End the child, whatever it is doing."""
        self._child.close(force=True)

    def _read(self, timeout_s: float) -> bool:
        """Feed what has arrived to the screen; False at the end of the output."""
        try:
            data = self._child.read_nonblocking(65536, timeout_s)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.output += data
        self._stream.feed(data)
        return True


@pytest.fixture
def pty(command_environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """A function that starts `localai ARGUMENTS` in a terminal: see `start` below."""
    terminals: list[Terminal] = []

    def start(
        *arguments: str | Path,
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
        command: tuple[str, ...] = COMMAND,
    ) -> Terminal:
        environment = merged(command_environment, {"TERM": "xterm-256color", **(env or {})})
        line = [*command, *map(str, arguments)]
        terminals.append(Terminal(line, environment, cwd or tmp_path, columns, rows))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()
