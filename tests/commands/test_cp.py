"""`localai cp`: a second name, and no second copy of the bytes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from localai.paths import Paths
from localai.stores.model_defaults import read_defaults
from tests.formats.synthetic import MODELS, write
from tests.support.command import RunLocalai
from tests.support.ollama import OllamaServer
from tests.support.weights import SYSTEM_PROMPT


@pytest.fixture
def starter(localai_home: Path, smollm2_path: Path) -> Path:
    """The starter's file, a file of its own in the home's store."""
    file = localai_home / "data/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    file.parent.mkdir(parents=True)
    file.write_bytes(smollm2_path.read_bytes())
    return file


def test_in_ollama_it_is_a_manifest_that_ollama_serves_at_once(
    run_localai: RunLocalai, ollama_server: OllamaServer
) -> None:
    env = {"OLLAMA_MODELS": str(ollama_server.models), "OLLAMA_HOST": ollama_server.host}
    before = sorted((ollama_server.models / "blobs").iterdir())
    result = run_localai("cp", "--json", "smollm2:135m", "me/mine", env=env)
    assert result.returncode == 0, result.stdout
    document = json.loads(result.stdout)
    assert (document["store"], document["how"]) == ("ollama", "manifest")
    try:
        assert sorted((ollama_server.models / "blobs").iterdir()) == before
        body = {"model": "me/mine", "prompt": "Hi", "stream": False, "options": {"num_predict": 2}}
        assert ollama_server.post("/api/generate", body)["response"]
        taken = run_localai("cp", "qwen3:8b", "me/mine", env=env)
        assert taken.returncode == 2
        assert b"localai rm me/mine:latest" in taken.stderr
    finally:
        ollama_server.delete("me/mine")


def test_in_our_store_it_is_a_hard_link_and_answers_as_the_first_does(
    localai_home: Path, run_localai: RunLocalai, starter: Path
) -> None:
    assert run_localai("cp", "starter", "tiny:v1").returncode == 0
    copy = localai_home / "data/models/tiny:v1.gguf"
    assert copy.samefile(starter)
    kept = read_defaults(copy)
    assert (kept.system_prompt, kept.recommended.repeat_penalty) == (SYSTEM_PROMPT, 1.1)
    # Without the starter's own system prompt this model answers nonsense.
    question = ("What is the capital of France?", "--max-tokens", "12", "-n")
    assert b"Paris" in run_localai("chat", "-m", "llamacpp/tiny:v1", *question).stdout
    run_localai("stop", "--all")
    removed = json.loads(run_localai("rm", "--json", "starter").stdout)["removed"][0]
    assert removed["freed_bytes"] == 0
    assert copy.exists()


def test_an_adopted_file_gets_a_second_link(
    localai_home: Path, run_localai: RunLocalai, tmp_path: Path
) -> None:
    [mine] = write(tmp_path / "mine.gguf", MODELS["llama, tied"])
    run_localai("pull", "./mine.gguf")
    assert run_localai("cp", "mine", "other").returncode == 0
    link = localai_home / "data/models/other.gguf"
    assert link.is_symlink()
    assert link.samefile(mine)


def test_a_name_of_another_store_is_taken(
    home_with_starter: Paths, run_localai: RunLocalai, ollama_server: OllamaServer
) -> None:
    env = {"OLLAMA_MODELS": str(ollama_server.models)}
    taken = run_localai("cp", "starter", "qwen3:8b", env=env)
    assert taken.returncode == 2
    assert b"there is a model called qwen3:8b already" in taken.stderr
    assert not (home_with_starter.models_dir / "qwen3:8b.gguf").exists()


def test_parts_keep_their_numbers(home_with_starter: Paths, run_localai: RunLocalai) -> None:
    write(home_with_starter.models_dir / "split.gguf", MODELS["llama, tied"], parts=2)
    assert run_localai("cp", "split", "twin").returncode == 0
    sheet = json.loads(run_localai("show", "twin", "--ctx", "64", "--json").stdout)
    assert [Path(file["path"]).name for file in sheet["files"]] == [
        "twin-00001-of-00002.gguf",
        "twin-00002-of-00002.gguf",
    ]


def test_names_that_would_mean_something_else_are_refused(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    for name in ("starter", "../out", "ollama/x", "/tmp/x", "a b", ""):
        assert run_localai("cp", "starter", name).returncode == 2, name
    assert run_localai("cp", "nothing-like-it", "x").returncode == 3


def test_a_copy_that_was_killed_in_the_middle_is_completed(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    models = home_with_starter.models_dir
    write(models / "split.gguf", MODELS["llama, tied"], parts=3)
    assert run_localai("cp", "split", "twin").returncode == 0
    parts = sorted(models.glob("twin*.gguf"))
    assert len(parts) == 3
    parts[1].unlink()
    assert run_localai("cp", "split", "twin").returncode == 0
    assert sorted(models.glob("twin*.gguf")) == parts
    refused = run_localai("cp", "split", "twin")
    assert refused.returncode == 2
    parts[1].unlink()
    parts[1].write_text("another")
    assert run_localai("cp", "split", "twin").returncode == 2
    assert parts[1].read_text() == "another"


def test_a_second_name_is_no_second_file_wherever_files_are_counted(
    localai_home: Path, run_localai: RunLocalai, starter: Path
) -> None:
    assert run_localai("cp", "starter", "tiny").returncode == 0
    size = starter.stat().st_size
    removal = json.loads(run_localai("setup", "--uninstall", "--dry-run", "--json").stdout)
    assert size <= removal["size_bytes"] < 1.5 * size
    assert b"1 model on this machine, 98.4 MB" in run_localai("list").stderr
    models = run_localai("doctor", "models").stdout.decode()
    assert "1 model, 98.4 MB" in models


def test_a_second_name_of_a_folder_is_no_second_model(
    localai_home: Path, run_localai: RunLocalai, mlx_model_path: Path
) -> None:
    mine = localai_home / "data/models/mine"
    shutil.copytree(mlx_model_path, mine, copy_function=os.link)
    assert run_localai("cp", "mine", "other").returncode == 0
    [model] = json.loads(run_localai("list", "--json").stdout)["models"]
    assert [place["name"] for place in model["places"]] == ["mine", "other"]
