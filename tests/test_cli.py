"""The command line's frame: help, version, completion, errors, where the kernel has no network."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localai import __version__, cli
from localai.commands.table import COMMANDS
from localai.paths import Paths, locate
from localai.stores.presets import Preset, write_preset
from tests.support.command import COMMAND, REPOSITORY, RunLocalai
from tests.support.terminal import Terminal


@pytest.fixture
def localai_home(warm_home: Path) -> Path:
    return warm_home


@pytest.mark.real_process
def test_help_groups_the_commands_with_an_example_each(run_localai: RunLocalai) -> None:
    text = run_localai("--help").stdout.decode()
    for row in COMMANDS:
        assert f"\n{row.group}\n" in text
        assert f"  {row.name} " in text
        assert f"$ {row.example}" in text


@pytest.mark.parametrize("name", [row.name for row in COMMANDS])
def test_every_command_has_help_and_ends_it_with_its_example(
    run_localai: RunLocalai, name: str
) -> None:
    result = run_localai(name, "--help")
    assert result.returncode == 0
    assert b"Example:" in result.stdout
    jargon = r"<(str|int|float|path|int range)>|x>=|<=x"
    assert not re.search(jargon, result.stdout.decode())


@pytest.mark.parametrize("group", ["", "bench", "compare", "config", "history", "preset"])
def test_a_narrow_screen_has_every_summary_whole(run_localai: RunLocalai, group: str) -> None:
    text = run_localai(*group.split(), "--help", env={"COLUMNS": "60"}).stdout.decode()
    whole = text.replace("[ARGS]...", "")
    assert "..." not in whole, "no sentence is cut"
    assert not any(len(line) > 60 for line in whole.splitlines() if " $ " not in line)
    if group:
        assert whole.splitlines()[2].strip(), "what the command is for"


@pytest.mark.parametrize("line", ["batch", "cp", "preset new", "config set", "history"])
def test_help_is_as_narrow_as_the_terminal(run_localai: RunLocalai, line: str) -> None:
    text = run_localai(*line.split(), "--help", env={"COLUMNS": "40"}).stdout.decode()
    assert not [each for each in text.splitlines() if len(each) > 40]
    assert re.search(r"-h, --help +Show this message", text), "its text begins beside it"


@pytest.mark.real_process
@pytest.mark.parametrize("asked", [["--version"], ["-V"], ["version"], ["--debug", "version"]])
def test_the_version_however_it_is_asked_for(run_localai: RunLocalai, asked: list[str]) -> None:
    assert run_localai(*asked).stdout == f"localai {__version__}\n".encode()


def test_windows_itself_is_told_where_localai_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_PLATFORM", "win32")
    assert cli.main(["chat", "hi"]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert "localai runs on Linux and macOS" in said.err
    assert "wsl --install" in said.err


@pytest.mark.parametrize(
    ("asked", "usage"),
    [
        ([], "Usage: localai [OPTIONS]"),
        (["-h"], "Usage: localai [OPTIONS]"),
        (["help"], "Usage: localai [OPTIONS]"),
        (["help", "pull"], "Usage: localai pull"),
        (["pull", "-h"], "Usage: localai pull"),
        (["help", "config", "set"], "Usage: localai config set"),
        (["config"], "Usage: localai config"),
        (["template"], "Usage: localai template"),
    ],
)
def test_help_is_no_error_however_it_is_asked_for(
    run_localai: RunLocalai, asked: list[str], usage: str
) -> None:
    result = run_localai(*asked)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.decode().startswith(usage)


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (["run", "qwen3:8b", "why is it so?"], "localai chat -m qwen3:8b 'why is it so?'"),
        (["models"], "localai list"),
        (["remove", "a", "b"], "localai rm a b"),
        (["delete", "a"], "localai rm a"),
        (["ask", "why?"], "localai chat 'why?'"),
        (["info", "a"], "localai show a"),
        (["download", "a"], "localai pull a"),
        (["upgrade", "a"], "localai pull a"),
        (["lst", "--json"], "localai list --json"),
        (["history", "delete", "4a7c"], "localai history rm 4a7c"),
        (["config", "sett", "model", "a"], "localai config set model a"),
        (["-m", "a", "why?"], "localai chat -m a 'why?'"),
    ],
)
def test_a_verb_of_another_tool_is_answered_with_the_line_to_type(
    run_localai: RunLocalai, typed: list[str], line: str
) -> None:
    result = run_localai(*typed)
    assert result.returncode == 2
    said = result.stdout if "--json" in typed else result.stderr
    assert line in said.decode()


@pytest.mark.parametrize(
    ("typed", "said", "line"),
    [
        (["chat", "-o"], "-o needs two values: KEY VALUE, or KEY=VALUE", "localai chat --help"),
        (["preset", "new", "--shot", "a"], "--shot needs two values", "localai preset new --help"),
        (
            ["chat", "--logprobs", "50", "x"],
            "takes a whole number (0 to 20), not '50'",
            "localai chat --help",
        ),
        (
            ["chat", "--logprobs", "x", "x"],
            "takes a whole number (0 to 20), not 'x'",
            "localai chat --help",
        ),
        (["list", "a", "b"], "localai list does not take: a b", "localai list --help"),
        (["show"], "localai show needs MODEL", "localai show --help"),
        (
            ["chat", "--modell", "x"],
            "localai chat has no option --modell",
            "localai chat --model x",
        ),
        (["config", "set", "model"], "localai config set needs VALUE", "localai config set --help"),
        (["list", "--provider"], "--provider needs a value", "localai list --help"),
        (["chat", "--quiet=3", "x"], "--quiet takes no value", "localai chat --help"),
        (
            ["config", "set", "engine.threads", "-3"],
            "-3 is read as an option: a value that begins with a dash comes after --",
            "localai config set -- engine.threads -3",
        ),
    ],
)
def test_what_was_wrong_with_a_command_line_is_said_in_words(
    run_localai: RunLocalai, typed: list[str], said: str, line: str
) -> None:
    result = run_localai(*typed)
    assert result.returncode == 2
    assert said in result.stderr.decode()
    assert line in result.stderr.decode()


@pytest.mark.real_process
def test_a_question_needs_no_verb(home_with_starter: Paths, run_localai: RunLocalai) -> None:
    asked = run_localai("What is the capital of France?", "--json")
    assert "Paris" in json.loads(asked.stdout)["text"]
    failed = run_localai("What is the capital of France?", "-m", "no-such", "--json")
    assert failed.returncode == 3
    assert json.loads(failed.stdout)["schema"] == "localai.chat/1"


@pytest.fixture
def on_path(command_environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """An environment in which the shells find `localai`, and a home with models of odd names."""
    program = tmp_path / "bin" / "localai"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    program.chmod(0o755)
    paths = locate()
    paths.models_dir.mkdir(parents=True)
    for name in ("my model", "it's one", "a:b1", "a:b2", "do$l`r", "new\nline"):
        (paths.models_dir / f"{name}.gguf").touch()
    write_preset(Preset("brief", "my model"), paths)
    paths.config_file.write_text('model = "brief"\n\n[models.brief]\ntop_k = 5\n')
    return {**command_environment, "PATH": f"{program.parent}:{os.environ['PATH']}"}


def shell_says(environment: dict[str, str], shell: str, *script: str) -> list[str]:
    ran = subprocess.run(
        [shell, *script],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return ran.stdout.decode().splitlines()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_accepted_by_its_shell(
    run_localai: RunLocalai, shell: str
) -> None:
    script = run_localai("completion", shell).stdout
    assert b"_LOCALAI_COMPLETE" in script
    if shutil.which(shell):
        checked = subprocess.run([shell, "-n"], input=script, capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("line", "replies"),
    [
        ("localai p", ["preset", "pull", "ps", "privacy"]),
        ("localai chat -m my", ["my\\ model"]),
        ("localai chat -m 'my", ["my model"]),
        ('localai chat -m "do', ["do\\$l\\`r"]),
        ("localai show it", ["it\\'s\\ one"]),
        # bash takes the colon for the end of a word.
        ("localai show a:", ["b1", "b2"]),
        ("localai chat --model=my", ["my\\ model"]),
        ("localai chat -o temp", ["temperature="]),
        ("localai chat -t translate -p ton", ["tone="]),
        ("localai config set history.record ", ["true", "false"]),
        ("localai show new", []),
        ("localai chat --thi", ["--think"]),
        # What a name means in this command, and not elsewhere.
        ("localai preset edit ", ["brief"]),
        ("localai preset new x --from my", ["my\\ model"]),
        ("localai template edit rev", ["review"]),
        ("localai bench --profile s", ["summarise"]),
        ("localai hardware --profile l", ["laptop-16gb"]),
        ("localai bench --kv q", ["q8_0", "q4_0"]),
        ("localai bench show ", []),
        ("localai doctor disk-f", ["disk-full"]),
        ("localai compare fetch gs", ["gsm8k"]),
        ("localai compare --judge a", ["auto", "a:b1", "a:b2"]),
        ("localai config set engine.kv_type b", ["bf16"]),
        # A model's settings come once they are asked for.
        ("localai config set mod", ["model"]),
        ("localai config set models.brief.te", ["models.brief.temperature"]),
        ("localai config unset ", ["model", "models.brief", "models.brief.top_k"]),
        ("localai help pri", ["privacy"]),
    ],
)
def test_bash_completes_values_as_they_are_typed(
    on_path: dict[str, str], line: str, replies: list[str]
) -> None:
    script = (
        'eval "$(localai completion bash)"; COMP_LINE=$1 COMP_POINT=${#1} _localai 2>/dev/null;'
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    assert [
        each for each in shell_says(on_path, "bash", "-c", script, "-", line) if each
    ] == replies


def test_fish_completes_values(on_path: dict[str, str]) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not here")
    script = "localai completion fish | source; complete -C '{}'"

    def completed(line: str) -> list[str]:
        said = shell_says(on_path, "fish", "--no-config", "-c", script.format(line))
        return [each.split("\t")[0] for each in said]

    assert completed("localai chat -m my") == ["my model"]
    assert sorted(completed("localai show a:")) == ["a:b1", "a:b2"]
    assert completed("localai chat -o temp") == ["temperature="]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
def test_a_meaning_that_is_wider_than_zshs_window_is_cut(on_path: dict[str, str]) -> None:
    script = (
        'compdef() {}; compadd() { print -rl -- "${shown[@]}" }; eval "$(localai completion zsh)";'
        " COLUMNS=30; words=(localai config get history.); CURRENT=4; _localai"
    )
    said = shell_says(on_path, "zsh", "-f", "-c", script)
    assert "history.record    keep conve" in said
    assert all(len(line) < 30 for line in said)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
def test_all_commands_stand_in_a_zsh_window_of_twenty_rows(
    pty: Callable[..., Terminal], on_path: dict[str, str]
) -> None:
    environment = {"PATH": on_path["PATH"], "PS1": "zsh> "}
    zsh = pty(command=("zsh", "-f"), env=environment, columns=100, rows=20)
    zsh.wait_for("zsh>")
    zsh.send('autoload -U compinit; compinit -u -D; eval "$(localai completion zsh)"; clear\r')
    zsh.wait_until(lambda: zsh.screen == "zsh>", "not cleared", 30)
    zsh.send("localai \t")
    zsh.wait_for("template    Questions")
    prompt, first, *_ = zsh.screen.splitlines()
    assert prompt == "zsh> localai"
    assert first.startswith("batch       Answer every line of a file.       ")
    assert "  list        List every model on this" in first


def test_values_come_with_their_meaning(on_path: dict[str, str]) -> None:
    asked = {**on_path, "_LOCALAI_COMPLETE": "zsh"}
    assert shell_says(asked, "localai", "chat", "-m", "my") == ["my model\tlocalai"]
    assert shell_says(asked, "localai", "chat", "-f", "x") == ["files"]
    (found,) = shell_says(asked, "localai", "config", "get", "history.r")
    assert found == "history.record\tkeep conversations on this machine"
    Path(locate().config_file).write_text("broken")
    assert shell_says(asked, "localai", "chat", "-m", "x") == [""]


def test_an_unknown_shell_is_refused(run_localai: RunLocalai) -> None:
    assert run_localai("completion", "tcsh").returncode == 2


def test_a_bug_is_a_short_message_and_debug_shows_the_traceback(
    command_environment: dict[str, str],
) -> None:
    broken = (
        "import sys, localai.commands.ps as ps; ps.workers = lambda paths: 1 / 0;"
        "from localai.cli import main; sys.exit(main(sys.argv[1:]))"
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-c", broken, *arguments]
        return subprocess.run(command, env=command_environment, capture_output=True, check=False)

    short = run("ps")
    assert short.returncode == 1
    assert b"this is a bug in localai: ZeroDivisionError" in short.stderr
    assert b"Traceback" not in short.stderr
    assert b"Traceback" in run("ps", "--debug").stderr


@pytest.mark.real_process
def test_ctrl_c_during_the_first_imports_is_no_traceback(
    run_localai: RunLocalai, tmp_path: Path
) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt\n")
    result = run_localai("list", env={"PYTHONPATH": f"{tmp_path}:{REPOSITORY}"})
    assert (result.returncode, result.stdout, result.stderr) == (130, b"", b"")


def test_ctrl_c_while_python_itself_ends_is_no_traceback() -> None:
    program = (
        "import os, signal; from localai.__main__ import main; main();"
        "os.kill(os.getpid(), signal.SIGINT)"
    )
    arguments = [sys.executable, "-c", program, "--version"]
    ended = subprocess.run(arguments, cwd=REPOSITORY, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, b"")


def test_a_config_error_stops_the_command_with_the_place(
    run_localai: RunLocalai, localai_home: os.PathLike[str]
) -> None:
    with open(f"{os.fspath(localai_home)}/config.toml", "w") as file:  # noqa: PTH123
        file.write("[engine]\nslots = 'many'\n")
    result = run_localai("chat", "hi")
    assert result.returncode == 2
    assert b"config.toml:2: engine.slots must be" in result.stderr


@pytest.mark.real_process
def test_a_read_only_home_is_an_error_that_says_what_to_do(
    run_localai: RunLocalai, laconic_path: os.PathLike[str]
) -> None:
    # /proc cannot be written even by root.
    result = run_localai("chat", "-m", os.fspath(laconic_path), "hi", env={"LOCALAI_HOME": "/proc"})
    assert result.returncode == 2
    assert b"set LOCALAI_HOME" in result.stderr


@pytest.mark.usefixtures("cold_engine")
def test_the_whole_command_works_where_there_is_no_network_at_all(
    home_with_starter: Paths, command_environment: dict[str, str]
) -> None:
    result = subprocess.run(
        ["unshare", "-rn", *COMMAND, "chat", "--json", "What is the capital of France?"],
        env=command_environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    assert "Paris" in json.loads(result.stdout)["text"]


@pytest.mark.real_process
@pytest.mark.usefixtures("cold_engine")
def test_airgap_answers_too_and_may_stand_anywhere(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    question = "What is the capital of France?"
    for arguments in (["--airgap", "chat", "-n", question], ["chat", "-n", question, "--airgap"]):
        result = run_localai(*arguments)
        assert result.returncode == 0, result.stderr
        assert b"Paris" in result.stdout


@pytest.mark.usefixtures("cold_engine")
def test_ps_and_stop_tell_what_is_in_memory(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    assert json.loads(run_localai("ps", "--json").stdout)["workers"] == []
    run_localai("chat", "-n", "--max-tokens", "2", "hi")
    (worker,) = json.loads(run_localai("ps", "--json").stdout)["workers"]
    assert (worker["model"], worker["context_tokens"]) == ("starter", 4096)
    assert worker["memory_bytes"] > 50_000_000
    assert 0 < worker["unloads_in_s"] <= 300
    assert worker["network_denied"] is True
    assert b"starter" in run_localai("ps").stdout
    assert run_localai("stop", "no-such").returncode == 3
    assert run_localai("stop").returncode == 2
    assert run_localai("stop", "starter").returncode == 0
    assert json.loads(run_localai("ps", "--json").stdout)["workers"] == []


@pytest.mark.real_process
def test_privacy_tells_the_policy_what_could_talk_and_what_left(run_localai: RunLocalai) -> None:
    environment = {"OPENAI_API_KEY": "sk-not-shown", "HTTPS_PROXY": "http://proxy.example:8080"}
    result = run_localai("privacy", "--json", env=environment)
    document = json.loads(result.stdout)
    assert document["schema"] == "localai.privacy/1"
    assert {"what": "prompts to clouds", "rule": "never"} in document["policy"]
    found = {finding["what"]: finding["state"] for finding in document["findings"]}
    assert found["OPENAI_API_KEY in the environment"] == "held"
    assert found["HTTPS_PROXY in the environment"] == "held"
    assert document["egress"] == []
    assert b"sk-not-shown" not in result.stdout + result.stderr


def test_config_round_trip_on_the_command_line(run_localai: RunLocalai) -> None:
    assert run_localai("config", "set", "engine.keep_alive", "10m").returncode == 0
    assert run_localai("config", "get", "engine.keep_alive").stdout == b"10m\n"
    settings = json.loads(run_localai("config", "list", "--json").stdout)["settings"]
    (setting,) = [each for each in settings if each["key"] == "engine.keep_alive"]
    assert setting["origin"] == "file"
    assert run_localai("config", "unset", "engine.keep_alive").returncode == 0
    assert run_localai("config", "get", "engine.keep_alive").stdout == b"5m\n"
    assert run_localai("config", "set", "engine.keep_alive", "soon").returncode == 2


# The arguments are parsed once: only a real flag is one.


def test_json_after_two_dashes_is_a_word_of_the_prompt(run_localai: RunLocalai) -> None:
    result = run_localai("chat", "-m", "no-such-model", "--", "--json")
    assert result.returncode == 3
    assert result.stdout == b""
    assert b"error:" in result.stderr


@pytest.mark.parametrize("arguments", [["nosuch"], ["history", "nosuch"], ["--nosuch"]])
def test_what_stands_behind_two_dashes_is_no_flag_of_what_cannot_be_parsed(
    run_localai: RunLocalai, arguments: list[str]
) -> None:
    assert run_localai(*arguments, "--", "--json").stdout == b""
    assert json.loads(run_localai(*arguments, "--json").stdout)["error"]["exit_code"] == 2


def test_the_value_of_an_option_is_no_flag(run_localai: RunLocalai) -> None:
    result = run_localai("chat", "-m", "no-such-model", "-s", "--debug", "hi")
    assert result.returncode == 3
    assert b"Traceback" not in result.stderr
    result = run_localai("chat", "-m", "no-such-model", "-s", "--json", "hi")
    assert result.stdout == b""


def test_the_value_of_an_option_reaches_the_model(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    result = run_localai("chat", "--max-tokens", "2", "-s", "--debug", "hi")
    assert result.returncode == 0
    (conversation,) = json.loads(run_localai("history", "export", "--all", "--json").stdout)[
        "conversations"
    ]
    assert conversation["messages"][0]["text"] == "--debug"


def test_a_misspelt_command_is_not_taken_for_the_next_word(run_localai: RunLocalai) -> None:
    result = run_localai("nosuch", "list", "--json")
    assert result.returncode == 2
    document = json.loads(result.stdout)
    assert document["schema"] == "localai.localai/1"
    assert document["error"]["message"] == "there is no command 'nosuch'"


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--json", "--nosuch"],
        ["list", "--nosuch", "--json"],
        ["ls", "--json", "one too many"],
        ["list", "--json", "--provider"],
    ],
)
def test_arguments_that_cannot_be_parsed_are_a_document_too(
    run_localai: RunLocalai, arguments: list[str]
) -> None:
    result = run_localai(*arguments)
    assert result.returncode == 2
    document = json.loads(result.stdout)
    assert document["schema"] == "localai.list/1"
    assert document["error"]["exit_code"] == 2


def test_a_subcommand_that_fails_is_a_document_of_its_command(run_localai: RunLocalai) -> None:
    result = run_localai("history", "show", "nosuch", "--json")
    assert result.returncode == 3
    assert json.loads(result.stdout)["schema"] == "localai.history/1"
    assert run_localai("history", "show", "--", "--json").stdout == b""


def test_debug_may_stand_anywhere(run_localai: RunLocalai) -> None:
    for arguments in (["--debug", "show", "nosuch"], ["history", "show", "--debug", "nosuch"]):
        result = run_localai(*arguments)
        assert result.returncode == 3
        assert b"Traceback" in result.stderr


# The streams


def _sh(
    environment: dict[str, str], line: str, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """A line of a shell in which `localai` is the command."""
    command = shlex.join(COMMAND)
    return subprocess.run(
        ["bash", "-c", line.replace("localai", command, 1)],
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
        **options,
    )


def test_a_command_without_data_succeeds_without_a_stdout(
    command_environment: dict[str, str], localai_home: Path
) -> None:
    done = _sh(command_environment, "localai config set engine.context 8192 >&-")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "8192" in (localai_home / "config.toml").read_text()


@pytest.mark.parametrize("closed", ["2>&-", "<&-", "2>/dev/full", "<&- 2>&-"])
def test_data_arrive_whatever_becomes_of_the_other_streams(
    command_environment: dict[str, str], closed: str
) -> None:
    done = _sh(command_environment, f"localai config path {closed}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(b"config.toml\n") and done.stdout.count(b"\n") == 1


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize("arguments", ["config get nothing", "--json config get nothing", "wrong"])
def test_no_message_changes_its_stream(
    command_environment: dict[str, str], closed: str, arguments: str
) -> None:
    done = _sh(command_environment, f"localai {arguments} {closed}")
    assert done.returncode == 2
    assert done.stdout == b""


@pytest.mark.parametrize(
    ("where", "code", "said"),
    [
        (">/dev/full", 7, b"error: cannot use the output: No space left on device"),
        (">&-", 2, b"error: cannot use the output: Bad file descriptor"),
    ],
)
@pytest.mark.parametrize(
    "arguments", ["config list", "config list --json", "--version", "--help", "completion bash"]
)
def test_data_that_could_not_be_written_are_an_error(
    command_environment: dict[str, str], where: str, code: int, said: bytes, arguments: str
) -> None:
    done = _sh(command_environment, f"localai {arguments} {where}")
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr and b"bug" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert done.stderr.startswith(said)


@pytest.mark.parametrize(
    "arguments", ["chat '{}'", "config set model '{}'", "history search '{}'", "list -m '{}'"]
)
def test_an_argument_that_is_not_utf8_is_said(
    command_environment: dict[str, str], arguments: str
) -> None:
    given = arguments.replace("'{}'", "$'caf\\xe9'")
    done = _sh(command_environment, f"localai {given}")
    assert done.returncode == 2
    assert b"is not UTF-8" in done.stderr
