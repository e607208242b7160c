"""What a command says: which stream, in which mode, cleaned, in the cells there are."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from localai import redaction
from localai.errors import Interrupted, InvalidInput, NotFound, Unreachable
from localai.output.cells import wrap, wrap_command
from localai.output.live_line import LiveLine
from localai.output.output import Output
from localai.output.table import Column, Row, drawn
from tests.output.screen import Screen

HOSTILE = "\x1b]0;title\x07two\nlines\x9b31m \u202eback\x7f"
HARMLESS = "two lines back"


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal, and keeps what was written."""

    def __init__(self, typed: str = "", *, terminal: bool = True) -> None:
        super().__init__(io.BytesIO(typed.encode()), encoding="utf-8", newline="\n")
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    @property
    def written(self) -> str:
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode()


@dataclass
class Streams:
    """The output of a command, and what it said."""

    output: Output
    stdout: Terminal
    stderr: Terminal


Open = Callable[..., Streams]


@pytest.fixture
def open_output(monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")

    def opened(
        *, terminal: bool = False, typed: str = "", as_json: bool = False, quiet: bool = False
    ) -> Streams:
        stdin, stdout, stderr = (
            Terminal(typed, terminal=terminal),
            Terminal(terminal=terminal),
            Terminal(terminal=terminal),
        )
        output = Output(
            "test", as_json=as_json, quiet=quiet, stdin=stdin, stdout=stdout, stderr=stderr
        )
        return Streams(output, stdout, stderr)

    return opened


def test_a_person_gets_the_data_and_a_program_the_document(open_output: Open) -> None:
    def say(streams: Streams) -> Streams:
        output = streams.output
        output.document({"schema": "localai.test/1", "models": []})  # type: ignore[typeddict-unknown-key]
        output.table(["model", "size"], [["starter", "93 MB"]])
        output.facts([("disk", "93 MB free")])
        output.line("a line")
        output.text("some\ntext")
        output.note("a note")
        output.warn("a warning")
        output.announce("it goes to a cloud")
        return streams

    person = say(open_output())
    assert person.stdout.written == (
        "model\tsize\nstarter\t93 MB\ndisk  93 MB free\na line\nsome\ntext\n"
    )
    assert person.stderr.written == "a note\nwarning: a warning\nit goes to a cloud\n"
    program = say(open_output(as_json=True))
    assert json.loads(program.stdout.written) == {"schema": "localai.test/1", "models": []}
    assert program.stderr.written == "warning: a warning\nit goes to a cloud\n"
    quiet = say(open_output(quiet=True))
    assert quiet.stdout.written == person.stdout.written
    assert quiet.stderr.written == "it goes to a cloud\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_from_outside_commands_the_terminal(open_output: Open, terminal: bool) -> None:
    streams = open_output(terminal=terminal)
    output = streams.output
    output.table(["model"], [[HOSTILE]])
    output.facts([("model", HOSTILE, HOSTILE)])
    output.line(HOSTILE, (HOSTILE, "bold"))
    output.note(HOSTILE)
    output.warn(HOSTILE)
    output.announce(HOSTILE)
    output.error(NotFound(HOSTILE, hint=HOSTILE, command=HOSTILE))
    said = streams.stdout.written + streams.stderr.written
    assert HARMLESS in said
    assert {character for character in said if ord(character) < 32} == {"\n"}
    assert not set("\x7f\x9b\u202e") & set(said)
    lines = streams.stdout.written.splitlines()
    assert lines == [
        "model",
        HARMLESS,
        f"model  {HARMLESS}  ({HARMLESS})",
        HARMLESS + HARMLESS,
    ]
    assert streams.stderr.written.splitlines() == [
        HARMLESS,
        f"warning: {HARMLESS}",
        HARMLESS,
        f"error: {HARMLESS}",
        "",
        f"hint: {HARMLESS}",
        f"run: {HARMLESS}",
    ]


def test_what_a_terminal_would_obey_is_escaped_in_a_document(open_output: Open) -> None:
    streams = open_output(as_json=True)
    document = {"schema": "localai.test/1", "model": HOSTILE}
    streams.output.document(document)  # type: ignore[arg-type]
    assert json.loads(streams.stdout.written)["model"] == HOSTILE
    assert not set("\x1b\x7f\x9b\u202e") & set(streams.stdout.written)


def test_a_secret_is_said_nowhere(open_output: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", {})
    redaction.remember("sk-swordfish")
    program, person = open_output(as_json=True), open_output()
    document = {"schema": "localai.test/1", "url": "http://x/?key=sk-swordfish"}
    program.output.document(document)  # type: ignore[arg-type]
    assert json.loads(program.stdout.written)["url"] == "http://x/?key=***"
    person.output.line("the key is sk-swordfish")
    person.output.note("the key is sk-swordfish")
    person.output.error(InvalidInput("sk-swordfish is no key"))
    assert person.stdout.written == "the key is ***\n"
    assert person.stderr.written == "the key is ***\nerror: *** is no key\n"


def test_a_pipe_gets_every_line_whole(open_output: Open) -> None:
    streams = open_output()
    long = "many words " * 40
    streams.output.facts([("model", long.strip(), "by a formula")])
    streams.output.note(long.strip())
    assert streams.stdout.written.count("\n") == streams.stderr.written.count("\n") == 1


def test_a_terminal_gets_lines_that_end_between_words(open_output: Open) -> None:
    streams = open_output(terminal=True)
    streams.output.facts([("model", "many words " * 40, "by a formula")])
    streams.output.note("many words " * 40)
    lines = (streams.stdout.written + streams.stderr.written).splitlines()
    assert len(lines) > 10
    assert all(len(line) <= 80 for line in lines)


def test_on_a_narrow_terminal_a_text_stands_below_its_name(
    open_output: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Output, "columns", 40)
    streams = open_output(terminal=True)
    streams.output.facts(
        [
            ("/template [NAME] [TEXT]", "a question that is put into a template", "yours"),
            ("/a", "b"),
        ]
    )
    assert streams.stdout.written == (
        "/template [NAME] [TEXT]\n  a question that is put into a template\n  (yours)\n/a\n  b\n"
    )


def test_who_says_yes_is_believed_and_enter_alone_is_no(open_output: Open) -> None:
    refusal = InvalidInput("nobody can be asked", hint="--yes")
    for typed in ("y\n", "YES\n"):
        streams = open_output(terminal=True, typed=typed)
        streams.output.confirm("Remove it?", unasked=refusal, declined="nothing was removed")
        assert streams.stderr.written == "Remove it? [y/N] "
    for typed in ("\n", "n\n", ""):
        streams = open_output(terminal=True, typed=typed)
        with pytest.raises(Interrupted, match="nothing was removed"):
            streams.output.confirm("Remove it?", unasked=refusal, declined="nothing was removed")
        assert "nothing was removed" in streams.stderr.written


def test_where_enter_is_a_yes_the_end_of_the_input_is_none(open_output: Open) -> None:
    refusal = InvalidInput("nobody can be asked", hint="--yes")
    for typed in ("\n", "y\n"):
        streams = open_output(terminal=True, typed=typed)
        streams.output.confirm(
            "Fetch it?", unasked=refusal, declined="nothing came", yes_is_default=True
        )
        assert streams.stderr.written == "Fetch it? [Y/n] "
    for typed in ("n\n", ""):
        streams = open_output(terminal=True, typed=typed)
        with pytest.raises(Interrupted, match="nothing came"):
            streams.output.confirm(
                "Fetch it?", unasked=refusal, declined="nothing came", yes_is_default=True
            )


@pytest.mark.parametrize("mode", [{"terminal": False}, {"as_json": True}, {"quiet": True}])
def test_where_nobody_can_be_asked_the_command_says_what_to_give(
    open_output: Open, mode: dict[str, bool]
) -> None:
    refusal = InvalidInput("nobody can be asked", hint="--yes")
    streams = open_output(**{"terminal": True, "typed": "y\n", **mode})
    with pytest.raises(InvalidInput, match="nobody can be asked"):
        streams.output.confirm("Remove it?", unasked=refusal, declined="no")
    assert streams.stderr.written == ""


def test_an_error_is_a_text_or_a_document(open_output: Open) -> None:
    error = NotFound("there is no model x", hint="localai list")
    person = open_output()
    person.output.error(error)
    assert person.stderr.written == "error: there is no model x\n\nhint: localai list\n"
    assert person.stdout.written == ""
    program = open_output(as_json=True)
    program.output.error(error)
    assert json.loads(program.stdout.written)["error"]["exit_code"] == 3
    assert program.stderr.written == ""


def test_how_long_it_takes_is_seen_on_a_narrow_terminal() -> None:
    screen = Screen(30, 5)
    line = LiveLine(screen, lambda: 30)
    line.show("⠦ loading the model with a context of 4,096 tokens", tail=" 12.3 s", at_once=True)
    assert screen.lines == ["⠦ loading the model w… 12.3 s"]


def test_what_is_said_stands_above_the_live_line(open_output: Open) -> None:
    streams = open_output(terminal=True)
    streams.output.progress("12 of 64")
    streams.output.note("a line failed")
    streams.output.line("an answer")
    said = streams.stderr.written
    assert said.index("12 of 64") < said.index("a line failed\n") < said.rindex("12 of 64")
    assert said.endswith("\r\x1b[K\x1b[?2026l"), "the line is gone before stdout is written to"


def test_a_stream_that_is_gone_is_no_error(
    open_output: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = open_output()
    streams.stderr.close()
    streams.output.note("nobody hears it")
    monkeypatch.setattr("sys.stderr", None)
    Output("test").note("nor this")


# Tables.

COLUMNS = (
    Column("model"),
    Column("size", right=True),
    Column("zone", drop=2),
    Column("context", drop=1, label="ctx", right=True),
    Column("why", wraps=True),
    Column("licence", only_piped=True),
)
ROWS = [
    Row(["qwen3:8b", "5.2 GB", "device", "40,960", "the best that fits", "Apache-2.0"]),
    Row(["smollm2:135m", "93 MB", "device", "8,192", "small " * 12, "Apache-2.0"], below="a note"),
]


def _table(available: int, rows: list[Row] | None = None) -> list[str]:
    return [line.text for line in drawn(COLUMNS, ROWS if rows is None else rows, available).lines]


def test_a_table_that_fits_is_shown_whole() -> None:
    header, first, *_ = _table(200)
    assert header == "model           size  zone       ctx  why"
    assert first == "qwen3:8b      5.2 GB  device  40,960  the best that fits"


@pytest.mark.parametrize("available", range(24, 120))
def test_no_line_is_too_long_and_no_key_is_cut(available: int) -> None:
    lines = _table(available)
    assert all(len(line) <= available for line in lines)
    assert any("smollm2:135m" in line for line in lines)
    assert any("5.2 GB" in line for line in lines)
    assert "    a note" in lines


def test_long_text_is_wrapped_before_a_column_goes_and_then_the_least_important_one() -> None:
    assert "zone" in _table(66)[0]
    assert "zone" not in _table(60)[0]
    assert "ctx" in _table(60)[0]
    assert "ctx" not in _table(48)[0]
    assert "why" not in _table(40)[0], "it stands below the row"


def test_a_long_key_stands_on_a_line_of_its_own() -> None:
    name = "hf.co/bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M"
    lines = _table(60, [*ROWS, Row([name, "105 MB", "device", "8,192", "", ""])])
    assert name in lines
    assert lines[lines.index(name) + 1].split() == ["105", "MB", "8,192"]


def test_further_names_stand_under_a_row_on_a_terminal_only(open_output: Open) -> None:
    row = Row(["qwen3:8b", "5.2 GB"], under=[["= mine", ""]])
    terminal, pipe = open_output(terminal=True), open_output()
    for streams in (terminal, pipe):
        streams.output.table(["model", "size"], [row])
    assert terminal.stdout.written.splitlines()[1:] == ["qwen3:8b  5.2 GB", "= mine"]
    assert pipe.stdout.written.splitlines()[1:] == ["qwen3:8b\t5.2 GB"]


def test_wide_characters_take_two_cells() -> None:
    lines = drawn([Column("model"), Column("size")], [Row(["模型", "1 GB"])], 80).lines
    assert lines[1].text == "模型   1 GB"


def test_a_number_and_its_unit_stay_on_one_line() -> None:
    assert wrap("read at 1,008 GB/s", 14) == ["read at", "1,008 GB/s"]
    assert wrap("of 24 GBs and 3 Bees", 8) == ["of 24", "GBs and", "3 Bees"]


def test_a_row_has_a_cell_for_each_column(open_output: Open) -> None:
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        open_output().output.table(["name", "size"], [["a"]])


def test_a_line_to_paste_ends_between_its_words_and_the_shell_reads_on() -> None:
    short = "localai pull starter"
    assert wrap_command(short, 40) == [short]
    long = "localai config set 'models.hf.co/org/a model.chat_template' ~/templates/chatml.jinja"
    lines = wrap_command(long, 35)
    assert lines == [
        "localai config set \\",
        "  'models.hf.co/org/a model.chat_template' \\",
        "  ~/templates/chatml.jinja",
    ]
    joined = "\n".join(lines).replace("localai", "printf '%s\\n'", 1)
    shell = subprocess.run(["sh", "-c", joined], capture_output=True, text=True, check=True)
    assert shell.stdout.splitlines() == [
        "config",
        "set",
        "models.hf.co/org/a model.chat_template",
        str(Path("~/templates/chatml.jinja").expanduser()),
    ]
    assert wrap_command("/template review topic=VALUE language=VALUE", 20) == [
        "/template review topic=VALUE language=VALUE"
    ], "no shell reads that"


def test_what_never_fits_beside_the_key_stands_below_it_and_no_line_is_too_long() -> None:
    columns = [Column("model"), Column("speed"), Column("memory"), Column("disk", right=True)]
    rows = [Row(["hf.co/org/model-GGUF:Q4_K_M", "8-13 tok/s", "1.2 GB", "1.0 GB"])]
    assert [line.text for line in drawn(columns, rows, 40).lines] == [
        "model         speed       memory    disk",
        "hf.co/org/model-GGUF:Q4_K_M",
        "              8-13 tok/s  1.2 GB  1.0 GB",
    ]
    assert [line.text for line in drawn(columns, rows, 30).lines] == [
        "model       speed       memory",
        "hf.co/org/model-GGUF:Q4_K_M",
        "            8-13 tok/s  1.2 GB",
        "    disk: 1.0 GB",
    ]
    assert [line.text for line in drawn(columns, rows, 18).lines] == [
        "model   speed",
        "hf.co/org/model-GGUF:Q4_K_M",
        "        8-13 tok/s",
        "    memory: 1.2 GB",
        "    disk: 1.0 GB",
    ]


def test_an_error_is_not_appended_to_another_output_s_live_line(open_output: Open) -> None:
    streams, reporter = open_output(terminal=True), open_output(terminal=True)
    streams.output.progress("12 of 64")
    reporter.output.error(Unreachable("the server has gone"))
    assert streams.stderr.written.endswith("\r\x1b[K\x1b[?2026l")
