"""`localai compare` of one prompt, driven as its user drives it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from localai.output.documents.compare import Comparison
from localai.paths import Paths, locate
from tests.support.command import RunLocalai
from tests.support.ollama import OllamaServer
from tests.support.promise import checked
from tests.support.terminal import Terminal
from tests.support.weights import SYSTEM_PROMPT

Compare = Callable[..., subprocess.CompletedProcess[bytes]]
TWO = ("-m", "cast/good", "-m", "cast/bad")


@pytest.fixture
def compare(run_localai: RunLocalai, cast_environment: Mapping[str, str]) -> Compare:
    """`localai compare ARGUMENTS` with the cast installed."""

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        env = {**cast_environment, **options.pop("env", {})}
        return run_localai("compare", *arguments, env=env, **options)

    return run


@pytest.fixture
def on_terminal(
    pty: Callable[..., Terminal], cast_environment: Mapping[str, str]
) -> Callable[..., Terminal]:
    def start(*arguments: str, columns: int = 80, rows: int = 24) -> Terminal:
        return pty("compare", *arguments, columns=columns, rows=rows, env=cast_environment)

    return start


def test_into_a_pipe_goes_each_answer_under_its_model_and_then_the_table(compare: Compare) -> None:
    result = compare(*TWO, "what is 2 + 2? [4]")
    assert result.returncode == 0
    assert result.stderr == b""
    answers, _, table = result.stdout.decode().partition("model\t")
    assert answers == "## cast/good\n\n4\n\n## cast/bad\n\nno idea\n\n"
    head, *rows = table.splitlines()
    assert head.split("\t")[-1] == "zone"
    assert [row.split("\t")[0] for row in rows] == ["cast/good", "cast/bad"]
    assert [row.split("\t")[-1] for row in rows] == ["device", "device"]


def test_stdin_and_files_are_asked_as_in_chat(compare: Compare, tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("the file")
    log = tmp_path / "log"
    result = compare(*TWO, "-f", "f.txt", "why?", input="from stdin", env={"CAST_LOG": str(log)})
    assert result.returncode == 0
    assert log.read_text() == "good\tf.txt:\nbad\tf.txt:\n"


def test_the_document_has_the_answers_with_what_was_measured(compare: Compare) -> None:
    result = compare(*TWO, "x [4]", "--json")
    document = checked(Comparison, result.stdout)
    assert [case["model"] for case in document["cases"]] == ["cast/good", "cast/bad"]
    assert [case["outcome"] for case in document["cases"]] == ["answered", "answered"]
    first = document["cases"][0]["reply"]
    assert first is not None
    assert first["text"] == "4"
    assert first["first_visible_s"] is not None
    assert first["finish_reason"] == "stop"
    assert first["usage"] is not None and first["usage"]["output_tokens"] is not None
    assert first["timings"] is not None and first["timings"]["total_s"] is not None
    assert first["locality"] is not None and first["locality"]["zone"] == "device"
    assert document["models"][0]["tokens_per_s"] == {
        "value": 10.0,
        "low": None,
        "high": None,
        "samples": None,
    }
    model = document["models"][0]
    assert model["zone"] == "device"
    assert model["usage"] == first["usage"]
    assert (model["answered"], model["load_s"], model["memory_bytes"]) == (1, None, None)
    assert document["destinations"][1] == {
        "model": "cast/bad",
        "zone": "device",
        "host": None,
        "prompts": 1,
    }


@pytest.mark.parametrize(
    ("models", "code"),
    [([], 2), (["good"], 2), (["good", "good"], 2), ([str(n) for n in range(7)], 2)],
)
def test_it_takes_two_to_six_different_models(
    compare: Compare, models: list[str], code: int
) -> None:
    flags = [flag for model in models for flag in ("-m", f"cast/{model}")]
    result = compare(*flags, "x")
    assert result.returncode == code
    assert result.stdout == b""


def test_a_cloud_is_asked_only_where_it_was_allowed_and_that_is_said_before(
    compare: Compare, tmp_path: Path
) -> None:
    log = {"CAST_LOG": str(tmp_path / "log")}
    refused = compare("-m", "cast/good", "-m", "clouds/good", "x", env=log)
    assert refused.returncode == 4
    assert not (tmp_path / "log").exists(), "nobody was asked anything"
    allowed = compare("-m", "cast/good", "-m", "clouds/good", "x", "--allow-cloud", "-q", env=log)
    assert allowed.returncode == 0, allowed.stderr
    assert allowed.stderr.decode().splitlines() == [
        "the prompt goes to clouds.example.org (cloud), for clouds/good",
        "those for cast/good stay on this machine",
    ]


def test_what_one_model_fails_at_the_others_still_answer(compare: Compare) -> None:
    result = compare("-m", "cast/breaks", "-m", "cast/good", "x [4]")
    assert result.returncode == 5
    assert b"## cast/breaks\n\nhalf of\n\n[failed: the cast broke off]\n" in result.stdout
    assert b"## cast/good\n\n4\n" in result.stdout
    assert b"error: the cast broke off" in result.stderr
    document = checked(
        Comparison, compare("-m", "cast/refuses", "-m", "cast/good", "x", "--json").stdout
    )
    assert document["error"] is not None
    assert document["error"]["exit_code"] == 6
    assert [case["outcome"] for case in document["cases"]] == ["error", "answered"]


def test_a_cut_answer_is_said_to_be_cut(compare: Compare) -> None:
    result = compare("-m", "cast/cut", "-m", "cast/good", "x [4]")
    assert b"4 [cut at its limit]" in result.stdout
    document = checked(
        Comparison, compare("-m", "cast/cut", "-m", "cast/good", "x", "--json").stdout
    )
    assert [each["censored"] for each in document["models"]] == [1, 0]


def test_an_answer_that_repeats_itself_without_end_counts_as_cut(compare: Compare) -> None:
    result = compare("-m", "cast/loops", "-m", "cast/good", "x [4]")
    assert b"[stopped: it repeats itself without end]" in result.stdout
    document = checked(
        Comparison, compare("-m", "cast/loops", "-m", "cast/good", "x", "--json").stdout
    )
    assert [each["censored"] for each in document["models"]] == [1, 0]
    assert [case["outcome"] for case in document["cases"]] == ["censored", "answered"]


def test_differences_are_marked_without_any_colour(compare: Compare) -> None:
    result = compare("-m", "cast/good", "-m", "cast/slow", "x [one two six five]", "--diff")
    shown = result.stdout.decode()
    assert "cast/good → cast/slow" in shown
    assert "the first 8 of 16 and 23 characters are the same" in shown
    assert "one two [-six -]{+three four +}five" in shown


def test_the_usage_is_counted_unless_it_shall_not_be(
    compare: Compare, run_localai: RunLocalai
) -> None:
    compare(*TWO, "x", "--no-log")
    assert b"no calls" in run_localai("cost").stderr
    compare(*TWO, "x")
    totals = json.loads(run_localai("cost", "--json").stdout)["totals"]
    assert [each["group"] for each in totals] == ["cast/good", "cast/bad"]


# On a terminal


def test_answers_stand_beside_each_other_where_there_is_room(
    on_terminal: Callable[..., Terminal],
) -> None:
    terminal = on_terminal("-m", "cast/good", "-m", "cast/slow", "x [4]", columns=90)
    assert terminal.wait_exit() == 0
    lines = terminal.scrollback.splitlines()
    assert lines[0].split() == ["cast/good", "│", "cast/slow"]
    assert [part.strip() for part in lines[2].split("│")] == ["4", "one two three four five"]
    assert any(line.split()[:2] == ["model", "first"] for line in lines)


def test_answers_stand_below_each_other_where_there_is_none(
    on_terminal: Callable[..., Terminal],
) -> None:
    terminal = on_terminal("-m", "cast/good", "-m", "cast/slow", "x [4]", columns=50)
    assert terminal.wait_exit() == 0
    lines = terminal.scrollback.splitlines()
    heads = [number for number, line in enumerate(lines[:6]) if line.startswith("cast/")]
    assert [lines[number].split()[0] for number in heads] == ["cast/good", "cast/slow"]
    assert lines[heads[0] + 1] == "4"


def test_a_blind_vote_reveals_the_models_afterwards_and_is_kept(
    on_terminal: Callable[..., Terminal], localai_home: Path
) -> None:
    terminal = on_terminal("-m", "cast/good", "-m", "cast/bad", "x [4]", "--blind")
    terminal.wait_for("which is better?")
    assert "cast/" not in terminal.screen
    first_is_good = terminal.screen.index("no idea") > terminal.screen.index("── B ──")
    terminal.send("1" if first_is_good else "2")
    assert terminal.wait_exit() == 0
    assert f"{'A' if first_is_good else 'B'} is cast/good" in terminal.scrollback
    assert "cast/good 1, cast/bad 0, 0 alike" in terminal.scrollback
    file = locate().data_dir / "votes.jsonl"
    vote = json.loads(file.read_text())
    assert vote["winner"] == "cast/good"
    assert "x [4]" not in file.read_text(), "a vote does not keep what was asked"
    assert file.stat().st_mode & 0o077 == 0


def test_a_blind_vote_needs_a_person(compare: Compare) -> None:
    result = compare(*TWO, "x", "--blind")
    assert result.returncode == 2
    assert b"terminal" in result.stderr


def test_ctrl_c_ends_it_with_what_came_on_the_screen(
    on_terminal: Callable[..., Terminal],
) -> None:
    terminal = on_terminal("-m", "cast/slow", "-m", "cast/good", "x [4]", columns=90)
    terminal.wait_for("one")
    terminal.send("\x03")
    assert terminal.wait_exit() == 130
    assert "one" in terminal.scrollback


# On real models


def test_two_real_models_answer_one_after_the_other(
    home_with_starter: Paths, gemma3_path: Path, run_localai: RunLocalai
) -> None:
    result = run_localai(
        "compare",
        "-m",
        "starter",
        "-m",
        gemma3_path,
        "-s",
        SYSTEM_PROMPT,
        "--max-tokens",
        "12",
        "--json",
        "What is the capital of France?",
        timeout_s=240,
    )
    assert result.returncode == 0, result.stderr
    document = checked(Comparison, result.stdout)
    first, second = (case["reply"] for case in document["cases"])
    assert first is not None and second is not None
    assert "Paris" in first["text"]
    for answer in (first, second):
        assert answer["load_s"] is not None and answer["load_s"] > 0
        assert answer["memory_bytes"] is not None and answer["memory_bytes"] > 50e6
        assert answer["locality"] is not None and answer["locality"]["zone"] == "device"
    assert [each["cost"]["amount"] for each in document["models"]] == [0, 0]


def test_a_model_of_ollama_and_one_of_the_engine(
    home_with_starter: Paths, ollama_server: OllamaServer, run_localai: RunLocalai
) -> None:
    result = run_localai(
        *("compare", "-m", "ollama/smollm2:135m", "-m", "llamacpp/starter", "--json"),
        *("-s", SYSTEM_PROMPT, "--max-tokens", "12", "--option", "temperature", "0"),
        "What is the capital of France?",
        env={"OLLAMA_HOST": ollama_server.host},
        timeout_s=240,
    )
    assert result.returncode == 0, result.stderr
    document = checked(Comparison, result.stdout)
    assert [each["provider"] for each in document["models"]] == ["ollama", "llamacpp"]
    assert [each["zone"] for each in document["models"]] == ["device", "device"]
    for case in document["cases"]:
        assert case["reply"] is not None
        assert "Paris" in case["reply"]["text"]
        assert case["reply"]["first_visible_s"] is not None
