"""`localai list`: one table over every store, each file once, readable on a narrow terminal."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localai.paths import Paths
from tests.formats.synthetic import MODELS, write
from tests.servers import lmstudio_double
from tests.servers.lmstudio_double import DoubleModel, LmStudioDouble
from tests.support.clock import becomes, within
from tests.support.command import COMMAND, RunLocalai
from tests.support.ollama import OllamaServer
from tests.support.scripted_server import Reply, ScriptedServer
from tests.support.terminal import Terminal


@pytest.fixture
def starter_weights(smollm2_path: Path) -> Path:
    """The same file as Ollama has."""
    return smollm2_path


@pytest.fixture
def stores(home_with_starter: Paths, command_environment: dict[str, str], tmp_path: Path) -> Path:
    """A user's home with a model of LM Studio's and the same one in the hub's cache."""
    user = Path(command_environment["HOME"])
    [model] = write(tmp_path / "m.gguf", MODELS["llama, tied"])
    in_lm_studio = user / ".lmstudio/models/maker/Model-GGUF/model-Q4_K_M.gguf"
    in_lm_studio.parent.mkdir(parents=True)
    shutil.copyfile(model, in_lm_studio)
    repository = user / ".cache/huggingface/hub/models--org--other-GGUF"
    blob = repository / "blobs" / ("a" * 64)
    blob.parent.mkdir(parents=True)
    blob.hardlink_to(in_lm_studio)
    link = repository / "snapshots" / ("c" * 40) / "other-8B.Q8_0.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)
    return user


def listed(run_localai: RunLocalai, *arguments: str, **env: str) -> dict[str, Any]:
    result = run_localai("list", "--json", *arguments, env=env)
    assert result.returncode == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


