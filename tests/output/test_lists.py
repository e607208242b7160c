"""Small things drawn in a session: one line of a text, the context as a bar, a conversation."""

from __future__ import annotations

import pytest

from localai.chat.turn_tree import Turn
from localai.output.cells import one_line
from localai.output.context_bar import context_bar
from localai.output.conversations import conversation_markdown
from localai.types import Message


@pytest.mark.parametrize(
    ("text", "columns", "line"),
    [
        ("short", 10, "short"),
        ("two\n  lines\t", 20, "two lines"),
        ("a long text", 6, "a lon…"),
        ("日本語のテキスト", 7, "日本語…"),
        ("\x1b]0;title\x07red \x1b[31mink", 20, "red ink"),
        ("", 5, ""),
    ],
)
def test_a_text_fits_one_line(text: str, columns: int, line: str) -> None:
    assert one_line(text, columns) == line


@pytest.mark.parametrize(
    ("used", "reserved", "total", "bar", "numbers"),
    [
        (50, 25, 100, "##########=====.....", ["50", "25", "25"]),
        (1, 1, 1_000_000, "#=..................", ["1", "1", "999,998"]),
        (90, 50, 100, "##################==", ["90", "10", "0"]),
        (200, 50, 100, "####################", ["100", "0", "0"]),
        (0, 0, 100, "....................", ["0", "0", "100"]),
    ],
)
def test_the_context_is_a_bar_with_its_numbers(
    used: int, reserved: int, total: int, bar: str, numbers: list[str]
) -> None:
    lines = context_bar(used, reserved, total, columns=20, encoding="ascii")
    assert lines[0] == bar
    assert [line.split()[1] for line in lines[1:]] == numbers


def test_a_conversation_is_a_markdown_document() -> None:
    def turn(number: int, message: Message, reason: str | None = "stop") -> Turn:
        return Turn(number, None, message, model="llamacpp/starter", finish_reason=reason)

    branch = [
        turn(1, Message("system", "Be brief.\n\nBe kind.")),
        turn(2, Message("user", "Why?")),
        turn(3, Message("assistant", "Because …\n", reasoning="hm"), None),
    ]
    assert conversation_markdown("A title", branch) == (
        "# A title\n\n> Be brief.\n>\n> Be kind.\n\n## You\n\nWhy?\n\n"
        "## llamacpp/starter (cut off)\n\n"
        "<details><summary>Thinking</summary>\n\nhm\n\n</details>\n\nBecause …\n"
    )
