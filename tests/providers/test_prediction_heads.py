"""Drafts from a model's own layers (`engine.draft = "mtp"`), which engines really compute."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from localai.engine.worker_files import files_for
from localai.net.http import call
from localai.paths import Paths, locate
from tests.support.command import RunLocalai
from tests.support.scripted_model import QWEN35, QWEN35_WITH_HEAD, write_scripted
from tests.support.weights import require

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MARKS = ("<|im_start|>", "<|im_end|>")
STORY = "A cat lived in Paris, and what its name was nobody there ever knew or asked."
MTP = {"LOCALAI_ENGINE_DRAFT": "mtp"}
OFF = {"LOCALAI_ENGINE_DRAFT": "off"}
ASK = ("chat", "--temperature", "0", "--ctx", "1024", "--json")


@pytest.fixture
def with_head(tmp_path: Path) -> Path:
    """A hybrid model as Qwen 3.6's files are, of which a layer predicts what comes after next."""
    file = tmp_path / "with-head.gguf"
    return write_scripted(file, STORY, template=TEMPLATE, marks=MARKS, spec=QWEN35_WITH_HEAD)


def drafts_of(paths: Paths, model: Path) -> dict[str, Any]:
    """What the warm worker of `model` says of an answer's drafts."""
    socket = files_for(paths, "llamacpp", str(model)).socket
    question = {"messages": [{"role": "user", "content": "hello"}], "temperature": 0}
    timings: dict[str, Any] = call(socket, "POST", "/v1/chat/completions", question)["timings"]
    return timings


@pytest.mark.parametrize("engine", ["bundled", "llama-server"])
def test_a_models_own_layers_draft_what_it_says(
    localai_home: Path, run_localai: RunLocalai, with_head: Path, engine: str
) -> None:
    binary = {"LOCALAI_ENGINE_BINARY": str(require("llama-server"))}
    environment = MTP if engine == "bundled" else MTP | binary
    asked = run_localai(*ASK, "-m", with_head, "hello", env=environment)
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["text"] == STORY
    timings = drafts_of(locate(), with_head)
    # The head of this model is right, but for the end: of three tokens a step, most are taken.
    assert timings["draft_n_accepted"] > timings["predicted_n"] / 2
    run_localai("stop", "--all")
    without = run_localai(*ASK, "-m", with_head, "hello", env=environment | OFF)
    assert json.loads(without.stdout)["text"] == STORY
    assert "draft_n" not in drafts_of(locate(), with_head)


def test_a_conversation_goes_on_from_the_disk_with_drafts(
    localai_home: Path, run_localai: RunLocalai, with_head: Path
) -> None:
    first = run_localai(*ASK, "-m", with_head, "hello " * 60, env=MTP)
    assert json.loads(first.stdout)["text"] == STORY
    run_localai("stop", "--all")
    second = run_localai(*ASK, "-m", with_head, "--continue", "And then?", env=MTP)
    assert second.returncode == 0, second.stderr
    answer = json.loads(second.stdout)
    assert answer["text"] == STORY
    assert answer["usage"]["cached_tokens"] > 300


def test_show_says_whether_a_model_has_such_layers(
    localai_home: Path, run_localai: RunLocalai, tmp_path: Path, with_head: Path
) -> None:
    without = write_scripted(tmp_path / "none.gguf", STORY, template=TEMPLATE, spec=QWEN35)
    for model, has in ((with_head, True), (without, False)):
        document = json.loads(run_localai("show", model, "--json").stdout)
        assert document["predicts_ahead"] is has
        shown = run_localai("show", model).stdout
        assert (b"layers that predict ahead (engine.draft mtp)" in shown) is has


def test_a_model_without_such_layers_is_refused_before_it_is_loaded(
    localai_home: Path, run_localai: RunLocalai, tmp_path: Path
) -> None:
    model = write_scripted(tmp_path / "none.gguf", STORY, template=TEMPLATE, spec=QWEN35)
    asked = run_localai("chat", "-m", model, "hello", env=MTP)
    assert asked.returncode == 2
    assert b"has no layers that predict several tokens, and engine.draft is mtp" in asked.stderr
    assert b"localai config set engine.draft lookup" in asked.stderr
    assert list(locate().logs_dir.glob("*.log")) == [], "no worker was begun"


def test_a_benchmark_that_is_refused_is_no_run_to_go_on_with(
    run_localai: RunLocalai, laconic_path: Path
) -> None:
    refused = run_localai("bench", laconic_path, "--quick", env=MTP)
    assert refused.returncode == 2
    assert b"has no layers that predict several tokens" in refused.stderr
    listed = run_localai("bench", "list", "--json")
    assert json.loads(listed.stdout)["runs"] == []


def test_a_llama_server_that_cannot_is_refused(
    localai_home: Path, run_localai: RunLocalai, tmp_path: Path, with_head: Path
) -> None:
    program = tmp_path / "llama-server"
    program.write_text(
        '#!/bin/sh\ncase "$1" in\n--version) echo "version: 5000 (old)" ;;\n'
        '--help) echo "--ctx-size N"; echo "--spec-type none,ngram-map-k" ;;\nesac\n'
    )
    program.chmod(0o755)
    environment = MTP | {"LOCALAI_ENGINE_BINARY": str(program)}
    asked = run_localai("chat", "-m", with_head, "hello", env=environment)
    assert asked.returncode == 2
    assert b"llama-server 5000 (old) takes no drafts from a model's own layers" in asked.stderr
