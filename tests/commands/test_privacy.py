"""`localai privacy` on a narrow terminal: nothing of what left is left out."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from localai.database import Database
from localai.paths import Paths, locate
from localai.types import EgressRecord, Purpose
from tests.support.terminal import Terminal


@pytest.fixture
def home(localai_home: object) -> Paths:
    paths = locate()
    database = Database(paths.database)
    database.record_egress(
        EgressRecord(time.time(), "pull", Purpose.DOWNLOAD, "registry.ollama.ai", "192.0.2.7", 443)
    )
    database.close()
    return paths


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_what_left_and_why_is_shown_in_the_columns_that_there_are(
    home: Paths, pty: Callable[..., Terminal], columns: int
) -> None:
    shown = pty("privacy", columns=columns, rows=80, env={"PAGER": "cat"})
    shown.wait_exit(60)
    lines = shown.screen.split("\n")
    assert max(map(len, lines)) <= columns
    left = " ".join(shown.screen[shown.screen.index("What left") :].split())
    for fact in ("registry.ollama.ai:443", "pull", "download"):
        assert fact in left
    rules = shown.screen[: shown.screen.index("What could talk")]
    assert "prompts to clouds" in rules
    assert ("\nwhat" in rules) == (columns > 40), "a heading over its rows alone tells nothing"
