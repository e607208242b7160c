"""A first word that is no command: what to type instead."""

from __future__ import annotations

import pytest

from localai.commands.first_word import unknown_command

COMMANDS = ("chat", "list", "pull", "rm", "setup", "show")


@pytest.mark.parametrize(
    ("typed", "instead"),
    [
        (["update", "qwen3"], "localai pull qwen3"),
        (["upgrade"], None),
        (["run", "qwen3"], "localai chat -m qwen3"),
        (["ask", "why?"], "localai chat 'why?'"),
        (["uninstall"], "localai setup --uninstall"),
        (["uninstall", "qwen3"], "localai rm qwen3"),
        (["install"], "localai setup"),
        (["lsit", "--json"], "localai list --json"),
        (["runn", "qwen3"], "localai chat -m qwen3"),
        (["load", "qwen3"], "localai chat -m qwen3"),
        (["create", "mine", "-f", "Modelfile"], "localai preset new mine --modelfile Modelfile"),
        (["serve"], "localai --help"),
        (["push", "qwen3"], "localai --help"),
        (["photosynthesis"], "localai --help"),
        # A question without its quotation marks.
        (["What", "is", "a", "list?"], "localai chat 'What is a list?'"),
        (["chats", "of", "whom?"], "localai chat 'chats of whom?'"),
        (["why", "not"], "localai chat 'why not'"),
        (["shwo", "qwen3"], "localai show qwen3"),
        (["shwo", "--ctx", "4k", "Why?"], "localai show --ctx 4k 'Why?'"),
    ],
)
def test_it_is_answered_with_a_line_that_can_be_typed(
    typed: list[str], instead: str | None
) -> None:
    error = unknown_command(typed, COMMANDS)
    assert error.message == f"there is no command {typed[0]!r}"
    assert error.command == instead


@pytest.mark.parametrize(
    ("verb", "why"),
    [
        ("serve", "nothing has to be started"),
        ("push", "nothing is sent anywhere"),
        ("keys", "a cloud's key comes from the environment"),
    ],
)
def test_a_verb_for_which_there_is_nothing_to_do_is_explained(verb: str, why: str) -> None:
    assert why in (unknown_command([verb], COMMANDS).hint or "")


def test_an_upgrade_is_explained() -> None:
    hint = unknown_command(["upgrade"], COMMANDS).hint
    assert hint is not None
    assert "installed over this one by its own ./install.sh" in hint
    assert unknown_command(["qwen"], COMMANDS).hint != hint
