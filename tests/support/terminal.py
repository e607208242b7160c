"""The real command in a real pseudo-terminal, and a look at what a person sees there."""

from __future__ import annotations

import os
import signal
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Protocol

import pexpect
import pyte
import pytest
from pexpect.fdpexpect import fdspawn

from tests.support.command import COMMAND, merged
from tests.support.fork_server import ForkServer

LINES_OF_HISTORY = 10_000
_ENDS_WITHIN_S = 5


class _AnsweringScreen(pyte.HistoryScreen):
    """A screen that answers the program's questions, such as where the cursor is."""

    def __init__(self, columns: int, rows: int, answer: Callable[[str], None]) -> None:
        self._answer = answer
        super().__init__(columns, rows, history=LINES_OF_HISTORY)

    def write_process_input(self, data: str) -> None:
        self._answer(data)


class Child(Protocol):
    """What runs in a pseudo-terminal."""

    @property
    def pid(self) -> int | None:
        """Its process id."""

    def send(self, keys: str) -> object:
        """Type."""

    def read_nonblocking(self, size: int, timeout: float) -> bytes:
        """What it has written. Raises pexpect's TIMEOUT, and EOF at the end."""

    def setwinsize(self, rows: int, columns: int) -> None:
        """Change the terminal's size."""

    def ended(self) -> int:
        """The exit code, or minus the signal, of one that has closed its terminal."""

    def close(self) -> None:
        """End it, whatever it is doing."""


class _Process(pexpect.spawn):  # type: ignore[type-arg]
    """A child of this process."""

    def __init__(
        self, command: list[str], environment: dict[str, str], cwd: Path, columns: int, rows: int
    ) -> None:
        size = (rows, columns)
        super().__init__(
            command[0], command[1:], env=environment, cwd=str(cwd), dimensions=size, timeout=None
        )

    def ended(self) -> int:
        self.wait()
        if self.signalstatus is not None:
            return -self.signalstatus
        assert self.exitstatus is not None
        return self.exitstatus

    def close(self, force: bool = True) -> None:
        super().close(force)


class _Forked(fdspawn):  # type: ignore[type-arg]
    """A command in a fork of the server."""

    def __init__(
        self,
        server: ForkServer,
        words: list[str],
        environment: dict[str, str],
        cwd: Path,
        columns: int,
        rows: int,
    ) -> None:
        master, slave = os.openpty()
        super().__init__(master, timeout=None)
        self.setwinsize(rows, columns)
        self._fork = server.run_at(FileIO(slave, "r+"), words, env=environment, cwd=cwd)
        self.pid = self._fork.pid

    def setwinsize(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self.child_fd, (rows, columns))

    def ended(self) -> int:
        code = self._fork.exit_code(_ENDS_WITHIN_S)
        assert code is not None, "it has closed its terminal and does not end"
        return code

    def close(self) -> None:
        if not self.closed:
            # The kernel tells whoever reads it that the terminal has gone.
            super().close()
            if self._fork.exit_code(_ENDS_WITHIN_S) is None:
                os.kill(self._fork.pid, signal.SIGKILL)
            self._fork.close()


class Terminal:
    """A child in a pseudo-terminal of `columns` by `rows`, and the screen it draws."""

    def __init__(self, child: Callable[[int, int], Child], columns: int, rows: int) -> None:
        self.output = b""
        self._screen = _AnsweringScreen(columns, rows, self.send)
        self._stream = pyte.ByteStream(self._screen)
        self._child = child(columns, rows)

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
        return self._child.ended()

    def close(self) -> None:
        """End the child, whatever it is doing."""
        self._child.close()

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
def pty(
    request: pytest.FixtureRequest,
    command_environment: dict[str, str],
    tmp_path: Path,
    fork_server: ForkServer,
) -> Iterator[Callable[..., Terminal]]:
    """A function that starts `localai ARGUMENTS` in a terminal: see `start` below. In a fork of
    `fork_server`, unless that would make a difference."""
    terminals: list[Terminal] = []
    is_real = request.node.get_closest_marker("real_process") is not None

    def start(
        *arguments: str | Path,
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
        command: tuple[str, ...] = COMMAND,
    ) -> Terminal:
        environment = merged(command_environment, {"TERM": "xterm-256color", **(env or {})})
        words, folder = [str(each) for each in arguments], cwd or tmp_path
        forks = command == COMMAND and fork_server.can_run(words, environment, folder)
        child: Callable[[int, int], Child] = (
            partial(_Forked, fork_server, words, environment, folder)
            if forks and not is_real
            else partial(_Process, [*command, *words], environment, folder)
        )
        terminals.append(Terminal(child, columns, rows))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()