@pytest.mark.clock
def test_ctrl_c_does_not_wait_for_a_server_that_says_nothing(
    home_with_starter: Paths, command_environment: dict[str, str]
) -> None:
    with ScriptedServer({"GET /v1/models": Reply(silence_s=120)}) as server:
        home_with_starter.config_file.write_text(f'[endpoint.farm]\nurl = "{server.url}/v1"\n')
        process = subprocess.Popen(
            [*COMMAND, "list"],
            env=command_environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert becomes(lambda: "GET /v1/models" in server.paths(), 60)
        process.send_signal(signal.SIGINT)
        with within(5):
            _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert b"Traceback" not in stderr


def test_every_store_is_listed_with_its_programs_stopped(
    stores: Path, run_localai: RunLocalai, ollama_server: OllamaServer
) -> None:
    env = {"OLLAMA_MODELS": str(ollama_server.models), "OLLAMA_HOST": "127.0.0.1:9"}
    document = listed(run_localai, **env)
    found = {model["model"]: model for model in document["models"]}
    starter = found["starter"]
    assert {(place["store"], place["name"]) for place in starter["places"]} == {
        ("localai", "starter"),
        ("ollama", "qwen3:8b"),
        ("ollama", "smollm2:135m"),
    }
    assert starter["providers"] == ["llamacpp", "ollama"]
    assert Path(starter["path"]).name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert Path(starter["path"]).is_file()
    both = found["maker/Model-GGUF/model-Q4_K_M"]
    assert [place["store"] for place in both["places"]] == ["lmstudio", "huggingface"]
    assert both["zone"] == "device"
    assert len(found) == 2
    assert {each["provider"] for each in document["silent"]} == {"ollama", "lmstudio"}


def test_what_is_in_memory_is_marked(
    home_with_starter: Paths, run_localai: RunLocalai, ollama_server: OllamaServer
) -> None:
    question = run_localai("chat", "-n", "--max-tokens", "2", "hello")
    assert question.returncode == 0, question.stderr
    env = {"OLLAMA_MODELS": str(ollama_server.models), "OLLAMA_HOST": ollama_server.host}
    ollama_server.post("/api/generate", {"model": "smollm2:135m", "stream": False, "prompt": ""})
    try:
        [starter] = listed(run_localai, **env)["models"]
    finally:
        ollama_server.post("/api/generate", {"model": "smollm2:135m", "keep_alive": 0})
    assert starter["loaded_by"] == ["llamacpp", "ollama"]
    assert starter["loaded"] is True


def test_what_lm_studio_has_in_memory_is_marked_at_its_file(
    stores: Path, run_localai: RunLocalai, monkeypatch: pytest.MonkeyPatch
) -> None:
    [file] = (stores / ".lmstudio/models").rglob("*.gguf")
    size = {"size_bytes": file.stat().st_size}
    described = lmstudio_double._described_v1
    monkeypatch.setattr(lmstudio_double, "_described_v1", lambda model: described(model) | size)
    with LmStudioDouble([DoubleModel("model", instances={"model": 4096})]) as server:
        models = listed(run_localai, LOCALAI_LMSTUDIO_HOST=server.address)["models"]
    loaded = {model["model"]: model["loaded_by"] for model in models}
    assert loaded == {"starter": [], "maker/Model-GGUF/model-Q4_K_M": ["lmstudio"]}


def test_the_models_of_a_server_are_counted_as_such_and_never_said_to_stay_here(
    run_localai: RunLocalai,
) -> None:
    with LmStudioDouble([DoubleModel("smol/one")]) as server:
        told = {"LOCALAI_LMSTUDIO_HOST": server.address}
        found = run_localai("list", "--provider", "lmstudio", env=told)
        dry = run_localai("chat", "-m", "lmstudio/smol/one", "--dry-run", "hi", env=told)
    assert found.stderr == b"1 model of a server\n"
    assert b"a server on this machine, which may hand it on (unproven)" in dry.stdout


def test_what_lm_studio_has_elsewhere_is_a_row_of_its_own(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    with LmStudioDouble([DoubleModel("far/model")]) as server:
        models = listed(run_localai, LOCALAI_LMSTUDIO_HOST=server.address)["models"]
    [other] = [model for model in models if model["model"] == "lmstudio/far/model"]
    assert (other["zone"], other["places"], other["providers"]) == (None, [], ["lmstudio"])
    assert other["path"] is None


def test_a_model_of_ollamas_cloud_says_where_it_is(
    home_with_starter: Paths, run_localai: RunLocalai, ollama_server: OllamaServer
) -> None:
    ollama_server.create_cloud_alias("innocent")
    env = {"OLLAMA_MODELS": str(ollama_server.models), "OLLAMA_HOST": ollama_server.host}
    try:
        models = listed(run_localai, "--provider", "ollama", **env)["models"]
    finally:
        ollama_server.delete("innocent")
    zones = {model["model"]: model["zone"] for model in models}
    assert zones == {"starter": "device", "innocent:latest": "cloud"}


@pytest.mark.parametrize(("columns", "shown"), [(80, "context  used by"), (60, "context")])
def test_the_table_fits_the_terminal(
    stores: Path, pty: Callable[..., Terminal], columns: int, shown: str
) -> None:
    terminal = pty("list", columns=columns)
    assert terminal.wait_exit() == 0
    lines = terminal.screen.splitlines()
    header = lines[0].split()
    assert header[:3] == ["name", "where", "size"]
    assert shown in lines[0]
    assert max(map(len, lines)) <= columns
    # A name that has no room stands alone, whole, to be copied; its other name is below.
    at = next(n for n, line in enumerate(lines) if line.startswith("maker/Model-GGUF/model-Q4_K_M"))
    if lines[at].endswith("model-Q4_K_M"):
        assert lines[at + 1].split()[0] == "lmstudio"
    assert any(line.startswith("= org/other-GGUF/other-8B.Q8_0") for line in lines[at + 1 :])
    assert "2 models on this machine" in terminal.screen


def test_a_pipe_gets_every_column_by_tabs(stores: Path, run_localai: RunLocalai) -> None:
    rows = [line.split("\t") for line in run_localai("list").stdout.decode().splitlines()]
    assert rows[0] == [
        *("name", "where", "size", "quantization", "parameters", "context", "used by", "zone")
    ]
    starter, other = rows[1:]
    assert starter == [
        *("starter", "localai", "98.4 MB", "Q4_1", "135M", "8,192", "llamacpp", "device")
    ]
    assert other[1] == "lmstudio,huggingface=org/other-GGUF/other-8B.Q8_0"


def test_ls_is_list(home_with_starter: Paths, run_localai: RunLocalai) -> None:
    assert run_localai("ls").stdout == run_localai("list").stdout
    refused = json.loads(run_localai("ls", "--json", "--nonsense").stdout)
    assert refused["schema"] == "localai.list/1"


def test_an_empty_machine_is_told_what_to_do(run_localai: RunLocalai) -> None:
    result = run_localai("list")
    assert result.returncode == 0
    assert result.stdout == b""
    assert b"localai pull starter" in result.stderr


def test_a_server_that_nobody_uses_is_not_missed(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    nobody: dict[str, str | None] = {"OLLAMA_HOST": None}
    quiet = run_localai("list", env=nobody).stderr.decode()
    assert "starter" not in quiet
    assert "1 model on this machine" in quiet
    assert "not running" not in quiet
    run_localai("config", "set", "lmstudio.host", "127.0.0.1:9")
    named = run_localai("list", env={"OLLAMA_HOST": "127.0.0.1:9"}).stderr.decode()
    assert "Ollama at 127.0.0.1:9 is not running" in named
    assert "LM Studio at 127.0.0.1:9 is not running" in named
    assert b"not running" in run_localai("list", "--provider", "ollama", env=nobody).stderr


def test_a_provider_that_there_is_not_is_named(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    result = run_localai("list", "--provider", "olama")
    assert result.returncode == 2
    assert b"known are llamacpp, ollama" in result.stderr
    assert run_localai("list", "--provider", "mlx").stderr == b"mlx has no model\n"


def test_escapes_in_a_file_name_do_not_reach_the_terminal(
    stores: Path, run_localai: RunLocalai, tmp_path: Path
) -> None:
    source = stores / ".lmstudio/models/maker/Model-GGUF/model-Q4_K_M.gguf"
    shutil.copyfile(source, source.with_name("a\x1b]0;owned\x07b.gguf"))
    listed = run_localai("list").stdout
    assert b"a0;ownedb" in listed or b"ab" in listed
    assert b"\x1b" not in listed


def test_what_is_in_memory_is_named_where_the_column_with_the_star_is_not(
    home_with_starter: Paths, run_localai: RunLocalai, pty: Callable[..., Terminal]
) -> None:
    assert run_localai("chat", "-n", "--max-tokens", "1", "hello").returncode == 0
    wide = pty("list", columns=100)
    wide.wait_exit()
    assert "llamacpp*" in wide.screen
    assert "* is in memory" in wide.screen
    narrow = pty("list", columns=40)
    narrow.wait_exit()
    said = " ".join(narrow.screen.split())
    assert "*" not in said
    assert "in memory: starter" in said
