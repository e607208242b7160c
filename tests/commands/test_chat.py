"""`localai chat` in a pipe, driven as its user drives it, on the real engine."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from localai.output.documents.chat import Chat
from localai.paths import Paths
from localai.stores.starter import starter_path
from tests.support.clock import becomes
from tests.support.command import COMMAND, RunLocalai
from tests.support.promise import checked
from tests.support.thinking_template import THINKING_TEMPLATE
from tests.support.tool_template import gguf_with_template
from tests.support.weights import SYSTEM_PROMPT

PARIS = "What is the capital of France?"


@pytest.fixture
def starter_weights(smollm2_path: Path) -> Path:
    """Of a long story the one of fewer words is sooner at the end."""
    return smollm2_path


@pytest.fixture
def localai_home(warm_home: Path) -> Path:
    return warm_home


@pytest.fixture
def home(home_with_starter: Paths) -> Paths:
    return home_with_starter


def _messages(home: Paths) -> list[tuple[str, str, str | None]]:
    with sqlite3.connect(home.database) as db:
        return db.execute("SELECT role, text, finish_reason FROM message ORDER BY id").fetchall()


def test_a_question_is_answered_and_nothing_else_is_on_stdout(
    home: Paths, run_localai: RunLocalai
) -> None:
    result = run_localai("chat", PARIS)
    assert result.returncode == 0
    assert b"Paris" in result.stdout
    assert result.stdout.endswith(b"\n")
    assert not result.stdout.endswith(b"\n\n")
    assert b"\x1b" not in result.stdout


def test_stdin_comes_before_the_argument(home: Paths, run_localai: RunLocalai) -> None:
    run_localai("chat", "-q", "--max-tokens", "4", "Repeat the text.", input="the text\n")
    roles = [(role, text) for role, text, _ in _messages(home) if role == "user"]
    assert roles == [("user", "the text\n\nRepeat the text.")]


def test_quiet_says_nothing_on_stderr_and_usage_says_where(
    home: Paths, run_localai: RunLocalai
) -> None:
    assert run_localai("chat", "-q", "--max-tokens", "2", PARIS).stderr == b""
    told = run_localai("chat", "-u", PARIS).stderr.decode()
    assert len(told.splitlines()) == 1
    assert "tokens in" in told
    assert "device" in told
    all_of_it = run_localai("chat", "-uu", "--max-tokens", "2", PARIS).stderr.decode()
    assert "no network (kernel)" in all_of_it


def test_an_answer_cut_by_its_limit_says_so(home: Paths, run_localai: RunLocalai) -> None:
    result = run_localai("chat", "--max-tokens", "2", PARIS)
    assert b"cut at 2 tokens" in result.stderr


def test_an_answer_of_a_real_model_that_repeats_itself_is_stopped(
    home: Paths, run_localai: RunLocalai, smollm2_path: Path
) -> None:
    greedy = ("--temperature", "0", "--repeat-penalty", "0.7", "--max-tokens", "4k")
    own = ("-m", smollm2_path, "-s", SYSTEM_PROMPT, *greedy)
    result = run_localai("chat", *own, "--json", "Tell me a long story", timeout_s=300)
    document = json.loads(result.stdout)
    assert (result.returncode, document["finish_reason"]) == (0, "loop")
    assert 3000 <= len(document["text"]) < 8000
    assert document["locality"]["process"]["pid"] > 0
    shown = run_localai("history", "show").stdout
    assert b"(stopped: it repeated itself without end)" in shown


def test_a_model_thinks_in_at_most_so_many_tokens(
    home: Paths, run_localai: RunLocalai, smollm2_path: Path, tmp_path: Path
) -> None:
    thinker = gguf_with_template(tmp_path / "thinker.gguf", smollm2_path, THINKING_TEMPLATE)
    short = ("--temperature", "0", "--max-tokens", "40", "--json", "-n")
    asked = ("chat", "-m", thinker, *short, "Tell me a long story")
    whole = json.loads(run_localai(*asked, "--think", "on").stdout)
    assert (whole["text"], len(whole["reasoning"].split()) > 20) == ("", True)
    brief = json.loads(run_localai(*asked, "--think", "12").stdout)
    assert 1 <= len(brief["reasoning"].split()) <= 12
    assert whole["reasoning"].startswith(brief["reasoning"])
    assert brief["text"]
    marks = run_localai("chat", "-m", thinker, "--think", "12", "say <|im_end|>")
    assert (marks.returncode, b"special tokens" in marks.stderr) == (2, True)


def test_more_context_than_the_model_has_and_thinking_are_said_wherever_one_asks(
    home: Paths, run_localai: RunLocalai, laconic_path: Path
) -> None:
    asked = ("-m", "starter", "--ctx", "100k", "--think", "on", "--max-tokens", "1", "-n")
    chat = run_localai("chat", *asked, "hi")
    batch = run_localai("batch", "-", *asked[:-1], "-O", "-", input=b'{"prompt": "hi"}\n' * 3)
    compare = run_localai("compare", *asked[:-1], "-m", laconic_path, "hi")
    for result, models in ((chat, 1), (batch, 1), (compare, 2)):
        said = result.stderr.decode()
        assert said.count("was made for 8,192 tokens of context, not 102,400") == models, said
        assert said.count("is not known to think") == models, said
    document = json.loads(run_localai("chat", *asked, "--json", "hi").stdout)
    assert document["warnings"] == [
        "llamacpp/starter was made for 8,192 tokens of context, not 102,400",
        "starter is not known to think",
    ]


def test_an_answer_that_was_cut_goes_on_in_the_same_message(
    home: Paths, run_localai: RunLocalai
) -> None:
    question = "Tell me about the history of Paris in several sentences."
    whole = run_localai("chat", "--max-tokens", "40", question).stdout.strip()
    cut = run_localai("chat", "--max-tokens", "12", question)
    assert b"localai chat --more goes on, --max-tokens allows more" in cut.stderr
    rest = run_localai("chat", "--more", "--max-tokens", "28", "--json")
    document = json.loads(rest.stdout)
    joined = cut.stdout.decode().removesuffix("\n") + document["text"]
    assert joined == whole.decode()
    # All but the last token come from the kept state.
    assert document["usage"]["cached_tokens"] >= document["usage"]["input_tokens"] - 1
    answers = [text for role, text, _ in _messages(home) if role == "assistant"]
    assert answers == [whole.decode(), joined]
    shown = json.loads(run_localai("history", "show", "--json").stdout)["messages"]
    assert [each["text"] for each in shown if each["role"] == "assistant"] == [joined]


def test_a_whole_answer_does_not_go_on(home: Paths, run_localai: RunLocalai) -> None:
    nothing = run_localai("chat", "--more")
    assert nothing.returncode == 3
    run_localai("chat", PARIS)
    whole = run_localai("chat", "--more")
    assert (whole.returncode, b"the answer is whole" in whole.stderr) == (2, True)
    assert run_localai("chat", "--more", "and?").returncode == 2


def test_a_dry_run_shows_the_prompt_with_its_tokens_and_asks_nothing(
    home: Paths, run_localai: RunLocalai
) -> None:
    shown = run_localai("chat", "--dry-run", "--seed", "3", PARIS).stdout.decode()
    assert f"<|im_start|>user\n{PARIS}<|im_end|>\n<|im_start|>assistant" in shown
    dry = json.loads(run_localai("chat", "--dry-run", "--json", "--seed", "3", PARIS).stdout)
    assert not home.database.exists()
    asked = json.loads(run_localai("chat", "--json", "--seed", "3", PARIS).stdout)
    assert dry["counted_tokens"] == asked["usage"]["input_tokens"]
    assert dry["destination_host"] is None
    set_by = {each["option"]: (each["set_to"], each["set_by"]) for each in dry["request_options"]}
    assert set_by["seed"] == (3, "the command line")
    assert set_by["temperature"] == (0.0, "the model's publisher")
    assert "max_tokens" not in set_by
    assert [each["role"] for each in dry["request_messages"]] == ["system", "user"]


def test_json_is_one_document_with_the_promised_names(home: Paths, run_localai: RunLocalai) -> None:
    document = json.loads(run_localai("chat", "--json", PARIS).stdout)
    assert document["schema"] == "localai.chat/1"
    assert "Paris" in document["text"]
    assert document["zone"] == "device"
    assert document["finish_reason"] == "stop"
    assert document["usage"]["input_tokens"] > 10
    assert document["timings"]["clock"] == "server"
    assert document["locality"]["network_denied"] is True
    assert document["locality"]["process"]["pid"] > 1


def test_a_seed_makes_sampling_repeatable(home: Paths, run_localai: RunLocalai) -> None:
    def answer(seed: str) -> bytes:
        return run_localai(
            "chat", "-q", "-o", "temperature", "1.5", "--seed", seed, "--max-tokens", "20", "Tell."
        ).stdout

    assert answer("7") == answer("7")
    assert answer("7") != answer("8")


def test_a_file_by_path_answers_with_its_own_name(
    home: Paths, run_localai: RunLocalai, laconic_path: Path
) -> None:
    arguments = ("chat", "--json", "--max-tokens", "3", "-m", str(laconic_path), "hi")
    document = json.loads(run_localai(*arguments).stdout)
    assert document["model"] == str(laconic_path)


@pytest.mark.parametrize(
    ("arguments", "input", "code", "message"),
    [
        (["chat", "-m", "./none.gguf", "hi"], None, 3, "there is no file"),
        (["chat", "-m", "no-such-model", "hi"], None, 3, "no-such-model"),
        (["chat", "-m", "llamacpp/no-such", "hi"], None, 3, "no-such"),
        (["chat"], "", 2, "nothing to ask"),
        (["chat", "   "], None, 2, "nothing to ask"),
        (["chat"], b"\x00\x01", 2, "binary"),
        (["chat", "q"], b"caf\xe9", 2, "not UTF-8: byte 0xe9 at offset 3"),
        (["chat", "-o", "temprature", "1", "hi"], None, 2, "temprature"),
        (["chat", "-o", "temperature", "hot", "hi"], None, 2, "temperature must be"),
        (["chat", "-o", "temperature"], None, 2, "needs two values"),
        (["chat", "--max-tokens", "few", "hi"], None, 2, "max-tokens"),
        (["chat", "--max-tokens", "0", "hi"], None, 2, "max-tokens"),
        (["chat", "--ctx", "-5", "hi"], None, 2, "ctx"),
        (["chat", "--think", "hard", "hi"], None, 2, "--think takes"),
        (["chat", "--keep-alive", "soon", "hi"], None, 2, "--keep-alive"),
        (["chat", "--unknown", "hi"], None, 2, "--unknown"),
        (["chta"], None, 2, "no command 'chta'"),
    ],
)
def test_bad_input_has_its_exit_code_and_says_what(
    home: Paths,
    run_localai: RunLocalai,
    arguments: list[str],
    input: bytes | str | None,
    code: int,
    message: str,
) -> None:
    result = run_localai(*arguments, input=input)
    assert (result.returncode, message in result.stderr.decode()) == (code, True), result.stderr
    assert result.stdout == b""
    assert b"Traceback" not in result.stderr


def test_a_failure_with_json_is_a_document_with_the_same_exit_code(
    home: Paths, run_localai: RunLocalai
) -> None:
    result = run_localai("chat", "--json", "-m", "./none.gguf", "hi")
    document = json.loads(result.stdout)
    assert result.returncode == 3
    assert document["schema"] == "localai.chat/1"
    assert document["error"]["kind"] == "not_found"
    assert document["error"]["exit_code"] == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"GIF89a" + b"\0" * 100, "not a GGUF file"),
        (None, "truncated"),
    ],
)
def test_a_file_that_is_no_whole_model_is_refused(
    home: Paths,
    run_localai: RunLocalai,
    tmp_path: Path,
    laconic_path: Path,
    content: bytes | None,
    message: str,
) -> None:
    file = tmp_path / "bad.gguf"
    with laconic_path.open("rb") as whole:
        file.write_bytes(whole.read(3_000_000) if content is None else content)
    result = run_localai("chat", "-m", file, "hi")
    assert result.returncode == 2
    assert message in result.stderr.decode()


def test_without_a_model_the_hint_is_the_line_that_fetches_one(
    localai_home: Path, run_localai: RunLocalai
) -> None:
    result = run_localai("chat", "hi")
    assert result.returncode == 3
    assert b"localai pull starter" in result.stderr


def test_a_closed_pipe_ends_quietly(home: Paths, command_environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [*COMMAND, "chat", "Count from one to a hundred."],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=command_environment,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def _start_long_answer(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [*COMMAND, "chat", "Write a long story about the sea."],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None
    process.stdout.read(20)
    return process


def test_ctrl_c_gives_130_and_keeps_what_came(
    home: Paths, command_environment: dict[str, str]
) -> None:
    process = _start_long_answer(command_environment)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    role, text, finish = _messages(home)[-1]
    assert (role, finish) == ("assistant", "cancelled")
    assert text


def test_ctrl_c_with_json_prints_what_was_said_so_far(
    home: Paths, command_environment: dict[str, str]
) -> None:
    process = subprocess.Popen(
        [*COMMAND, "chat", "--json", "Write a long story about the sea."],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=command_environment,
    )

    def some_came() -> bool:
        with suppress(sqlite3.OperationalError):
            return any(role == "assistant" and text for role, text, _ in _messages(home))
        return False

    assert becomes(some_came, 60)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    document = checked(Chat, output)
    assert document["finish_reason"] == "cancelled"
    assert document["text"].startswith(_messages(home)[-1][1][:20])
    assert document["error"] is not None
    assert (document["error"]["kind"], document["error"]["exit_code"]) == ("interrupted", 130)
    assert document["conversation_id"]
    assert b"Traceback" not in errors


def test_a_killed_command_leaves_its_partial_answer_and_a_whole_database(
    home: Paths, command_environment: dict[str, str], run_localai: RunLocalai
) -> None:
    process = _start_long_answer(command_environment)
    time.sleep(1)
    process.kill()
    process.communicate()
    role, text, finish = _messages(home)[-1]
    assert (role, finish) == ("assistant", None)
    assert text
    with sqlite3.connect(home.database) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert run_localai("chat", "--max-tokens", "2", PARIS).returncode == 0


def test_no_log_keeps_nothing(home: Paths, run_localai: RunLocalai) -> None:
    cut = run_localai("chat", "-n", "--max-tokens", "2", PARIS)
    assert (cut.returncode, home.database.exists()) == (0, False)
    assert b"--max-tokens allows more" in cut.stderr
    assert b"--more" not in cut.stderr, "nothing is kept that could go on"


def test_a_database_that_cannot_be_written_does_not_cost_the_answer(
    home: Paths, run_localai: RunLocalai
) -> None:
    home.database.write_bytes(b"this is no database " * 1000)
    result = run_localai("chat", "--max-tokens", "16", PARIS)
    assert result.returncode == 0
    assert b"Paris" in result.stdout
    assert b"not kept" in result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to mount a small file system")
def test_a_full_disk_does_not_cost_the_answer(
    home: Paths, run_localai: RunLocalai, tmp_path: Path
) -> None:
    model = starter_path(home).resolve()
    script = (
        f"mount -t tmpfs -o size=64k none {home.database.parent} && "
        f"head -c 60k /dev/zero > {home.database.parent}/fill; "
        f"exec {sys.executable} -m localai chat -m {model}"
        f' -s "{SYSTEM_PROMPT}" -o temperature 0 --max-tokens 30 "{PARIS}"'
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run(
        ["unshare", "-m", "sh", "-c", script],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert b"Paris" in result.stdout
    assert b"not kept" in result.stderr


@pytest.mark.usefixtures("cold_engine")
def test_a_conversation_longer_than_the_context_grows_it_and_is_not_cut(
    home: Paths, run_localai: RunLocalai
) -> None:
    text = "The password is swordfish. " + "Nothing else matters here. " * 150
    arguments = ("chat", "--json", "--max-tokens", "8", "-n")
    environment = {"LOCALAI_ENGINE_CONTEXT": "512"}
    small = json.loads(run_localai(*arguments, "hi", env=environment).stdout)
    assert small["context_tokens"] == 512
    large = json.loads(run_localai(*arguments, text, env=environment).stdout)
    assert large["usage"]["input_tokens"] > 600
    assert large["context_tokens"] > large["usage"]["input_tokens"]


def test_what_exceeds_the_model_is_an_error_with_both_numbers(
    home: Paths, run_localai: RunLocalai
) -> None:
    result = run_localai("chat", "-n", input="one two three four " * 3000)
    assert result.returncode == 7
    assert b"the prompt has 12," in result.stderr
    assert b"8,192" in result.stderr


def test_a_context_given_by_hand_is_a_limit(home: Paths, run_localai: RunLocalai) -> None:
    result = run_localai("chat", "-n", "--ctx", "256", input="one two three four " * 100)
    assert result.returncode == 7
    assert b"256" in result.stderr


@pytest.mark.usefixtures("cold_engine")
def test_the_context_that_is_told_is_the_one_that_is_allocated(
    home: Paths, run_localai: RunLocalai
) -> None:
    """llama.cpp allocates whole steps of 256 tokens."""
    done = run_localai("chat", "-n", "--json", "--ctx", "100", "--max-tokens", "2", "hi")
    assert done.returncode == 0, done.stderr
    [worker] = json.loads(run_localai("ps", "--json").stdout)["workers"]
    assert worker["context_tokens"] == 256
    full = run_localai(
        "chat", "-n", "--ctx", "100", "-o", "provider.ignore_eos", "true", "Count to a thousand."
    )
    assert b"the context of 256 tokens is full" in full.stderr
    shown = json.loads(run_localai("show", "starter", "--ctx", "100", "--json").stdout)
    assert shown["memory"]["context_tokens"] == 256
