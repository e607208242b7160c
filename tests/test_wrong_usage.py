"""Wrong usages of hands that know other tools: each is answered with the line to type."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from localai.cli import app
from localai.commands.table import COMMANDS
from localai.paths import Paths
from tests.support.command import RunLocalai

# What was typed, and the line that is given.
MEANT = {
    # Typos
    "chta hi": "localai chat hi",
    "lsit": "localai list",
    "chat --modle=x hi": "localai chat --model=x hi",
    "chat --tempreature 0.5 hi": "localai chat --temperature 0.5 hi",
    "pull --dryrun starter": "localai pull --dry-run starter",
    "show --jsn x": "localai show --json x",
    "history serch x": "localai history search x",
    "history list --limits 3": "localai history list --limit 3",
    "config lst": "localai config list",
    "template shw review": "localai template show review",
    # One dash where there are two
    "chat -model x hi": "localai chat --model x hi",
    "chat -temperature=0.5 hi": "localai chat --temperature=0.5 hi",
    "list -json": "localai list --json",
    "history list -limit 3": "localai history list --limit 3",
    # Other tools' verbs
    "run qwen3:8b": "localai chat -m qwen3:8b",
    "ask what": "localai chat what",
    "models": "localai list",
    "remove qwen3:8b": "localai rm qwen3:8b",
    "history delete x": "localai history rm x",
    "preset rm x": "localai rm x",
    "preset delete x": "localai rm x",
    "chat --max 9 hi": "localai chat --max-tokens 9 hi",
    "config set engine.threads=4": "localai config set engine.threads 4",
    "-q list": "localai list",
    "-y list": "localai list --help",
    "config rm model": "localai config unset model",
    "config add model x": "localai config set model x",
    "config show model": "localai config get model",
    # Other tools' flags
    "chat --stream hi": "localai chat hi",
    "chat --temp 0.5 hi": "localai chat --temperature 0.5 hi",
    "chat --temp=0.5 hi": "localai chat --temperature=0.5 hi",
    "chat --max-new-tokens 9 hi": "localai chat --max-tokens 9 hi",
    "chat --num-ctx 8192 hi": "localai chat --ctx 8192 hi",
    "chat --system-prompt x hi": "localai chat --system x hi",
    "chat --image a.png what": "localai chat --attachment a.png what",
    "chat --reasoning-effort low hi": "localai chat --think low hi",
    "chat --prompt hi -m a": "localai chat -m a hi",
    "chat -v hi": "localai chat -u hi",
    "chat --verbose hi": "localai chat --usage hi",
    "chat --silent hi": "localai chat --quiet hi",
    "chat --format json hi": "localai chat --json hi",
    "chat -i": "localai chat",
    "list --format=json": "localai list --json",
    "list --verbose": "localai list --debug",
    "ps --quiet": "localai ps",
    "batch in.jsonl --out out.jsonl": "localai batch in.jsonl --output out.jsonl",
    "batch in.jsonl -o out.jsonl": "localai batch in.jsonl -O out.jsonl",
    "batch -o ./answers in.jsonl": "localai batch -O ./answers in.jsonl",
    "batch -o a.jsonl": "localai batch -O a.jsonl",
    "history export x -o x.md": "localai history export x --output x.md",
    "preset new mine -m qwen3:8b": "localai preset new mine --from qwen3:8b",
    "chat --temp 0.5 --n-predict 9 hi": "localai chat --temperature 0.5 --max-tokens 9 hi",
    "chat -ngl 99 hi": "localai config set engine.gpu_layers 99",
    "chat --threads=4 hi": "localai config set engine.threads 4",
    "hardware --gpu": "localai hardware --help",
    "runn starter": "localai chat -m starter",
    "create mine -f Modelfile": "localai preset new mine --modelfile Modelfile",
    # The wrong order
    "-m x chat hi": "localai chat hi -m x",
    "--json list": "localai list --json",
    "--verbose chat hi": "localai chat hi --usage",
    "-v": "localai --version",
    # A flag that was left out, or a word too many
    "quantize starter q8_0": "localai quantize starter --to q8_0",
    "stop": "localai stop --all",
    "show": "localai show --help",
    "list a b": "localai list --help",
    "version 2": "localai --version",
    "compare -n -m a": "localai compare --help",
}
# What was typed, and the hint that is given, where no whole line can be.
HINTED = {
    "show": "for example: localai show qwen3:8b",
    "cp a": "for example: localai cp qwen3:8b mine",
    "quantize starter": "for example: localai quantize ./model-f16.gguf --to q4_k_m",
    "chat -o answer.txt hi": "hint: an answer goes to stdout: > answer.txt",
    "chat -t 0.5 hi": "-t names a template: --temperature 0.5",
    "chat --ctx 8kb hi": "--ctx 8k",
    "chat --think much hi": "--think high",
    "recommend --task coding": "did you mean code?",
    "cost --since yesterday": "--since 30d",
    "chat -c --cid x hi": "give one of them",
    "chat -o temp=1 hi": "did you mean temperature?",
    "chat -m . hi": "is a folder, not a model file",
    "show --ctx 16kb x": "--ctx takes a whole number, such as 8192 or 8k, not '16kb'",
    "list --provider Ollama": "did you mean ollama",
    "compare --suite gsm8 -m a -m b": "did you mean gsm8k?",
    "config set models..temperature 1": "error: models..temperature names no model",
    "hardware --profile /etc/passwd": "hint: on the other machine: localai hardware --json",
    "config edit": "error: vi needs a terminal",
    "hardware --profile 4090": "did you mean rtx-4090?",
    "hardware --profile m3-max": "did you mean m3-max-64gb?",
    "hardware --profile rtx-4080": "did you mean rtx-4090?",
    "chat --keep-alive '5 minutes' hi": "must be a duration such as 90s, 5m or 1h",
    "chat --max-tokens -1 hi": "takes a whole number from 1 to",
    # A time without its unit, which was never meant as seconds
    "history prune --older-than 5": "must be a time with its unit, such as 30d or 12h, not '5'",
    "history search word --since 7": "--since 30d",
    "privacy --since 30": "must be a time with its unit",
    # Settings, as they were typed
    "config set engine.threads many": "error: engine.threads must be a whole number from 1 to 1024",
    "config set mdoel x": "error: there is no setting called 'mdoel'",
    # Nothing to do, and what is no file
    "serve": "nothing has to be started",
    "push x": "nothing is sent anywhere",
    "quantize": "error: localai quantize needs MODEL",
    # What is not there
    "rm no-such-model": "run: localai list",
    "compare report nofile": "run: ls .",
    "bench --engine nope": "--engine takes llamacpp, ollama",
    "bench --html no/such/page.html": "run: mkdir -p ",
    "compare new no/such/suite.toml": "run: mkdir -p ",
    "preset new mine": "run: localai preset new mine --from qwen3:8b",
    "pull ./nofile.gguf": "error: there is no file",
    "doctor --facts nofile": "error: there is no file 'nofile'",
    "bench --html .": "error: '.' is a folder",
    "compare report run.jsonl --html .": "error: '.' is a folder",
    "compare report run.jsonl --html no/such/page.html": "run: mkdir -p ",
}


@pytest.mark.parametrize("typed", MEANT)
def test_a_wrong_usage_is_answered_with_the_line_to_type(
    run_localai: RunLocalai, typed: str
) -> None:
    result = run_localai(*shlex.split(typed))
    assert result.returncode == 2, result.stderr
    said = json.loads(result.stdout)["error"] if result.stdout else None
    line = f"run: {MEANT[typed]}"
    assert said["command"] == MEANT[typed] if said else line in result.stderr.decode().splitlines()


@pytest.mark.parametrize("typed", HINTED)
def test_a_wrong_usage_without_a_line_has_a_hint(run_localai: RunLocalai, typed: str) -> None:
    result = run_localai(*shlex.split(typed))
    assert (result.returncode in (2, 3), result.stdout) == (True, b"")
    assert HINTED[typed] in result.stderr.decode()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("chat -n 128 hi", "-n keeps no record, and 128 is part of the question"),
        (
            "chat -c 4096 hi",
            "-c goes on, and 4096 is part of the question: did you mean --ctx 4096",
        ),
        ("chat -n hi 128", None),
        ("chat -n 128", None),
        ("chat 128 hi", None),
    ],
)
def test_a_number_behind_a_flag_that_takes_none_is_said(
    run_localai: RunLocalai, typed: str, said: str | None
) -> None:
    text = run_localai(*shlex.split(typed)).stderr.decode()
    assert said in text if said else "part of the question" not in text


def test_a_folder_for_the_output_is_not_said_to_be_the_input(
    home_with_starter: Paths, run_localai: RunLocalai, tmp_path: Path
) -> None:
    (tmp_path / "in.jsonl").write_text('{"prompt": "hi"}\n')
    result = run_localai("batch", "in.jsonl", "-O", "..", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"error: '..' is a folder" in result.stderr
    read = run_localai("batch", "..", "-O", "out.jsonl", cwd=tmp_path)
    assert (read.returncode, read.stdout) == (2, b"")
    assert b"error: '..' is a folder" in read.stderr


def test_a_program_that_is_not_there_is_said_when_it_is_set(run_localai: RunLocalai) -> None:
    result = run_localai("config", "set", "engine.binary", "/no/such/llama-server")
    assert result.returncode == 0
    assert b"warning: there is no program '/no/such/llama-server'" in result.stderr
    assert b"warning" not in run_localai("config", "set", "engine.binary", "sh").stderr


@pytest.mark.parametrize("command", [("chat", "hi"), ("bench",)])
def test_a_default_model_that_is_not_here_is_said_to_be_the_default(
    run_localai: RunLocalai, command: tuple[str, ...]
) -> None:
    result = run_localai(*command, env={"LOCALAI_MODEL": "no-such-model"})
    assert result.returncode == 3
    expected = "'no-such-model' on this machine; it is the default, by LOCALAI_MODEL"
    assert expected in result.stderr.decode()


ROOT: Any = get_command(app)


def _verbs() -> Iterator[tuple[str, Any]]:
    for row in COMMANDS:
        command = ROOT.get_command(None, row.name)
        yield row.name, command
        for verb, each in getattr(command, "commands", {}).items():
            yield f"{row.name} {verb}", each


def test_an_empty_word_in_the_place_of_a_name_is_said_wherever_one_is_taken(
    run_localai: RunLocalai,
) -> None:
    """`localai show "$model"` where the variable is not set."""
    for words, named in (
        (["show", ""], "localai list"),
        (["chat", "-m", "", "hi"], "localai list"),
        (["chat", "-m", "  ", "hi"], "localai list"),
        (["pull", ""], "localai list"),
        (["chat", "-t", "", "hi"], "localai chat --help"),
        (["chat", "--cid", "", "hi"], "localai chat --help"),
        (["compare", "--html", "", "hi"], "localai compare --help"),
        (["bench", "show", ""], "localai bench show --help"),
        (["stop", ""], "localai list"),
    ):
        refused = run_localai(*words)
        said = refused.stderr.decode()
        assert refused.returncode == 2, words
        assert " empty: it is to be " in said, words
        assert f"run: {named}" in said, words


def test_every_verb_that_asks_or_removes_can_be_quiet() -> None:
    gaps = []
    for name, command in _verbs():
        forms = {form for each in command.params for form in each.opts}
        acts = {"-y", "--dry-run"} & forms or name in ("cp", "stop")
        if acts and "-q" not in forms and name != "doctor":
            gaps.append(name)
    assert gaps == [], "doctor says all it has to say on stdout"


def test_a_wrong_value_gets_a_line_to_type(run_localai: RunLocalai) -> None:
    for words, line in (
        (["chat", "-o", "temperature", "hot", "hi"], "hint: such as -o temperature 0.7"),
        (["chat", "--temperature", "hot", "hi"], "hint: such as --temperature 0.7"),
        (["chat", "--max-tokens", "hot", "hi"], "hint: such as --max-tokens 500"),
        (["chat", "--keep-alive", "hot", "hi"], "hint: --keep-alive 5m"),
        (["privacy", "--since", "hot"], "hint: --since 30d"),
        (["config", "set", "engine.kv_type", "hot"], "run: localai config set engine.kv_type f16"),
        (
            ["config", "set", "engine.kv_limit", "hot"],
            "run: localai config set engine.kv_limit 4GB",
        ),
        (["config", "set", "engine.threads", "hot"], "run: localai config set engine.threads 4"),
    ):
        refused = run_localai(*words)
        assert refused.returncode == 2, words
        assert line in refused.stderr.decode(), words


def test_an_empty_word_is_no_command(run_localai: RunLocalai) -> None:
    result = run_localai("")
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"error: there is nothing to ask" in result.stderr


def test_a_file_in_a_hint_can_be_pasted(
    home_with_starter: Paths, run_localai: RunLocalai, tmp_path: Path
) -> None:
    (tmp_path / "a b.txt").write_text("one\ntwo\nthree\n")
    no_picture = run_localai("chat", "-a", "a b.txt", "hi", cwd=tmp_path)
    assert b"added by -f 'a b.txt'" in no_picture.stderr
    lines = run_localai("chat", "-f", "a b.txt:5-9", "hi", cwd=tmp_path)
    assert b"error: a b.txt has lines 1 to 3, and not 5-9" in lines.stderr
    assert b"hint: -f 'a b.txt':1-3" in lines.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="/proc takes no file, not even root's")
def test_a_named_file_that_cannot_be_written_is_named(run_localai: RunLocalai) -> None:
    result = run_localai("compare", "new", "/proc/suite.toml")
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"error: cannot write /proc/suite.toml: " in result.stderr


def test_an_address_that_is_none_is_said_when_it_is_set(run_localai: RunLocalai) -> None:
    result = run_localai("config", "set", "endpoint.a.url", "http://a b")
    assert (result.returncode, b"warning: endpoint.a.url" in result.stderr) == (0, True)
    assert b"warning" not in run_localai("config", "set", "ollama.host", "127.0.0.1:9").stderr
