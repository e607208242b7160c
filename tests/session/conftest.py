"""A session in a pseudo-terminal, and a conversation that it can go on with."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from localai.database import Database
from localai.paths import Paths
from localai.types import Message, Zone
from tests.support.terminal import Terminal

PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Typist:
    """Types into a session and waits for its prompt."""

    terminal: Terminal

    @property
    def screen(self) -> str:
        """What is visible now."""
        return self.terminal.screen

    def line(self, text: str) -> str:
        """Type a line at an empty prompt and wait for the next one; the screen then."""
        self.ready()
        return self.enter(text)

    def enter(self, text: str = "") -> str:
        """Type the rest of a line, Enter, and wait for the next prompt; the screen then."""
        prompts = self._prompts()
        self.terminal.send(text + "\r")
        self.terminal.wait_until(
            lambda: self._prompts() > prompts and self._at_prompt(), "no prompt", PATIENCE_S
        )
        return self.screen

    def ready(self) -> None:
        """Wait for an empty prompt."""
        self.terminal.wait_until(self._at_prompt, "no prompt", PATIENCE_S)

    def keys(self, keys: str, shows: str) -> None:
        """Type `keys` and wait until `shows` is on the screen."""
        self.terminal.send(keys)
        self.terminal.wait_for(shows, PATIENCE_S)

    def status(self) -> str:
        """The line under the prompt; it comes a moment after the prompt."""
        self.terminal.wait_until(
            lambda: self.screen.split("\n")[-1] not in ("", ">>>"), "no status", PATIENCE_S
        )
        return self.screen.split("\n")[-1]

    def leave(self) -> int:
        """Ctrl-D at the prompt; the exit code."""
        self.ready()
        self.terminal.send("\x04")
        return self.terminal.wait_exit(PATIENCE_S)

    def _prompts(self) -> int:
        return self.terminal.scrollback.count("\n>>>")

    def _at_prompt(self) -> bool:
        lines = [line for line in self.screen.split("\n") if line]
        return ">>>" in lines[-2:]


@pytest.fixture
def starter_weights(smollm2_path: Path) -> Path:
    """Of a long story the one of fewer words is sooner at the end."""
    return smollm2_path


@pytest.fixture
def localai_home(warm_home: Path) -> Path:
    return warm_home


@pytest.fixture
def home(home_with_starter: Paths) -> Paths:
    """A home with the starter."""
    return home_with_starter


@pytest.fixture
def session(home: Paths, pty: Callable[..., Terminal]) -> Callable[..., Typist]:
    """A function that starts `localai chat ARGUMENTS` with short answers, ready for a line."""

    def start(*arguments: object, **options: object) -> Typist:
        typist = Typist(pty("chat", "--max-tokens", "12", *arguments, **options))
        typist.ready()
        return typist

    return start


@pytest.fixture
def conversation(home: Paths) -> str:
    """The id of a kept conversation: two questions and their answers, under a system prompt."""
    database = Database(home.database)
    identifier = database.create_conversation()
    database.set_title(identifier, "Rivers and towns")
    parent = None
    for role, text in (
        ("system", "Answer in one word."),
        ("user", "Which river?"),
        ("assistant", "The Seine."),
        ("user", "Which town?"),
        ("assistant", "Paris."),
    ):
        model = {"provider": "llamacpp", "model": "starter", "zone": Zone.DEVICE}
        parent = database.add_message(
            identifier,
            parent,
            Message(role, text),  # type: ignore[arg-type]
            finish_reason="stop",
            **(model if role == "assistant" else {}),  # type: ignore[arg-type]
        )
    database.close()
    return identifier


def kept(home: Paths) -> list[tuple[str, str, str | None]]:
    """Role, text and finish reason of every message, in the order in which it was written."""
    with sqlite3.connect(home.database) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'message'").fetchone():
            # The session has made the file, and not yet its tables.
            return []
        query = "SELECT role, text, finish_reason FROM message ORDER BY id"
        return database.execute(query).fetchall()
