"""What is longer than the screen goes through the user's pager, whichever command prints it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from localai.paths import Paths
from tests.support.command import RunLocalai
from tests.support.terminal import Terminal

PAGER = {"PAGER": "sh -c 'cat >/dev/null; echo PAGED'"}


@pytest.mark.parametrize(
    "command",
    [
        ("list",),
        ("show", "starter"),
        ("show", "starter", "--template"),
        ("privacy",),
        ("recommend", "--profile", "m2-8gb"),
        ("doctor", "memory", "disk"),
        ("doctor", "--list"),
        ("doctor", "explain", "disk-full"),
        ("hardware",),
        ("config", "list"),
        ("template", "list"),
        ("template", "show", "review"),
        ("history", "list"),
    ],
    ids=" ".join,
)
def test_what_is_longer_than_the_screen_is_paged(
    home_with_starter: Paths,
    run_localai: RunLocalai,
    pty: Callable[..., Terminal],
    command: tuple[str, ...],
) -> None:
    if command[0] == "history":
        assert run_localai("chat", "--max-tokens", "1", "hello").returncode == 0
    small = pty(*command, rows=2, env=PAGER)
    assert small.wait_exit(60) in (0, 8)
    assert "PAGED" in small.screen
    assert run_localai(*command, env=PAGER).stdout.count(b"PAGED") == 0, "a pipe has no pager"


def test_what_fits_the_screen_is_not_paged_nor_without_a_pager(
    home_with_starter: Paths, pty: Callable[..., Terminal]
) -> None:
    fits = pty("list", rows=24, env=PAGER)
    fits.wait_exit()
    assert "PAGED" not in fits.screen
    assert "1 model on this machine" in fits.screen
    for pager in ("", "cat", "no-such-pager"):
        none = pty("list", rows=2, env={"PAGER": pager})
        none.wait_exit()
        assert "starter" in none.scrollback
        assert "1 model on this machine" in none.scrollback


def test_what_is_said_with_a_table_is_in_the_pager_at_its_place(
    home_with_starter: Paths, pty: Callable[..., Terminal]
) -> None:
    through = pty("list", rows=2, env={"PAGER": "tail -n 1"})
    through.wait_exit()
    assert "1 model on this machine" in through.screen
    assert "llamacpp" not in through.screen
