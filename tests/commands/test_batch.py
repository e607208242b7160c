"""`localai batch`, driven as its user drives it: with a fast robot, and on the real engine."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from localai.output.documents.batch import BatchRecord, BatchSummary
from localai.paths import Paths, locate
from tests.support.clock import becomes, within
from tests.support.command import COMMAND, REPOSITORY, RunLocalai, merged
from tests.support.farm import Farm
from tests.support.own_server import LlamaServer
from tests.support.promise import checked
from tests.support.scripted_server import ScriptedServer, UntilClosed, json_reply
from tests.support.terminal import Terminal
from tests.support.wires import ChatCompletionsWire

# What the largest child took, in bytes; macOS counts bytes, Linux KiB.
_PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(peak if sys.platform == "darwin" else peak * 1024)
"""
ROBOT = ("batch", "prompts.jsonl", "--output", "answers.jsonl", "-m", "robot/r2")


class Robot:
    """The command over the robot, in a folder with a file of prompts."""

    def __init__(
        self,
        run: RunLocalai,
        folder: Path,
        environment: Mapping[str, str],
        robot: Mapping[str, str],
    ) -> None:
        self._run = run
        self.folder = folder
        self.log = folder / "asked"
        self._robot = {**robot, "ROBOT_LOG": str(self.log)}
        self.environment = merged(environment, self._robot)

    def is_at(self, host: str) -> None:
        """From here on it says that it computes at `host`, in the local network."""
        self._robot["ROBOT_HOST"] = host

    def prompts(self, *prompts: str | dict[str, Any]) -> None:
        """Write the input."""
        lines = [
            json.dumps({"id": f"q{number}", "prompt": each} if isinstance(each, str) else each)
            for number, each in enumerate(prompts, start=1)
        ]
        (self.folder / "prompts.jsonl").write_text("".join(line + "\n" for line in lines))

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        """Run to the end."""
        return self._run(*ROBOT, *arguments, env=self._robot, cwd=self.folder, **options)

    def anything(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run another command line than the usual one."""
        return self._run(*arguments, env=self._robot, cwd=self.folder)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Run, and do not wait."""
        return subprocess.Popen(
            [*COMMAND, *ROBOT, *arguments],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def records(self) -> list[dict[str, Any]]:
        """What is in the output; each keeps the promise."""
        file = self.folder / "answers.jsonl"
        for line in file.read_bytes().splitlines():
            checked(BatchRecord, line)
        return read(file)

    def finished(self) -> set[int]:
        """The lines that have a whole record, wherever it stands."""
        return {
            json.loads(line)["line"]
            for file in self.folder.glob("answers.jsonl*")
            for line in file.read_bytes().splitlines(keepends=True)
            if line.endswith(b"\n")
        }

    def asked(self) -> list[str]:
        """What the robot was asked, and forget it."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture
def robot(
    run_localai: RunLocalai,
    tmp_path: Path,
    command_environment: dict[str, str],
    robot_environment: dict[str, str],
) -> Robot:
    folder = tmp_path / "batch"
    folder.mkdir()
    return Robot(run_localai, folder, command_environment, robot_environment)


def test_every_line_has_an_answer_in_the_input_s_order(robot: Robot) -> None:
    robot.prompts("wait 0.3 slow", "say quick", {"prompt": "say no id"})
    result = robot.run("-j", "3")
    assert result.returncode == 0, result.stderr
    assert result.stdout == b""
    records = robot.records()
    assert [(each["line"], each["id"], each["text"]) for each in records] == [
        (1, "q1", "slow"),
        (2, "q2", "quick"),
        (3, None, "no id"),
    ]
    first = records[0]
    assert first["schema"] == "localai.batch/1"
    assert (first["provider"], first["model"], first["zone"]) == ("robot", "robot/r2", "device")
    assert (first["finish_reason"], first["error"]) == ("stop", None)
    assert first["usage"]["output_tokens"] == 1
    assert first["locality"]["zone"] == "device"


def test_as_completed_the_quick_ones_come_first(robot: Robot) -> None:
    robot.prompts("wait 0.5 slow", "say quick")
    robot.run("-j", "2", "--as-completed")
    assert [each["text"] for each in robot.records()] == ["quick", "slow"]


@pytest.mark.parametrize(
    ("options", "texts"),
    [((), ["slow", "quick", "last"]), (("--as-completed",), ["quick", "last", "slow"])],
)
def test_on_stdout_answers_stand_in_the_input_s_order_unless_told_otherwise(
    robot: Robot, options: tuple[str, ...], texts: list[str]
) -> None:
    robot.prompts("wait 1.5 slow", "say quick", "wait 0.5 last")
    result = robot.anything("batch", "prompts.jsonl", "-m", "robot/r2", "-j", "3", *options)
    assert result.returncode == 0, result.stderr
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == texts


def test_tokens_that_nobody_counted_are_unknown_and_not_none(robot: Robot) -> None:
    robot.prompts("uncounted words")
    robot.run()
    [record] = robot.records()
    assert record["usage"] == dict.fromkeys(record["usage"])
    assert "output_tokens" in record["usage"]


def test_where_the_prompts_go_is_said_before_the_first_leaves(robot: Robot) -> None:
    robot.prompts("shout a", "shout b")
    robot.is_at("box.lan")
    told = robot.run("-q").stderr.decode()
    line = "the prompt goes to box.lan (lan), for robot/r2"
    assert told.index(line) < told.index("the robot was asked")
    assert told.count(line) == 1


def test_a_pipe_gets_an_answer_before_the_next_question_is_written(robot: Robot) -> None:
    command = [*COMMAND, "batch", "-", "-m", "robot/r2", "-q"]
    with subprocess.Popen(
        command, env=robot.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for words in ("one", "two"):
            process.stdin.write(b'{"prompt": "say %s"}\n' % words.encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == words
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_reader_that_leaves_ends_it_quietly(robot: Robot) -> None:
    robot.prompts(*["say many words"] * 2000)
    command = " ".join((*COMMAND, "batch prompts.jsonl -m robot/r2 | head -n 1"))
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=robot.environment,
        cwd=robot.folder,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, b"")


def test_failed_lines_are_recorded_counted_and_asked_again(robot: Robot) -> None:
    robot.prompts("say a", "refuse", "break", {"promt": "typo"}, "say b")
    result = robot.run()
    assert result.returncode == 8
    assert "3 of 5 lines failed" in result.stderr.decode()
    errors = [each["error"] for each in robot.records()]
    assert [None if error is None else error["kind"] for error in errors] == [
        None,
        "provider_refused",
        "unreachable",
        "invalid_input",
        None,
    ]
    assert "line 4: there is no key 'promt'" in errors[3]["message"]
    assert robot.records()[2]["text"] == "half of"

    robot.asked()
    again = robot.run()
    assert (again.returncode, robot.asked()) == (8, []), "it goes on; it does not ask again"

    third = robot.run("--retry-failed")
    assert third.returncode == 8
    assert sorted(robot.asked()) == ["break", "break", "refuse"]
    assert [each["line"] for each in robot.records()] == [1, 2, 3, 4, 5]

    # The lines' fault is mended: what they ask is another question now, and only they are asked.
    assert robot.run().returncode == 8


def test_a_refused_answer_is_that_lines_failure_and_not_the_batchs(robot: Robot) -> None:
    robot.prompts(*["end refusal No."] * 9, "end length cut", "end other dunno")
    assert robot.run().returncode == 8
    records = robot.records()
    assert [each["finish_reason"] for each in records] == ["refusal"] * 9 + ["length", "other"]
    assert [each["error"] and each["error"]["kind"] for each in records] == (
        ["answer_refused"] * 9 + [None, None]
    )
    assert records[0]["text"] == "No."


def test_a_line_that_repeats_itself_without_end_is_stopped_and_counted(robot: Robot) -> None:
    robot.prompts("say a", "loop on and on", "end length cut")
    result = robot.run("--json")
    assert result.returncode == 0
    assert [each["finish_reason"] for each in robot.records()] == ["stop", "loop", "length"]
    summary = json.loads(result.stdout)
    assert (summary["answered"], summary["cut"], summary["looping"]) == (3, 2, 1)


def test_a_provider_that_breaks_off_once_is_asked_again(robot: Robot) -> None:
    robot.prompts("once and again", "say b")
    assert robot.run().returncode == 0
    assert [each["text"] for each in robot.records()] == ["and again", "b"]


def test_a_provider_that_is_gone_stops_the_batch_and_leaves_the_rest(robot: Robot) -> None:
    robot.prompts(*["break"] * 40, *["say later"] * 5)
    result = robot.run("-j", "2")
    assert result.returncode == 5
    assert "failures in a row: the robot broke off" in result.stderr.decode()
    assert "--retry-failed" in result.stderr.decode()
    assert 6 <= len(robot.finished()) < 20


def test_failures_between_answers_do_not_stop_it(robot: Robot) -> None:
    robot.prompts(*[*["refuse"] * 4, "say a"] * 3)
    result = robot.run("-j", "1")
    assert (result.returncode, len(robot.records())) == (8, 15)
    assert "12 of 15 lines failed" in result.stderr.decode()


@pytest.mark.parametrize("order", [(), ("--as-completed",)])
def test_kill_9_at_any_moment_computes_nothing_twice_and_loses_nothing(
    robot: Robot, order: tuple[str, ...]
) -> None:
    # Every fifth takes long, so that others wait for it.
    prompts = [f"wait {0.4 if number % 5 == 0 else 0.02} answer-{number}" for number in range(40)]
    robot.prompts(*prompts)
    for least in (5, 15, 28):
        process = robot.start("-j", "4", *order)
        assert becomes(lambda: len(robot.finished()) >= least, within_s=30)  # noqa: B023
        process.kill()
        process.communicate()
        done = {prompts[number - 1] for number in robot.finished()}
        robot.asked()
        # Whoever goes on asks nothing that is there.
        follower = robot.start("-j", "4", *order)
        assert becomes(lambda: len(robot.finished()) > len(done), within_s=30)  # noqa: B023
        follower.kill()
        follower.communicate()
        assert not done & set(robot.asked())
    assert robot.run("-j", "4", *order).returncode == 0
    texts = [each["text"] for each in robot.records()]
    wanted = [f"answer-{number}" for number in range(40)]
    assert (sorted(texts) if order else texts) == (sorted(wanted) if order else wanted)
    assert not list(robot.folder.glob("answers.jsonl.*"))


def test_ctrl_c_ends_it_tidily_and_it_goes_on(robot: Robot) -> None:
    robot.prompts(*[f"wait 0.05 answer-{number}" for number in range(60)])
    process = robot.start("-j", "2")
    assert becomes(lambda: len(robot.finished()) >= 6, within_s=30)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"goes on where this one stopped" in errors
    assert b"Traceback" not in errors
    assert len(robot.finished()) < 60
    assert robot.run("-j", "8").returncode == 0
    assert [each["line"] for each in robot.records()] == list(range(1, 61))


@pytest.mark.clock
def test_ctrl_c_does_not_wait_for_a_server_that_says_nothing(robot: Robot) -> None:
    robot.prompts("wait 60 never")
    process = robot.start()
    assert becomes(robot.log.exists, within_s=30)
    with within(8):
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130


def test_an_input_that_was_changed_is_noticed(robot: Robot) -> None:
    robot.prompts("say a", "say b")
    robot.run()
    robot.prompts("say a", "say other", "say c")
    result = robot.run()
    assert result.returncode == 2
    assert "line 2 has an answer in the output, but to another question" in result.stderr.decode()
    assert [each["text"] for each in robot.records()] == ["a", "b"]
    assert robot.run("-s", "be brief").returncode == 2


def test_an_input_that_has_grown_goes_on(robot: Robot) -> None:
    robot.prompts("say a")
    robot.run()
    robot.asked()
    robot.prompts("say a", "say b")
    assert robot.run().returncode == 0
    assert robot.asked() == ["say b"]


@pytest.mark.parametrize(
    ("content", "arguments", "code", "message"),
    [
        ("not json\n", (), 2, "line 1: this is plain text, and each line is a JSON object"),
        ('["x"\n', (), 2, "line 1: this is not JSON: Expecting ',' delimiter at character 6"),
        ('[\n{"prompt": "say a"}\n]\n', (), 2, "jq -c '.[]' FILE"),
        ("\n\n{}\n", (), 2, 'line 3: a line has either "prompt" or "messages"'),
        ('{"prompt": "say a"}\n', ("--option", "temprature", "1"), 2, "no option 'temprature'"),
        ('{"prompt": "say a"}\n', ("-j", "0"), 2, "jobs"),
        ('{"prompt": "say a"}\n', ("--think", "hard"), 2, "--think takes"),
        ('{"prompt": "say a"}\n', ("--output", "prompts.jsonl"), 2, "is the input"),
        ('{"prompt": "say a"}\n', ("--output", "none/a.jsonl"), 2, "/batch/none"),
        ('{"prompt": "say a"}\n', ("--output", "-", "--json"), 2, "cannot both go to stdout"),
        ('{"prompt": "say a"}\n', ("-m", "llamacpp/none"), 3, "none"),
        (None, (), 3, "no file 'prompts.jsonl'"),
    ],
)
def test_bad_input_has_its_exit_code_before_anything_is_asked(
    robot: Robot, content: str | None, arguments: tuple[str, ...], code: int, message: str
) -> None:
    if content is not None:
        (robot.folder / "prompts.jsonl").write_text(content)
    result = robot.run(*arguments)
    told = result.stdout.decode() + result.stderr.decode()
    assert (result.returncode, message in told) == (code, True), told
    assert "Traceback" not in told
    assert robot.asked() == []


def test_no_lines_are_no_work(robot: Robot) -> None:
    (robot.folder / "prompts.jsonl").write_text("\n")
    result = robot.run()
    assert (result.returncode, robot.records()) == (0, [])


def test_a_template_shapes_every_line(robot: Robot) -> None:
    (robot.folder / "say.md").write_text("+++\nmodel = 'robot/r9'\n+++\nsay $greeting $input")
    robot.prompts({"prompt": "Ada"}, {"prompt": "Bob", "greeting": "bye"})
    command = ("batch", "prompts.jsonl", "-t", "./say.md", "-p", "greeting", "hello")
    result = robot.anything(*command)
    assert result.returncode == 0, result.stderr
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(each["model"], each["text"]) for each in records] == [
        ("robot/r9", "hello Ada"),
        ("robot/r9", "bye Bob"),
    ]


def test_an_answer_that_breaks_its_schema_is_a_failed_line_with_its_answer(robot: Robot) -> None:
    good = 'say {"age": 5}'
    robot.prompts(
        *[good, 'say {"age": "old"}'],
        {"prompt": good, "schema": "name:str"},
        {"prompt": good, "schema": {"type": "nonsense"}},
    )
    result = robot.run("--schema", "age:int")
    assert result.returncode == 8
    _, broken, other, none = robot.records()
    assert broken["text"] == '{"age": "old"}'
    assert broken["error"]["kind"] == "finished_with_failures"
    assert "$.age: 'old' is not of type 'integer'" in broken["error"]["message"]
    assert "breaks the schema" in other["error"]["message"]
    assert "no JSON schema" in none["error"]["message"]


@pytest.mark.clock
def test_a_pattern_that_would_take_for_ever_is_its_line_s_error(robot: Robot) -> None:
    schema = {"type": "string", "pattern": "^(a+)+$"}
    robot.prompts({"prompt": f'say "{"a" * 40}!"', "schema": schema}, "say fine")
    with within(40):
        result = robot.run()
    assert result.returncode == 8, result.stderr
    slow, fine = robot.records()
    assert "takes more than 5 s" in slow["error"]["message"]
    assert fine["text"] == "fine"


def test_a_second_run_counts_a_failed_line_once(robot: Robot) -> None:
    robot.prompts("say a", "refuse", "say b")
    first, second = robot.run(), robot.run()
    assert b"2 answered \xc2\xb7 1 failed" in first.stderr
    assert b"0 answered \xc2\xb7 3 were there already, 1 of them failed" in second.stderr
    assert second.stderr.count(b"failed") == first.stderr.count(b"failed")
    assert b"1 of 3 lines failed" in second.stderr


def test_json_is_a_summary(robot: Robot) -> None:
    robot.prompts("say a", "refuse")
    result = robot.run("--json")
    summary = checked(BatchSummary, result.stdout)
    assert result.returncode == 8
    assert summary["schema"] == "localai.batch/1"
    assert (summary["answered"], summary["failed"], summary["found"]) == (1, 1, 0)
    assert summary["error"] and summary["error"]["exit_code"] == 8


def test_memory_does_not_grow_with_the_input(robot: Robot) -> None:
    def peak_bytes(lines: int) -> int:
        robot.prompts(*["say " + "word " * 100] * lines)
        for file in robot.folder.glob("answers*"):
            file.unlink()
        command = [*COMMAND, *ROBOT, "-q", "-n", "-j", "8"]
        # A small parent: a child's peak counts what it shares with its parent at the fork.
        measured = subprocess.run(
            [sys.executable, "-c", _PEAK, *command],
            env=robot.environment,
            cwd=robot.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )
        assert len((robot.folder / "answers.jsonl").read_bytes().splitlines()) == lines
        return int(measured.stdout)

    small, large = peak_bytes(1000), peak_bytes(11_000)
    assert large - small < 3_000_000


def test_what_was_used_is_counted_and_what_was_said_is_not_kept(robot: Robot) -> None:
    robot.prompts("say a", "refuse", "say b c")
    robot.run()
    with sqlite3.connect(locate().database) as db:
        rows = db.execute("SELECT command, model, output_tokens FROM usage ORDER BY id").fetchall()
        assert sorted(rows) == [("batch", "r2", 1), ("batch", "r2", 2)]
        assert db.execute("SELECT count(*) FROM conversation").fetchone() == (0,)
    (robot.folder / "answers.jsonl").unlink()
    robot.run("--no-log")
    with sqlite3.connect(locate().database) as db:
        assert db.execute("SELECT count(*) FROM usage").fetchone() == (2,)


def test_progress_on_a_terminal_is_one_line_with_rate_and_time_left(
    robot: Robot, pty: Callable[..., Terminal]
) -> None:
    robot.prompts(*[f"wait 0.1 answer-{number}" for number in range(40)])
    command = ("batch", str(robot.folder / "prompts.jsonl"), "-m", "robot/r2", "-j", "2")
    output = str(robot.folder / "answers.jsonl")
    terminal = pty(*command, "--output", output, env=robot.environment)
    pattern = re.compile(r"\d+ of 40 · 2 at a time · [\d.]+ lines/s · \d+ tok/s · \d+s left")
    terminal.wait_until(lambda: pattern.search(terminal.screen) is not None, "no progress", 30)
    assert terminal.wait_exit() == 0
    assert "40 answered" in terminal.screen
    assert "left" not in terminal.screen


def test_on_a_terminal_no_answer_stands_in_a_line_with_the_progress(
    robot: Robot, pty: Callable[..., Terminal]
) -> None:
    robot.prompts(*[f"wait 0.1 answer-{number}" for number in range(12)])
    command = ("batch", str(robot.folder / "prompts.jsonl"), "-m", "robot/r2", "-j", "2")
    terminal = pty(*command, columns=1200, env=robot.environment)
    terminal.wait_for("at a time")
    assert terminal.wait_exit() == 0
    lines = terminal.scrollback.splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    assert [record["line"] for record in records] == list(range(1, 13))
    assert not any("at a time" in line for line in lines), "the progress is gone"
    assert lines[-1].startswith("12 answered")


# On the real engine


def test_the_engine_answers_many_at_once(
    home_with_starter: Paths, run_localai: RunLocalai, tmp_path: Path
) -> None:
    questions = [
        {"id": "fr", "prompt": "What is the capital of France?"},
        {"id": "turn", "messages": [{"role": "user", "content": "Is Paris a city?"}]},
        {"id": "short", "prompt": "Tell a story.", "options": {"max_tokens": 2}},
        {
            "id": "schema",
            "prompt": "What is the capital of France?",
            "schema": {"type": "object", "properties": {"capital": {"enum": ["Paris", "Rome"]}}},
        },
    ]
    given = "".join(json.dumps(each) + "\n" for each in questions)
    result = run_localai("batch", "-", "--max-tokens", "24", input=given)
    assert result.returncode == 0, result.stderr
    french, turn, short, schema = map(json.loads, result.stdout.splitlines())
    assert len(french["text"]) > 5
    assert (turn["line"], turn["id"]) == (2, "turn")
    assert (short["usage"]["output_tokens"], short["finish_reason"]) == (2, "length")
    assert json.loads(schema["text"])["capital"] in ("Paris", "Rome")
    assert french["locality"]["network_denied"] is True
    worker = json.loads(run_localai("ps", "--json").stdout)["workers"][0]
    assert worker["slots"] == 8
    assert b"cut at their limit" in result.stderr


def test_what_does_not_fit_together_is_not_asked_together(
    home_with_short_model: Paths, run_localai: RunLocalai
) -> None:
    # The first lines are short, so the context is small; then come some that need most of it each.
    short = [{"prompt": "Say yes.", "options": {"max_tokens": 2}}] * 16
    long = [
        {
            "prompt": f"({number}) Tell a long story.",
            "options": {"max_tokens": 130, "provider.ignore_eos": True},
        }
        for number in range(3)
    ]
    given = "".join(json.dumps(each) + "\n" for each in [*short, *long])
    environment = {"LOCALAI_ENGINE_CONTEXT": "256"}
    command = ("batch", "-", "-m", "short", "-j", "4")
    result = run_localai(*command, input=given, env=environment, timeout_s=240)
    assert result.returncode == 0, result.stderr
    used = [json.loads(line)["usage"]["output_tokens"] for line in result.stdout.splitlines()]
    assert used[16:] == [130] * 3


# Over servers


def _guide(language: str) -> str:
    """The guide's last block in `language`: how one machine is outgrown."""
    text = (REPOSITORY / "docs" / "guides" / "batch.md").read_text()
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return found[-1]


def test_the_guide_s_config_drives_a_real_server(
    localai_home: Path, run_localai: RunLocalai, llama_server: LlamaServer, tmp_path: Path
) -> None:
    config = _guide("toml").replace("127.0.0.1:8000", f"127.0.0.1:{llama_server.port}")
    (localai_home / "config.toml").write_text(config)
    lines = (json.dumps({"prompt": f"Say {word}."}) + "\n" for word in ("yes", "no", "ok"))
    (tmp_path / "prompts.jsonl").write_text("".join(lines))
    _, _, *command = _guide("console").split()
    result = run_localai(*command, "--max-tokens", "4", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    records = read(tmp_path / command[command.index("--output") + 1])
    assert [(each["provider"], each["error"]) for each in records] == [("farm", None)] * 3


def test_a_farm_never_gets_more_at_once_than_the_config_says_and_may_say_later(
    localai_home: Path, run_localai: RunLocalai, farm: Farm
) -> None:
    settings = f'[endpoint.farm]\nurl = "{farm.url}"\nconcurrency = 6\n'
    (localai_home / "config.toml").write_text(settings)
    questions = [f"question {number}" for number in range(60)]
    # On a busy machine the threads of a batch may begin later than the first answers end.
    farm.gathers = 6
    given = "".join(json.dumps({"prompt": each}) + "\n" for each in questions)
    result = run_localai("batch", "-", "-m", "farm/smollm2", input=given)
    assert result.returncode == 0, result.stderr
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == questions
    assert sorted(farm.answered) == sorted(questions), "each once"
    assert len(farm.refused) == 6
    assert farm.most_at_once == 6


@pytest.mark.clock
def test_a_line_whose_answer_never_ends_is_that_line_s_error(
    localai_home: Path, run_localai: RunLocalai
) -> None:
    wire = ChatCompletionsWire()
    [*_, piece] = wire.begun(["and "])
    endless, whole = (
        wire.stream([UntilClosed(piece * 300)]),
        wire.stream(wire.answer(["Paris"])),
    )
    with ScriptedServer(wire.routes(whole)) as server:
        # The line is asked once more, alone.
        server.routes["POST /v1/chat/completions"] = [endless, endless, whole]
        settings = f'[endpoint.farm]\nurl = "{server.url}/v1"\nconcurrency = 1\n'
        settings += "[chat]\nstop_loops = false\n"
        (localai_home / "config.toml").write_text(settings)
        lines = '{"prompt": "Go on."}\n{"prompt": "The capital?"}\n'
        with within(30):
            result = run_localai(
                "batch", "-", "-m", "farm/scripted", "--max-tokens", "4", input=lines
            )
    assert result.returncode == 8, result.stderr
    endless_one, answered = (json.loads(line) for line in result.stdout.splitlines())
    assert endless_one["error"]["kind"] == "unreachable"
    assert "does not end" in endless_one["error"]["message"]
    assert endless_one["text"].startswith("and and ")
    assert (answered["text"], answered["error"]) == ("Paris", None)


def test_a_schema_that_the_engine_refuses_is_that_line_s_error(
    localai_home: Path, run_localai: RunLocalai
) -> None:
    """However many come one after the other: they say nothing about the next line."""
    wire = ChatCompletionsWire()
    refused = json_reply(
        {"error": {"code": 400, "message": "failed to parse grammar", "type": "invalid"}}, 400
    )
    with ScriptedServer(wire.routes(refused)) as server:
        whole = wire.stream(wire.answer(["Paris"]))
        server.routes["POST /v1/chat/completions"] = [*[refused] * 12, whole]
        settings = f'[endpoint.farm]\nurl = "{server.url}/v1"\nconcurrency = 1\n'
        (localai_home / "config.toml").write_text(settings)
        line = {"prompt": "The capital?", "schema": {"type": "string", "pattern": "x"}}
        lines = (json.dumps(line) + "\n") * 12 + '{"prompt": "The capital?"}\n'
        result = run_localai("batch", "-", "-m", "farm/scripted", input=lines)
    assert result.returncode == 8, result.stderr
    *records, last = (json.loads(line) for line in result.stdout.splitlines())
    assert len(records) == 12
    assert {each["error"]["kind"] for each in records} == {"invalid_input"}
    assert "does not take the schema: failed to parse grammar" in records[0]["error"]["message"]
    assert (last["text"], last["error"]) == ("Paris", None)


TRAPS = {
    "a module": "trap:Trap",
    "a module in a package": "package.trap:Trap",
    "a path": "./secret.json",
    "a file's name": "secret.json",
}


@pytest.fixture
def traps(robot: Robot) -> Path:
    """A file that exists once one of the modules in the batch's folder was imported; beside them
    lies a schema that nobody may read."""
    sprung = robot.folder / "sprung"
    code = f"open({str(sprung)!r}, 'w')\nclass Trap: pass\n"
    (robot.folder / "package").mkdir()
    for file in ("trap.py", "package/trap.py"):
        (robot.folder / file).write_text(code)
    (robot.folder / "secret.json").write_text('{"type": "object", "title": "my secret"}')
    return sprung


@pytest.mark.parametrize("schema", TRAPS.values(), ids=TRAPS)
def test_a_schema_in_a_line_imports_nothing_and_reads_nothing(
    robot: Robot, traps: Path, schema: str
) -> None:
    robot.prompts("say one", {"prompt": "say two", "schema": schema})
    assert robot.run().returncode == 8
    assert robot.records()[1]["error"]["kind"] == "invalid_input"
    assert robot.asked() == ["say one"]
    assert not traps.exists()


@pytest.mark.parametrize("schema", TRAPS.values(), ids=TRAPS)
def test_a_schema_in_a_template_imports_nothing_and_reads_nothing(
    robot: Robot, traps: Path, schema: str
) -> None:
    robot.prompts("say one")
    (robot.folder / "given.md").write_text(f'+++\nschema = "{schema}"\n+++\n$input')
    assert robot.run("-t", "./given.md").returncode == 2
    chat = robot.anything("chat", "-m", "robot/r2", "-t", "./given.md", "say one")
    assert (chat.returncode, chat.stdout) == (2, b"")
    assert robot.asked() == []
    assert not traps.exists()


def test_the_flag_may_name_a_module_and_a_file(robot: Robot, traps: Path) -> None:
    robot.prompts("say {}")
    assert robot.run("--schema", "secret.json").returncode == 0
    assert not traps.exists()
    assert robot.run("--schema", "trap:Trap").returncode == 2
    assert traps.exists()


ODD_LINES = {
    "half a character": r'{"prompt": "say \ud800"}',
    "half a character in the system prompt": r'{"prompt": "say a", "system": "\udc00"}',
    "half a character in an option": r'{"prompt": "say a", "options": {"stop": "\ud83d"}}',
    "deep JSON": '{"prompt": "say a", "system": ' + "[" * 100_000,
    "a deep schema": '{"prompt": "say a", "schema": ' + '{"not": ' * 300 + "{}" + "}" * 301,
    "a number that is none": '{"prompt": "say a", "id": NaN}',
    "a number without end": '{"prompt": "say a", "id": 1e999}',
    "a huge number": '{"prompt": "say a", "options": {"seed": 1' + "0" * 5000 + "}}",
    "an options list": '{"prompt": "say a", "options": [1]}',
}


@pytest.mark.parametrize("line", ODD_LINES.values(), ids=ODD_LINES)
def test_an_odd_line_is_that_line_s_error_and_the_rest_is_answered(robot: Robot, line: str) -> None:
    file = robot.folder / "prompts.jsonl"
    file.write_text(f'{{"prompt": "say one"}}\n{line}\n{{"prompt": "say three"}}\n')
    result = robot.run(timeout_s=60)
    assert result.returncode == 8, result.stderr
    one, odd, three = robot.records()
    assert (one["text"], three["text"]) == ("one", "three")
    assert odd["error"]["kind"] == "invalid_input", odd
    assert "line 2: " in odd["error"]["message"]


@pytest.mark.parametrize("depth", range(950, 1000, 10))
def test_an_id_however_deep_comes_back_or_is_the_line_s_error(robot: Robot, depth: int) -> None:
    line = f'{{"prompt": "say deep", "id": {"[" * depth}{"]" * depth}}}'
    (robot.folder / "prompts.jsonl").write_text(f'{{"prompt": "say one"}}\n{line}\n')
    result = robot.run(timeout_s=60)
    assert result.returncode in (0, 8), result.stderr
    assert b"bug" not in result.stderr
    assert (robot.folder / "answers.jsonl").read_bytes().count(b"\n") == 2


def test_an_error_that_nobody_foresaw_is_its_line_s(robot: Robot) -> None:
    robot.prompts("say one", "crash", "say three")
    assert robot.run().returncode == 8
    one, crashed, three = robot.records()
    assert (one["text"], three["text"]) == ("one", "three")
    assert "ZeroDivisionError: nobody foresaw it" in crashed["error"]["message"]


def test_a_thread_that_dies_ends_the_batch(robot: Robot) -> None:
    robot.prompts("say one", "die", "say three")
    result = robot.run("-j", "1", timeout_s=60)
    assert result.returncode == 1
    assert b"a thread of the batch ended with SystemExit" in result.stderr
    assert robot.records()[0]["text"] == "one"


def test_half_a_character_in_an_answer_is_marked_as_such(robot: Robot) -> None:
    robot.prompts("half a word")
    assert robot.run().returncode == 0
    assert robot.records()[0]["text"] == "\ufffd a word"
    chat = robot.anything("chat", "-m", "robot/r2", "half a word")
    assert (chat.returncode, chat.stdout) == (0, "\ufffd a word\n".encode())
    assert b"not kept" not in chat.stderr
    shown = robot.anything("history", "search", "word", "--json")
    assert "\ufffd a word" in json.dumps(json.loads(shown.stdout), ensure_ascii=False)


def _remove(file: Path) -> None:
    file.unlink()


def _move(file: Path) -> None:
    file.rename(file.with_name("moved.jsonl"))


def _cut(file: Path) -> None:
    file.write_bytes(b"")


def _append_to(file: Path) -> None:
    with file.open("ab") as opened:
        opened.write(b"{}\n")


@pytest.mark.parametrize("change", [_remove, _move, _cut, _append_to])
@pytest.mark.parametrize("order", [(), ("--as-completed",)])
def test_an_output_that_somebody_else_changes_ends_the_batch(
    robot: Robot, change: Callable[[Path], None], order: tuple[str, ...]
) -> None:
    robot.prompts("say one", "wait 1 two", "wait 1 three")
    process = robot.start("-j", "1", *order)
    file = robot.folder / "answers.jsonl"
    assert becomes(lambda: file.exists() and file.stat().st_size > 0, 30)
    change(file)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2, said
    assert b"somebody else changed answers.jsonl" in said
    assert b"Traceback" not in said


@pytest.mark.parametrize(
    "change",
    [
        {"line": 0}, {"line": -1}, {"line": True}, {"line": 1.5}, {"line": "1"}, {"line": None},
        {"line": 10**12}, {"line": 10**30}, {"request": "f" * 17}, {"request": "-1"},
        {"request": 5}, {"request": "xyz"}, {"schema": 1},
    ],
)  # fmt: skip
def test_an_output_edited_by_hand_is_refused(robot: Robot, change: dict[str, Any]) -> None:
    robot.prompts("say one", "say two")
    robot.run()
    file = robot.folder / "answers.jsonl"
    first, second = robot.records()
    file.write_text(json.dumps(first) + "\n" + json.dumps({**second, **change}) + "\n")
    before = file.read_bytes()
    result = robot.run()
    assert result.returncode == 2, result.stderr
    assert b"no output of a batch (see its line 2)" in result.stderr
    assert file.read_bytes() == before


@pytest.mark.parametrize("order", [(), ("--as-completed",)])
def test_answers_to_lines_that_are_gone_are_said(robot: Robot, order: tuple[str, ...]) -> None:
    robot.prompts("say one", "say two", "say three")
    assert robot.run(*order).returncode == 0
    robot.prompts("say one", "say two")
    result = robot.run(*order)
    assert result.returncode == 2
    assert b"has an answer to line 3, and the input ends with line 2" in result.stderr
    assert len(robot.records()) == 3
