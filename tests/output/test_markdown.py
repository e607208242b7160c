"""Streaming markdown on a real terminal emulator, at several sizes."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from localai.output.markdown import stream as markdown
from localai.output.markdown.stream import MarkdownStream, render_markdown
from tests.output.screen import Screen

SIZES = [(80, 24), (60, 20), (40, 10)]

DOCUMENT = '''\
# A title

Some *prose* with **bold**, `code`, a [link](https://example.com/x) and <https://auto.link>, long
enough to be wrapped at every width that is tried here.

- one
- two, which is also long enough to be wrapped at every width that is tried here
  1. nested
  2. nested

     ```python
     def f(x: int) -> str:
         """Doc."""

         return f"{x}"
     ```
- three

> a quote
>
> - with a list
> and lazy

| Name | Value | A longer description |
|:-----|------:|----------------------|
| a | 1 | short |
| bb | 22 | a good deal longer than that, which does not fit into sixty columns |

Setext
------

~~~text
a line of code that is longer than the screen is wide, and is not broken by us but by the terminal
~~~

***

    indented code

日本語のテキストは空白なしで折り返されます。絵文字 👩‍👩‍👧 も。

The end.
'''


@pytest.fixture(autouse=True)
def every_piece_is_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "_FRAME_S", 0.0)
    monkeypatch.setattr(markdown, "_FRAME_SHARE", 0.0)


def open_stream(screen: Screen, *, color: bool = False) -> MarkdownStream:
    return MarkdownStream(
        screen, width=lambda: screen.columns, height=lambda: screen.rows, color=color
    )


def play(text: str, screen: Screen, sizes: Iterator[int], *, color: bool = False) -> None:
    stream = open_stream(screen, color=color)
    position = 0
    while position < len(text):
        size = next(sizes)
        stream.feed(text[position : position + size])
        position += size
    stream.close()


def one_shot(text: str, columns: int, rows: int) -> list[str]:
    screen = Screen(columns, rows)
    for line in render_markdown(text, columns=columns, color=False):
        screen.write(line + "\n")
    return screen.lines


def random_sizes(seed: int) -> Iterator[int]:
    numbers = random.Random(seed)
    while True:
        yield numbers.choice([1, 2, 3, 5, 8, 40])


@pytest.mark.parametrize(("columns", "rows"), SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_the_stream_ends_as_the_whole_would_look(columns: int, rows: int, seed: int) -> None:
    screen = Screen(columns, rows)
    play(DOCUMENT, screen, random_sizes(seed))
    assert screen.lines == one_shot(DOCUMENT, columns, rows)


CONTAINERS = ["- ", "* ", "1. ", "2) ", "> ", ">", "- - - ", "-\n", "  ", "    ", "\t"]
CODE = ["```", "```py\n", "~~~\n", "````\n", "```a|b\n", "** `code` "]
TABLES = ["| a | b |\n", "|---|:-:|\n", "x|y\n", "-|-\n", "--- | ---\n", "# a | b\n"]
LEAVES = ["# h\n", "---\n", "===\n", "***\n", "<div>\n", "[a]: http://x\n", "word ", "\n", "\n\n"]
INLINE = ["**bold", "[l](u)", "a\\\n", "日本語", "&#10;", "$$", "words that fill a row or two " * 2]
MARKDOWN = st.lists(
    st.sampled_from([*CONTAINERS, *CODE, *TABLES, *LEAVES, *INLINE]), max_size=20
).map("".join)


@given(MARKDOWN, st.integers(0, 1000))
@settings(max_examples=150)
@example("> a\n>\n\nb\n", 1)
@example("# a | b\n--- | ---\n", 1)
@example("```a|b\n--- | ---\n", 1)
@example("- ```\n  a\n\n\nb", 1)
@example("1. a\n\n\n2. b\n- c", 1)
def test_how_the_text_is_cut_makes_no_difference(text: str, seed: int) -> None:
    screen = Screen(40, 10)
    play(text, screen, random_sizes(seed))
    assert screen.lines == one_shot(text, 40, 10)
    assert screen.highest_climb < 10


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_what_scrolled_away_is_never_drawn_again(columns: int, rows: int) -> None:
    screen = Screen(columns, rows)
    table = "| a | b |\n|---|---|\n" + "| cell | cell |\n" * 30
    paragraph = "A paragraph that is taller than the screen. " * 50
    play(f"{paragraph}\n\n{table}\n{paragraph}", screen, random_sizes(0))
    assert screen.highest_climb <= rows - 3
    assert screen.lines == one_shot(f"{paragraph}\n\n{table}\n{paragraph}", columns, rows)


def test_a_finished_block_is_written_once() -> None:
    screen = Screen(80, 24)
    text = "".join(f"Paragraph number{i}.\n\n" for i in range(50))
    stream = open_stream(screen)
    for line in text.splitlines(keepends=True):
        stream.feed(line)
    stream.close()
    for i in range(50):
        # Once while it is open, at most once more when it is printed for good.
        assert len(re.findall(rf"number{i}\.", screen.written)) <= 2


def test_code_longer_than_the_screen_streams_line_by_line() -> None:
    screen = Screen(60, 10)
    stream = open_stream(screen, color=True)
    stream.feed("```python\n")
    for i in range(100):
        stream.feed(f"value_{i} = {i}\n")
        assert f"value_{i} = {i}" in screen.lines
    stream.feed("```\n")
    stream.close()
    assert screen.highest_climb == 0
    assert screen.lines == ["```python", *(f"value_{i} = {i}" for i in range(100)), "```"]


# Within the quote of a list a blank line ends the fence: what is kept of the many that follow is
# parsed for each.
@pytest.mark.parametrize(
    ("container", "lines"), [("", 300), ("- ", 300), ("> ", 300), ("1. > ", 90)]
)
def test_a_very_long_fence_ends_as_the_whole_would_look(container: str, lines: int) -> None:
    indent = container.replace("1.", "  ").replace("-", " ")
    code = "".join(f"{indent}line {i}\n\n" if i % 7 else f"{indent}x\n" for i in range(lines))
    text = f"Before.\n\n{container}```\n{code}{indent}```\n\nAfter.\n"
    screen = Screen(60, 20)
    stream = open_stream(screen)
    for line in text.splitlines(keepends=True):
        stream.feed(line)
    stream.close()
    assert screen.lines == one_shot(text, 60, 20)


def test_code_is_copied_as_it_was_written() -> None:
    code = "if a:\n\n    b = 'x' * 200  # " + "long " * 30 + "line\n"
    lines = render_markdown(f"```py\n{code}```\n", columns=60, color=False)
    assert lines[1:-1] == [*code.replace(" line\n", " line").split("\n")]


def test_no_line_ends_in_spaces() -> None:
    for columns, _ in SIZES:
        for line in render_markdown(DOCUMENT, columns=columns, color=False):
            plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
            assert plain == plain.rstrip()


def test_without_colour_there_are_attributes_but_no_colours() -> None:
    plain = "\n".join(render_markdown(DOCUMENT, columns=80, color=False))
    codes = {int(c) for m in re.findall(r"\x1b\[([0-9;]*)m", plain) for c in m.split(";") if c}
    assert codes <= {0, 1, 2, 3, 4, 9}
    assert "`code`" in plain
    colored = "\n".join(render_markdown(DOCUMENT, columns=80, color=True))
    assert "\x1b[36mcode" in colored
    assert "\x1b[35mdef" in colored


def test_open_markup_is_shown_as_it_will_be() -> None:
    screen = Screen(80, 24)
    stream = open_stream(screen)
    for character in "A **bold word** and `some code`.":
        stream.feed(character)
        assert "*" not in screen.lines[0]
        assert screen.lines[0].count("`") in (0, 2)
    stream.close()


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("[text](https://bank.example)", "text (https://bank.example)"),
        ("<https://a.example>", "https://a.example"),
        ("![a cat](cat.png)", "[image: a cat] (cat.png)"),
        ("<b>html</b> is text", "<b>html</b> is text"),
        ("first<br>second", "first\nsecond"),
        ("[1]: https://a.example", "[1]: https://a.example"),
        (r"\( a_b \) and \[ \frac{1}{2} \]", r"\( a_b \) and \[ \frac{1}{2} \]"),
        ("a\nb", "a\nb"),
        ("def f():\n    a = 1\n\n    return a", "def f():\n    a = 1\n\n    return a"),
        ("- a\n  b", "- a\n  b"),
        ("3. three\n4. four", "3. three\n4. four"),
        ("- [ ] open\n- [x] done", "- [ ] open\n- [x] done"),
        ("-\n- a", "-\n- a"),
        ("> a\n>\n> b", "> a\n>\n> b"),
        ("a\n\n\n\n\nb", "a\n\nb"),
        ("| a |\n|---|\n| x | surplus |", "a\n───────────\nx | surplus"),
        ("&#27;[31m &#x202e;x &#13;y", "�[31m x\ny"),
    ],
)
def test_what_is_shown_of_what_was_written(source: str, shown: str) -> None:
    lines = render_markdown(source, columns=80, color=False)
    assert re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines)) == shown


def test_nothing_is_lost_that_is_nested_too_deep() -> None:
    lines = render_markdown(">" * 300 + " deep", columns=80, color=False)
    assert "deep" in "\n".join(lines)


def test_a_table_that_cannot_fit_becomes_records() -> None:
    header = "| City | Country | Founded | Population | Remarks |\n|---|---|---|---|---|\n"
    row = "| Copenhagen | Denmark | 1167 | 660000 | on two islands, and close to Sweden |\n"
    lines = render_markdown(header + row, columns=40, color=False)
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert plain == [
        "City: Copenhagen",
        "Country: Denmark",
        "Founded: 1167",
        "Population: 660000",
        "Remarks: on two islands, and close to",
        "  Sweden",
    ]


def test_a_table_fits_sixty_columns_with_wrapped_cells() -> None:
    lines = render_markdown(DOCUMENT, columns=60, color=False)
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert "bb       22  a good deal longer than that, which does not" in plain
    assert "             fit into sixty columns" in plain


def test_wide_characters_in_a_table_keep_the_columns_aligned() -> None:
    source = "| City | 都市 |\n|---|---|\n| 東京 | Tōkyō |\n| Kyōto | 京都 👘 |\n"
    lines = render_markdown(source, columns=40, color=False)
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert plain == [
        "City   都市",
        "─────  ───────",
        "東京   Tōkyō",
        "Kyōto  京都 👘",
    ]


def test_a_wide_character_is_not_cut_in_half_at_the_edge_of_a_column() -> None:
    source = f"| a | b |\n|---|---|\n| {'東' * 20} | {'x ' * 20} |\n"
    screen = Screen(41, 20)
    for line in render_markdown(source, columns=41, color=False):
        screen.write(line + "\r\n")
    shown = screen.lines
    assert "".join(shown).count("東") == 20
    assert "".join(shown).count("x") == 20


def test_stopped_in_the_middle_the_screen_is_tidy() -> None:
    screen = Screen(60, 20)
    stream = open_stream(screen)
    stream.feed("Done.\n\n- item\n  ```python\n  x = [1,")
    stream.close()
    screen.write("$ ")
    assert screen.lines == ["Done.", "", "- item", "  ```python", "  x = [1,", "  ```", "$"]
    assert screen.written.count("\x1b[?2026h") == screen.written.count("\x1b[?2026l")
    assert screen.written.rfind("\x1b[?7h") >= screen.written.rfind("\x1b[?7l")


@pytest.mark.parametrize("columns", [30, 59, 61, 120])
def test_a_resize_in_mid_stream_leaves_what_is_finished(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.setenv("XTERM_VERSION", "cuts long rows, as this emulator does")
    screen = Screen(60, 20)
    stream = open_stream(screen)
    finished = [f"Short {i}." for i in range(5)]
    stream.feed("\n\n".join(finished) + "\n\n" + "An open paragraph. " * 6)
    screen.resize(columns, 20)
    stream.feed("It goes on, and **ends** here.\n")
    stream.close()
    assert [line for line in screen.lines if line.startswith("Short")] == finished
    assert "".join(screen.lines).count("ends here.") == 1


def test_nothing_written_shows_nothing() -> None:
    screen = Screen(60, 20)
    open_stream(screen).close()
    assert screen.written == ""


def test_frames_are_limited_and_the_rest_is_shown_on_refresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(markdown, "_FRAME_S", 60.0)
    screen = Screen(60, 20)
    stream = open_stream(screen)
    for word in ["one ", "two ", "three"]:
        stream.feed(word)
    assert screen.lines == ["one"]
    stream.refresh()
    assert screen.lines == ["one two three"]
    stream.close()
