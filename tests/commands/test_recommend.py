"""`localai recommend` as it is typed: on terminals of two widths, in a pipe, for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localai.database import Database
from localai.events import Locality, Timings, Usage
from localai.paths import locate
from localai.recommend.catalogue import catalogue_date
from localai.types import Zone
from tests.support.command import RunLocalai
from tests.support.terminal import Terminal

pytestmark = pytest.mark.usefixtures("used_home")


@pytest.mark.parametrize("columns", [60, 80, 110])
def test_the_choice_fits_the_terminal_and_ends_with_a_line_to_paste(
    localai_home: Path, pty: Callable[..., Terminal], columns: int
) -> None:
    terminal = pty("recommend", "--profile", "rtx-4090", columns=columns, rows=60)
    assert terminal.wait_exit() == 0
    lines = [line.rstrip() for line in terminal.screen.splitlines() if line.strip()]
    assert lines[-1].startswith("localai pull ")
    assert "tok/s" in terminal.screen and "speed from" in terminal.screen
    assert "from the catalogue of 20" in terminal.screen
    assert any("gemma4:31b" in line for line in lines)


def test_a_pipe_gets_a_table_and_nothing_else(localai_home: Path, run_localai: RunLocalai) -> None:
    result = run_localai("recommend", "--profile", "m2-8gb", "--task", "code", "--all")
    header, *rows = result.stdout.decode().splitlines()
    assert header.split("\t")[:2] == ["model", "speed"]
    assert all(len(row.split("\t")) == len(header.split("\t")) for row in rows)
    assert [row.split("\t")[7] for row in rows] == sorted(
        (row.split("\t")[7] for row in rows), reverse=True
    )
    assert result.stderr.decode().splitlines()[-1].startswith("localai pull qwen3.5:4b")


def test_a_program_gets_every_fact_with_its_source(
    localai_home: Path, run_localai: RunLocalai
) -> None:
    result = run_localai("recommend", "--profile", "m3-max-64gb", "--task", "vision", "--json")
    document = json.loads(result.stdout)
    assert document["schema"] == "localai.recommend/1" and document["task"] == "vision"
    assert document["catalogue_date"] == str(catalogue_date())
    for model in document["recommendations"]:
        facts = {source["fact"] for source in model["sources"]}
        assert {"license", "context", "size"} <= facts
        assert model["memory"]["basis"] == "formula"
        assert model["memory"]["context_tokens"] == min(8192, model["context_limit_tokens"])
        speed = model["speed"]
        if speed["low_tokens_per_s"] is not None:
            assert (
                speed["low_tokens_per_s"]
                < speed["expected_tokens_per_s"]
                < speed["high_tokens_per_s"]
            )


def test_an_unknown_task_or_profile_is_refused(localai_home: Path, run_localai: RunLocalai) -> None:
    wrong = run_localai("recommend", "--task", "poetry")
    assert wrong.returncode == 2 and b"embed" in wrong.stderr
    assert run_localai("recommend", "--profile", "nowhere").returncode == 3
    assert run_localai("recommend", "-l", "0").returncode == 2
    few = json.loads(run_localai("recommend", "-l", "2", "--profile", "m2-8gb", "--json").stdout)
    assert len(few["recommendations"]) == 2


def test_what_ollama_has_is_marked_and_its_answers_count(
    localai_home: Path, run_localai: RunLocalai, ollama_server: Any
) -> None:
    database = Database(locate().database)
    database.record_usage(
        command="chat",
        provider="ollama",
        model="qwen3:8b",
        usage=Usage(input_tokens=20, output_tokens=80),
        timings=Timings(decode_tokens=79, decode_s=79 / 23),
        locality=Locality(Zone.DEVICE, "test"),
    )
    database.close()
    models = {"OLLAMA_MODELS": str(ollama_server.models)}
    document = json.loads(run_localai("recommend", "--json", env=models).stdout)
    by_name = {model["base_model"]: model for model in document["recommendations"]}
    assert by_name["qwen3:8b"]["installed"]
    assert not by_name["qwen3:4b"]["installed"]
    speed = by_name["qwen3:8b"]["speed"]
    if by_name["qwen3:8b"]["fits"]:
        assert speed["confidence"] == "measured" and "on this machine" in speed["basis"]
    elsewhere = run_localai("recommend", "--json", "--profile", "m2-8gb", env=models)
    assert not any(model["installed"] for model in json.loads(elsewhere.stdout)["recommendations"])
