"""What a one-shot can be given and what is made of its answer, through the real command."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localai.paths import Paths, locate
from tests.support.command import COMMAND, RunLocalai, merged
from tests.support.pdf import a_pdf
from tests.support.projector import PATCHES, red_square, write_projector
from tests.support.scripted_server import ScriptedServer
from tests.support.terminal import Terminal
from tests.support.wires import ChatCompletionsWire

CODE = "say Here:\n```python\nx = 1\n```\nand\n```\ny = 2\n```"


@pytest.fixture
def localai_home(warm_home: Path) -> Path:
    return warm_home


@pytest.fixture
def ask(
    run_localai: RunLocalai, robot_environment: dict[str, str], tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """`localai chat` over the robot."""

    def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
        command = ("chat", "-m", "robot/r2", *arguments)
        return run_localai(*command, env=robot_environment, cwd=tmp_path, **options)

    return run


Ask = Callable[..., subprocess.CompletedProcess[bytes]]


def question() -> str:
    """The last one that was asked, as it is kept."""
    with sqlite3.connect(locate().database) as db:
        rows = db.execute("SELECT text FROM message WHERE role = 'user' ORDER BY id").fetchall()
    text: str = rows[-1][0]
    return text


# Code


def test_extract_prints_the_first_code_block_alone(ask: Ask) -> None:
    result = ask("-x", CODE)
    assert (result.returncode, result.stdout) == (0, b"x = 1\n")


def test_extract_of_an_answer_without_code_fails_and_prints_nothing(ask: Ask) -> None:
    result = ask("-x", "say just words")
    assert (result.returncode, result.stdout) == (8, b"")
    assert b"the answer has no code block" in result.stderr


def test_extract_with_json_has_both(ask: Ask) -> None:
    document = json.loads(ask("-x", "--json", CODE).stdout)
    assert document["extracted"] == "x = 1\n"
    assert document["text"].startswith("Here:")
    broken = ask("-x", "--json", "say just words")
    assert broken.returncode == 8
    document = json.loads(broken.stdout)
    assert (document["text"], document["extracted"]) == ("just words", None)
    assert document["error"]["kind"] == "finished_with_failures"


# How it ended


@pytest.mark.parametrize(
    ("reason", "code", "said"),
    [
        ("length", 0, "cut at the server's limit of tokens; --max-tokens allows more"),
        ("context", 0, "cut: the context is full; --ctx allows more"),
        ("refusal", 6, "robot/r2 refused to answer"),
        ("other", 0, "perhaps not whole: the provider ended it with 'dunno', which localai"),
    ],
)
def test_an_answer_that_is_not_whole_is_printed_and_said_not_to_be(
    ask: Ask, reason: str, code: int, said: str
) -> None:
    result = ask(f"end {reason} dunno")
    assert (result.returncode, result.stdout) == (code, b"dunno\n")
    assert result.stderr.decode().count(said) == 1
    in_json = ask("--json", f"end {reason} dunno")
    document = json.loads(in_json.stdout)
    assert (in_json.returncode, document["finish_reason"]) == (code, reason)
    assert (document["error"] or {}).get("kind") == ("answer_refused" if code else None)


def test_a_limit_that_was_set_is_named_where_it_cuts(ask: Ask, run_localai: RunLocalai) -> None:
    result = ask("--max-tokens", "7", "end length x")
    assert b"warning: cut at 7 tokens; --max-tokens allows more\n" in result.stderr
    assert run_localai("config", "set", "chat.max_tokens", "1k").returncode == 0
    assert b"cut at 1,024 tokens; --max-tokens" in ask("end length x").stderr


def test_an_answer_that_repeats_itself_without_end_is_stopped_and_said(ask: Ask) -> None:
    result = ask("loop around the world")
    assert result.returncode == 0
    assert result.stdout.count(b"around the world ") > 500
    assert result.stderr.decode().count("warning: stopped: it repeats itself without end") == 1
    document = json.loads(ask("--json", "loop around the world").stdout)
    assert (document["finish_reason"], document["zone"]) == ("loop", "device")
    assert document["usage"]["output_tokens"] is None
    broken = ask("--schema", "name", "loop around the world")
    assert broken.returncode == 8
    assert b"it repeated itself without end" in broken.stderr


def test_an_answer_may_be_let_repeat_itself(
    run_localai: RunLocalai, far: ScriptedServer, localai_home: Path
) -> None:
    wire = ChatCompletionsWire()
    far.routes = wire.routes(wire.stream(wire.answer(["and so on and on, "] * 400)))
    stopped = run_localai("chat", "-m", "far/scripted", "hi")
    assert 3000 <= len(stopped.stdout) < 3500
    assert b"without end" in stopped.stderr
    assert run_localai("config", "set", "chat.stop_loops", "false").returncode == 0
    whole = run_localai("chat", "-m", "far/scripted", "hi")
    assert (whole.stdout.count(b"and so on"), whole.stderr) == (400, b"")


@pytest.mark.parametrize(
    ("think", "said"),
    [
        ("800", b"robot takes no number of tokens to think in"),
        ("801", b"--think low thinks less; llamacpp and anthropic take a number"),
        ("2x", b"--think takes a whole number"),
        ("0", b"--think off"),
        ("much", b"or a number of tokens, not 'much'"),
    ],
)
def test_a_budget_of_thinking_that_nobody_keeps_is_refused(
    ask: Ask, think: str, said: bytes
) -> None:
    result = ask("--think", think, "say a")
    assert (result.returncode, result.stdout) == (2, b"")
    assert said in result.stderr


def test_an_empty_answer_is_said_to_be(ask: Ask) -> None:
    result = ask("end stop")
    assert (result.returncode, result.stdout) == (0, b"")
    assert result.stderr == b"warning: the answer is empty\n"


# What is sent


@pytest.fixture
def far(localai_home: Path) -> Iterator[ScriptedServer]:
    """An endpoint `far` that answers every question with "Paris"."""
    wire = ChatCompletionsWire()
    with ScriptedServer() as server:
        server.routes = wire.routes(wire.stream(wire.answer(["Paris"])))
        locate().config_file.write_text(f'[endpoint.far]\nurl = "{server.url}/v1"\n')
        yield server


def sent_to(server: ScriptedServer) -> Any:
    """The last question that arrived, as JSON."""
    *_, last = [asked for asked in server.asked if asked.method == "POST"]
    return last.json


def test_a_temperature_of_zero_is_sent_and_not_taken_for_none(
    run_localai: RunLocalai, far: ScriptedServer
) -> None:
    for options, expected in (((), None), (("-o", "temperature", "0"), 0)):
        result = run_localai("chat", "-m", "far/scripted", *options, "hi")
        assert result.returncode == 0, result.stderr
        assert sent_to(far).get("temperature") == expected


@pytest.mark.parametrize(
    "typed",
    [
        ("-o", "top_p=0.5", "--option", "stop", "a=b"),
        ("-otop_p=0.5", "--option=stop=a=b"),
        ("--top-p", "0.5", "--stop=a=b"),
    ],
)
def test_an_option_may_be_typed_in_each_of_the_usual_ways(
    run_localai: RunLocalai, far: ScriptedServer, typed: tuple[str, ...]
) -> None:
    result = run_localai("chat", "-m", "far/scripted", *typed, "--", "hi", "-o", "x=1")
    assert result.returncode == 0, result.stderr
    sent = sent_to(far)
    assert (sent["top_p"], sent["stop"]) == (0.5, ["a=b"])
    assert sent["messages"][-1]["content"] == "hi -o x=1"


def test_the_flag_of_an_option_is_named_where_its_value_is_wrong(
    run_localai: RunLocalai, far: ScriptedServer
) -> None:
    wrong = run_localai("chat", "--top-p", "7", "hi")
    assert (wrong.returncode, wrong.stderr) == (
        2,
        b"error: --top-p takes a number from 0 to 1, not '7'\n\nhint: such as --top-p 0.9\n",
    )
    sized = run_localai("chat", "-m", "far/scripted", "--max-tokens", "2k", "--ctx", "8k", "hi")
    assert sized.returncode == 0, sized.stderr
    assert sent_to(far)["max_tokens"] == 2048


@pytest.mark.parametrize("flags", [("-c", "--cid", "a"), ("-q", "-u"), ("--raw", "--json")])
def test_flags_of_which_one_would_do_nothing_are_refused(
    run_localai: RunLocalai, flags: tuple[str, ...]
) -> None:
    result = run_localai("chat", *flags, "hi")
    assert result.returncode == 2
    assert b"exclude each other" in result.stderr + result.stdout


def test_a_loop_of_the_shells_keeps_its_lines(
    far: ScriptedServer, command_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "names").write_text("one\ntwo\n")
    command = f'{shlex.join(COMMAND)} chat -m far/scripted "who is $name"'
    script = f"while read name; do {command}; done < names"
    ran = subprocess.run(
        ["bash", "-c", script],
        env=command_environment,
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    asked = [each.json["messages"][-1]["content"] for each in far.asked if each.method == "POST"]
    assert asked == ["who is one", "who is two"]
    assert ran.stderr.count(b"stdin is left to the loop") == 2


def test_what_was_read_beside_a_question_is_said(
    run_localai: RunLocalai, far: ScriptedServer
) -> None:
    piped = run_localai("chat", "-m", "far/scripted", "what is it?", input="a\nb\n")
    assert piped.stderr == b"stdin: 2 lines, about 1 token\n"
    assert sent_to(far)["messages"][-1]["content"] == "a\nb\n\nwhat is it?"
    as_file = run_localai("chat", "-m", "far/scripted", "-f", "-", "what is it?", input="a\n")
    assert as_file.returncode == 0
    assert sent_to(far)["messages"][-1]["content"] == "stdin:\n```\na\n```\n\nwhat is it?"


def test_a_conversation_is_called_after_the_question_and_not_the_pasted_text(
    run_localai: RunLocalai, far: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("first line of the file\n")
    run_localai("chat", "-m", "far/scripted", "what disagrees?", input="pasted\n")
    run_localai("chat", "-m", "far/scripted", "-f", "a.txt")
    run_localai("chat", "-m", "far/scripted", "-t", "review", input="pasted\n")
    run_localai("chat", "-m", "far/scripted", input="Name three\ncolours, one a line\n")
    listed = json.loads(run_localai("history", "list", "--json").stdout)["conversations"]
    titles = [each["title"] for each in reversed(listed)]
    assert titles[:2] == ["what disagrees?", "a.txt"]
    assert titles[2] == "review: what is wrong with a change or a file, worst first"
    assert titles[3] == "Name three colours, one a line"


def test_another_system_prompt_takes_the_place_of_the_old_one_from_there_on(
    run_localai: RunLocalai, far: ScriptedServer
) -> None:
    def ask(*arguments: str) -> list[tuple[str, str]]:
        result = run_localai("chat", "-m", "far/scripted", *arguments)
        assert result.returncode == 0, result.stderr
        return [(each["role"], each["content"]) for each in sent_to(far)["messages"]]

    said = [("user", "one"), ("assistant", "Paris"), ("user", "two")]
    assert ask("-s", "Old.", "one") == [("system", "Old."), *said[:1]]
    assert ask("-c", "-s", "New.", "two") == [("system", "New."), *said]
    said += [("assistant", "Paris"), ("user", "three")]
    assert ask("-c", "three") == [("system", "New."), *said]


# What is said of an answer


def test_tokens_that_nobody_counted_are_unknown_and_not_none(ask: Ask) -> None:
    result = ask("--json", "-u", "uncounted words")
    document = json.loads(result.stdout)
    assert document["text"] == "words"
    assert document["usage"] == dict.fromkeys(document["usage"])
    assert "output_tokens" in document["usage"]
    told = ask("-u", "uncounted words").stderr.decode()
    assert "robot/r2" in told
    assert not re.search(r"\d[\d,]* (tokens|out)", told), told
    counted = ask("-u", "say three words").stderr.decode()
    assert re.search(r"3 tokens in, 2 out", counted), counted


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_where_the_prompt_goes_is_said_before_it_leaves(
    run_localai: RunLocalai, robot_environment: dict[str, str], quiet: tuple[str, ...]
) -> None:
    environment = robot_environment | {"ROBOT_HOST": "box.lan"}
    command = ("chat", "-m", "robot/r2", *quiet, "shout words")
    elsewhere = run_localai(*command, env=environment)
    told = elsewhere.stderr.decode()
    line = "the prompt goes to box.lan (lan), for robot/r2"
    assert elsewhere.stdout == b"words\n"
    assert told.index(line) < told.index("the robot was asked")
    assert told.count(line) == 1
    here = run_localai(*command, env=robot_environment).stderr
    assert b"the robot was asked" in here
    assert b"the prompt goes to" not in here


# Schemas


def test_an_answer_that_breaks_its_schema_is_printed_and_the_violation_said(ask: Ask) -> None:
    result = ask("--schema", "name:str, age:int", 'say {"name": "Ada", "age": "x"}')
    assert result.returncode == 8
    assert json.loads(result.stdout) == {"name": "Ada", "age": "x"}
    assert "$.age: 'x' is not of type 'integer'" in result.stderr.decode()


def test_a_code_block_is_held_against_the_schema_when_it_is_what_is_printed(ask: Ask) -> None:
    answer = 'say Sure:\n```json\n{"age": 3}\n```'
    result = ask("-x", "--schema", "age:int", answer)
    assert (result.returncode, result.stdout) == (0, b'{"age": 3}\n')
    assert ask("--schema", "age:int", answer).returncode == 8


def test_a_bad_schema_ends_it_before_anything_is_asked(ask: Ask) -> None:
    for text, code in (("name:strng", 2), ("./none.json", 3), ("no.such:Model", 3)):
        assert ask("--schema", text, "say x").returncode == code
    assert not locate().database.exists()


def test_the_engine_is_held_to_the_schema(
    home_with_starter: Paths, run_localai: RunLocalai, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(
        "from enum import Enum\nfrom pydantic import BaseModel\n"
        "class Colour(Enum):\n    red = 'red'\n    blue = 'blue'\n"
        "class Thing(BaseModel):\n    colour: Colour\n    sold: bool\n"
    )
    result = run_localai(
        *("chat", "--schema", "shop:Thing", "--max-tokens", "64", "A red thing, not sold."),
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    thing = json.loads(result.stdout)
    assert thing["colour"] in ("red", "blue")
    assert thing["sold"] in (True, False)


def test_what_the_engine_cannot_hold_is_said_before_and_checked_after(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    schema = {
        "name": "pair",
        "strict": True,
        "schema": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "definitions": {"a/b": {"type": "string", "pattern": r"^\d\d-\w?$", "maxLength": 3}},
            "type": "array",
            "items": [{"$ref": "#/definitions/a~1b"}, {"type": "integer", "exclusiveMinimum": 7}],
            "minItems": 2,
            "additionalItems": False,
        },
    }
    result = run_localai("chat", "--schema", json.dumps(schema), "--max-tokens", "40", "hi")
    said = result.stderr.decode()
    assert "llamacpp cannot hold the answer to all of the schema" in said
    assert "checked afterwards only: $[0]: maxLength" in said
    found = re.fullmatch(r'\[\s*"(\d\d-\w?)"\s*,\s*(\d+)\s*\]\s*', result.stdout.decode())
    assert found is not None, result.stdout
    assert int(found[2]) > 7
    assert result.returncode == (8 if len(found[1]) > 3 else 0)


def test_an_answer_that_was_cut_before_its_end_says_so(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    result = run_localai("chat", "--schema", "story:str", "--max-tokens", "6", "Tell a story.")
    assert result.returncode == 8
    assert b"it was cut before its end: --max-tokens allows more" in result.stderr


# Files and pictures


def test_files_come_first_and_their_sizes_are_said(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n" * 100)
    (tmp_path / "b.py").write_text("y = 2\n")
    (tmp_path / "paper.pdf").write_bytes(a_pdf("A short paper"))
    result = ask("-f", "*.py", "-f", "paper.pdf", "Compare.", input="from stdin\n")
    assert result.returncode == 0, result.stderr
    told = result.stderr.decode().splitlines()
    assert told[0] == "a.py: 600 B, about 150 tokens"
    assert told[1].startswith("b.py: 6 B"), told
    assert told[2] == "paper.pdf: 13 B, 1 page, about 4 tokens"
    asked = question()
    places = [asked.index(each) for each in ("a.py:", "b.py:", "A short paper", "from stdin")]
    assert places == sorted(places)
    assert asked.endswith("Compare.")
    assert asked.count("x = 1") == 100
    assert b"a.py" not in ask("-q", "-f", "a.py", "Compare.").stderr


def test_a_file_alone_is_a_question(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello\n")
    assert ask("-f", "a.txt").returncode == 0
    assert question() == "a.txt:\n```\nhello\n```"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("-f", "none.txt", "hi"), 3, "there is no file 'none.txt'"),
        (("-f", "*.none", "hi"), 3, "no file matches"),
        (("-f", "binary", "hi"), 2, "binary is binary"),
        (("-a", "binary", "hi"), 2, "no picture that models read"),
        (("-t", "none", "hi"), 3, "there is no template 'none'"),
        (("-t", "translate", "-p", "too", "x", "hi"), 2, "no variable 'too'"),
        (("-t", "translate"), 2, "needs something to work on"),
        (("--logprobs", "99", "hi"), 2, "logprobs"),
    ],
)
def test_bad_input_has_its_exit_code(
    ask: Ask, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    (tmp_path / "binary").write_bytes(b"\0\1\2")
    result = ask(*arguments)
    assert (result.returncode, message in result.stderr.decode()) == (code, True), result.stderr
    assert result.stdout == b""
    assert b"Traceback" not in result.stderr


def test_a_picture_is_not_sent_to_a_model_that_cannot_see(
    home_with_starter: Paths, run_localai: RunLocalai, tmp_path: Path
) -> None:
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n....")
    result = run_localai("chat", "-a", "x.png", "What is it?", cwd=tmp_path)
    assert result.returncode == 2
    assert b"llamacpp/starter cannot see pictures" in result.stderr
    assert not home_with_starter.database.exists()


def test_the_engine_sees_a_picture_where_the_model_has_a_projector(
    run_localai: RunLocalai, laconic_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "seeing.gguf").symlink_to(laconic_path)
    write_projector(tmp_path / "mmproj-seeing.gguf")
    (tmp_path / "red.png").write_bytes(red_square())

    def taken(*picture: str) -> int:
        command = ("chat", "-n", "-m", "./seeing.gguf", "--max-tokens", "4", "--json")
        result = run_localai(*command, *picture, "What is it?", cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        tokens: int = json.loads(result.stdout)["usage"]["input_tokens"]
        return tokens

    assert taken("-a", "red.png") == taken() + PATCHES


# Templates


def test_a_template_has_the_last_word_on_nothing_that_was_given(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "greet.md").write_text(
        '+++\nmodel = "robot/r5"\nsystem = "You greet in $language."\n'
        '[variables]\nlanguage = "English"\n+++\nsay hello $input\n'
    )
    document = json.loads(ask("-t", "./greet.md", "--json", "Ada").stdout)
    assert (document["model"], document["text"]) == ("robot/r2", "hello Ada"), "-m goes before it"
    ask("-t", "./greet.md", "-p", "language", "Czech", input="Bob")
    with sqlite3.connect(locate().database) as db:
        rows = db.execute("SELECT role, text FROM message ORDER BY id DESC LIMIT 3").fetchall()
    assert rows[::-1][:2] == [
        ("system", "You greet in Czech."),
        ("user", "say hello Bob"),
    ]


def test_a_template_that_says_it_all_needs_no_question(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "joke.md").write_text("say a joke")
    assert ask("-t", "./joke.md").stdout == b"a joke\n"


def test_the_bundled_extract_gives_json(home_with_starter: Paths, run_localai: RunLocalai) -> None:
    arguments = ("chat", "-t", "extract", "--schema", "city:Paris|Rome", "--max-tokens", "40")
    result = run_localai(*arguments, input="Ada lives in Paris.")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["city"] in ("Paris", "Rome")


# Odds


def test_logprobs_show_what_else_each_token_might_have_been(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    arguments = ("chat", "--max-tokens", "3", "--logprobs", "2", "What is the capital of France?")
    result = run_localai(*arguments)
    lines = [line for line in result.stderr.decode().splitlines() if "%" in line]
    assert len(lines) == 3
    document = json.loads(run_localai(*arguments, "--json").stdout)
    first = document["logprobs"][0]
    assert first["logprob"] <= 0
    assert len(first["alternatives"]) == 2
    assert "".join(each["token"] for each in document["logprobs"]).strip() in document["text"]


def test_a_provider_that_gives_no_odds_is_named(ask: Ask) -> None:
    result = ask("--logprobs", "2", "say hello")
    assert result.returncode == 0
    assert b"robot/r2 gave no probabilities" in result.stderr


# On a terminal


def test_json_on_a_terminal_is_not_taken_for_markdown(
    pty: Callable[..., Terminal],
    command_environment: dict[str, str],
    robot_environment: dict[str, str],
) -> None:
    environment = merged(command_environment, robot_environment)
    prompt = 'say {"a": "*b* _c_ # d"}'
    terminal = pty("chat", "-m", "robot/r2", "--schema", "a:str", prompt, env=environment)
    assert terminal.wait_exit() == 0
    assert '{"a": "*b* _c_ # d"}' in terminal.screen


def test_a_file_waits_for_the_first_question_of_a_session(
    pty: Callable[..., Terminal],
    command_environment: dict[str, str],
    robot_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    (tmp_path / "a.txt").write_text("the text\n")
    environment = merged(command_environment, robot_environment)
    terminal = pty("chat", "-m", "robot/r2", "-f", "a.txt", env=environment, cwd=tmp_path)
    terminal.wait_for(">>>")
    terminal.send("Go.\r")
    terminal.wait_until(locate().database.exists, "nothing was asked", 20)
    terminal.send("/bye\r")
    terminal.wait_exit()
    assert question() == "a.txt:\n```\nthe text\n```\n\nGo."


def test_a_folder_is_no_schema(run_localai: RunLocalai, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "person").write_text("{}")
    for given, said in (
        ("src", "a folder called src lies here"),
        ("src", 'the field is "src:str"'),
        ("src/", "'src' is a folder"),
        ("./src", "'src' is a folder"),
        ("person", "the file ./person"),
    ):
        refused = run_localai("chat", "--schema", given, "hi", cwd=tmp_path)
        assert refused.returncode == 2
        assert said in refused.stderr.decode()
