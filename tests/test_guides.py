"""The lines of the guides can be typed: every command and option in them is there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from localai.cli import app
from localai.commands.first_word import spelled_out
from localai.commands.table import COMMANDS
from localai.errors import LocalaiError

REPOSITORY = Path(__file__).parents[1]
FOLDERS = (
    "docs/guides",
    "docs/examples",
    "docs/concepts",
    "docs/reference",
    ".github",
    ".",
    "benchmarks",
)
PAGES = [
    str(path.relative_to(REPOSITORY))
    for folder in FOLDERS
    for path in sorted((REPOSITORY / folder).glob("*.md"))
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
TYPED = ("sh", "console", "")
SPAN = re.compile(r"(?<!`)`(localai [^`\n]+)`(?!`)")
OPERATORS = frozenset("|;&()<>")
ROOT: Any = typer.main.get_command(app)
PLACEHOLDERS = {"COMMAND", "…"}
NAMES_ALONE = re.compile("Missing parameter|requires an argument")


def ends_a_command(word: str) -> bool:
    """Whether the shell begins another command after `word`, or a redirection."""
    return word == "do" or set(word) <= OPERATORS


def lines_to_type(text: str) -> Iterator[tuple[str, bool]]:
    """The lines of `text` that may have localai in them, and whether they are whole lines."""
    for language, block in BLOCK.findall(text):
        if language not in TYPED:
            continue
        yield from ((line, True) for line in block.replace("\\\n", " ").splitlines())
    yield from ((span.replace("\\|", "|"), False) for span in SPAN.findall(BLOCK.sub("", text)))


def commands_of(line: str) -> Iterator[list[str]]:
    """The arguments of each localai that a shell would start for `line`."""
    words = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
    words.whitespace_split = True
    try:
        typed = list(words)
    except ValueError:  # an apostrophe: the line is what was printed
        return
    for place, word in enumerate(typed):
        if word == "localai" and (place == 0 or ends_a_command(typed[place - 1])):
            yield list(takewhile(lambda each: not ends_a_command(each), typed[place + 1 :]))


def parse(arguments: Sequence[str]) -> None:
    """Parse `arguments` as the command line does, and run nothing.

    Raises TyperException or LocalaiError for what is not there.
    """
    command, context = ROOT, None
    name: str | None = "localai"
    # This flag acts as soon as it is read.
    rest = [each for each in arguments if each != "--airgap"]
    while True:
        context = command.make_context(name, rest, parent=context)
        if not isinstance(command, TyperGroup):
            return
        name, command, rest = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )


@pytest.mark.parametrize("page", PAGES)
def test_every_line_of_a_page_can_be_typed(page: str) -> None:
    refused = {}
    for line, whole in lines_to_type((REPOSITORY / page).read_text()):
        for arguments in commands_of(line):
            if not PLACEHOLDERS.isdisjoint(arguments[:2]):
                continue
            try:
                parse(spelled_out(arguments, {row.name for row in COMMANDS}))
            except typer.Exit:
                continue
            except (typer.TyperException, LocalaiError) as error:
                # A span may name a command without its arguments.
                if whole or not NAMES_ALONE.search(str(error)):
                    refused[line] = str(error)
    assert refused == {}


def test_the_lines_of_the_readme_need_nothing_that_a_line_above_does_not_fetch() -> None:
    """On a new machine, in a clone: `install.sh` fetches the starter."""
    here = {"starter"}
    for line, whole in lines_to_type((REPOSITORY / "README.md").read_text()):
        for arguments in commands_of(line) if whole else ():
            pairs = list(pairwise(arguments))
            assert {value for option, value in pairs if option == "-m"} <= here, line
            for option, value in pairs:
                assert option != "-f" or (REPOSITORY / value).is_file(), line
            here |= set(arguments[1:]) if arguments[:1] == ["pull"] else set()
    assert len(here) > 1


def test_what_cannot_be_typed_is_noticed() -> None:
    [arguments] = commands_of("git diff | localai chat --modle x review | tee out")
    assert arguments == ["chat", "--modle", "x", "review"]
    with pytest.raises(typer.TyperException, match="--modle"):
        parse(arguments)
