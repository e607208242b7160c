"""What of an answer reaches a pipe, a file and a terminal: driven in child processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.support.command import REPOSITORY
from tests.support.terminal import Terminal

# Steps are [method, arguments…] of a writer, or ["sleep", seconds].
PROGRAM = """
import json, sys, time
from localai.output.answer import answer_writer
options = dict(raw=False, stream=True, hide_thinking=False, quiet=False) | json.loads(sys.argv[1])
writer = answer_writer(**options)
finished = False
try:
    for method, *arguments in json.loads(sys.argv[2]):
        if method == "sleep":
            time.sleep(*arguments)
        else:
            getattr(writer, method)(*arguments)
    finished = True
except KeyboardInterrupt:
    pass
finally:
    writer.close(interrupted=not finished)
if "--read" in sys.argv:
    print("typed", repr(sys.stdin.readline()))
if "--modules" in sys.argv:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""

Step = list[object]
Play = Callable[..., Terminal]


def command(steps: list[Step], options: dict[str, object]) -> list[str]:
    return [sys.executable, "-c", PROGRAM, json.dumps(options), json.dumps(steps)]


def piped(
    steps: list[Step],
    *arguments: str,
    env: dict[str, str] | None = None,
    options: dict[str, object] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*command(steps, options or {}), *arguments],
        capture_output=True,
        cwd=REPOSITORY,
        env={**os.environ, **(env or {})},
        check=True,
        timeout=60,
    )


@pytest.fixture
def play(pty: Play) -> Play:
    def start(
        steps: list[Step],
        *arguments: str,
        columns: int = 60,
        rows: int = 20,
        env: dict[str, str | None] | None = None,
        **options: object,
    ) -> Terminal:
        line = (*command(steps, options), *arguments)
        return pty(columns=columns, rows=rows, env=env, command=line)

    return start


@pytest.mark.parametrize(
    ("pieces", "written"),
    [
        (["One ", "two.\n"], "One two.\n"),
        (["One"], "One\n"),
        (["\n\n", "\nOne\n", "\n", "\ntwo", "\n\n\n"], "One\n\n\ntwo\n"),
        (["**stays** `markdown`"], "**stays** `markdown`\n"),
        (["naïve 日本語 👍"], "naïve 日本語 👍\n"),
        (["a\x1b[3", "1mred\x1b]0;t\x07"], "ared\n"),
        (["tail \x1b]0;kept"], "tail 0;kept\n"),
        (["half \ud83d"], "half \ufffd\n"),
        ([], ""),
        (["", "\n"], ""),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_pipe_gets_the_answer_and_one_newline(
    pieces: list[str], written: str, stream: bool
) -> None:
    texts: list[Step] = [["text", piece] for piece in pieces]
    result = piped([["status", "loading"], *texts], options={"stream": stream})
    assert result.stdout.decode() == written
    assert result.stderr == b""


def test_a_pipe_gets_utf8_whatever_the_locale() -> None:
    steps: list[Step] = [["reasoning", "grübel"], ["text", "naïve"]]
    result = piped(steps, env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert result.stdout == "naïve\n".encode()
    assert result.stderr == b"gr?bel\n"


def test_escapes_reach_a_pipe_only_when_asked_for() -> None:
    assert (
        piped([["text", "\x1b[1mbold\x1b[0m"]], options={"raw": True}).stdout
        == b"\x1b[1mbold\x1b[0m\n"
    )


@pytest.mark.parametrize(
    ("options", "stderr"),
    [({}, b"First.\nThen.\n"), ({"hide_thinking": True}, b""), ({"quiet": True}, b"")],
)
@pytest.mark.parametrize("stream", [True, False])
def test_reasoning_goes_to_stderr_where_it_is_wanted(
    options: dict[str, object], stderr: bytes, stream: bool
) -> None:
    steps: list[Step] = [["reasoning", "First.\n"], ["reasoning", "Then."], ["text", "Answer."]]
    result = piped(steps, options={**options, "stream": stream})
    assert result.stdout == b"Answer.\n"
    assert result.stderr == stderr


def test_each_piece_is_written_at_once() -> None:
    with subprocess.Popen(
        command([["text", "now"], ["sleep", 60]], {}), stdout=subprocess.PIPE, cwd=REPOSITORY
    ) as child:
        assert child.stdout is not None
        assert os.read(child.stdout.fileno(), 100) == b"now"
        child.kill()


def test_a_reader_that_leaves_is_a_broken_pipe() -> None:
    steps: list[Step] = [["text", "x"], ["sleep", 0.5], ["text", "y"]]
    with subprocess.Popen(
        command(steps, {}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY
    ) as child:
        assert child.stdout is not None
        child.stdout.read(1)
        child.stdout.close()
        assert child.wait(60) != 0
        assert child.stderr is not None
        assert b"BrokenPipeError" in child.stderr.read()


def test_a_pipe_waits_for_no_import() -> None:
    result = piped([["reasoning", "a"], ["text", "b"]], "--modules")
    loaded = set(json.loads(result.stderr.decode().splitlines()[-1]))
    assert {"json", "localai"} <= loaded
    assert not loaded & {
        "rich",
        "markdown_it",
        "pygments",
        "pydantic",
        "localai.output.markdown.stream",
    }


def test_the_status_line_vanishes_without_a_trace(play: Play) -> None:
    terminal = play([["status", "loading"], ["sleep", 1.5], ["text", "Hello."], ["sleep", 0.5]])
    terminal.wait_until(
        lambda: re.search(r"loading \d\.\d s", terminal.screen) is not None, "no status", 20
    )
    terminal.wait_for("Hello.")
    assert terminal.wait_exit() == 0
    assert terminal.screen == "Hello."


def test_a_short_wait_shows_no_status(play: Play) -> None:
    terminal = play([["status", "loading"], ["text", "Hello."]])
    assert terminal.wait_exit() == 0
    assert terminal.screen == "Hello."
    assert b"loading" not in terminal.output


def test_markdown_is_rendered_on_a_terminal(play: Play) -> None:
    terminal = play([["text", "# Title\n\n- **bo"], ["sleep", 0.3], ["text", "ld** \x1b[2Jitem"]])
    assert terminal.wait_exit() == 0
    assert terminal.screen == "Title\n\n- bold item"


def test_a_pause_in_the_stream_leaves_nothing_waiting(play: Play) -> None:
    words: list[Step] = [["text", f"word{number} "] for number in range(20)]
    terminal = play([["text", "Start. "], ["sleep", 0.5], *words, ["sleep", 60]], columns=200)
    terminal.wait_for("word19", timeout_s=10)


def test_reasoning_stands_dim_above_the_answer(play: Play) -> None:
    steps: list[Step] = [["reasoning", "Let me\n\n- see"], ["sleep", 0.3], ["text", "Hello."]]
    terminal = play(steps)
    assert terminal.wait_exit() == 0
    lines = terminal.screen.splitlines()
    assert lines[:3] == ["Let me", "", "- see"]
    thought = re.fullmatch(r"\(thought for (\d+\.\d) s\)", lines[3])
    assert thought is not None
    assert float(thought[1]) >= 0.3, "longer only where the machine is busy"
    assert lines[4:] == ["", "Hello."]
    assert b"\x1b[2mLet me" in terminal.output


def test_hidden_reasoning_is_a_status_that_vanishes(play: Play) -> None:
    steps: list[Step] = [["reasoning", "secret"], ["sleep", 1.5], ["text", "Hello."]]
    terminal = play(steps, hide_thinking=True)
    terminal.wait_for("thinking")
    assert terminal.wait_exit() == 0
    assert terminal.screen == "Hello."
    assert b"secret" not in terminal.output


def test_quiet_is_only_the_answer(play: Play) -> None:
    steps: list[Step] = [["status", "loading"], ["sleep", 0.5], ["reasoning", "a"], ["text", "b"]]
    terminal = play(steps, quiet=True)
    assert terminal.wait_exit() == 0
    assert terminal.screen == "b"
    assert b"loading" not in terminal.output


def test_ctrl_c_in_the_middle_leaves_a_tidy_screen(play: Play) -> None:
    terminal = play([["text", "Done.\n\n- an **open"], ["sleep", 60]])
    terminal.wait_for("- an open")
    terminal.send("\x03")
    assert terminal.wait_exit() == 0
    assert terminal.screen == "Done.\n\n- an **open"
    assert terminal.cursor == (0, 3)


def test_keys_pressed_during_an_answer_do_not_spoil_it_and_are_not_lost(play: Play) -> None:
    steps: list[Step] = [["text", "One "], ["sleep", 1.5], ["text", "two."]]
    terminal = play(steps, "--read")
    terminal.wait_for("One")
    terminal.send("keys\r")
    terminal.wait_for("typed")
    assert terminal.wait_exit() == 0
    assert terminal.screen == "One two.\ntyped 'keys\\n'"


def test_the_echo_of_keys_is_back_after_the_answer(play: Play) -> None:
    terminal = play([["text", "One."]], "--read")
    terminal.wait_for("One.")
    terminal.send("visible\r")
    assert terminal.wait_exit() == 0
    assert terminal.screen == "One.\nvisible\ntyped 'visible\\n'"


def test_a_dumb_terminal_gets_plain_text(play: Play) -> None:
    steps: list[Step] = [
        ["status", "loading"],
        ["sleep", 0.5],
        ["reasoning", "hm"],
        ["text", "**a**"],
    ]
    terminal = play(steps, env={"TERM": "dumb"})
    assert terminal.wait_exit() == 0
    assert terminal.output == b"hm\r\n**a**\r\n"


def test_no_color_means_no_colour(play: Play) -> None:
    steps: list[Step] = [["text", "`code`\n\n```python\ndef f(): pass\n```\n"]]
    terminal = play(steps, env={"NO_COLOR": "1"})
    assert terminal.wait_exit() == 0
    assert not re.search(rb"\x1b\[[0-9;]*3[0-7]m", terminal.output)
    assert terminal.screen == "`code`\n\n```python\ndef f(): pass\n```"


def test_without_streaming_a_terminal_gets_the_whole_at_the_end(play: Play) -> None:
    steps: list[Step] = [["text", "# A"], ["sleep", 0.5], ["text", "\n\nb"]]
    terminal = play(steps, stream=False)
    assert terminal.wait_exit() == 0
    assert terminal.screen == "A\n\nb"
