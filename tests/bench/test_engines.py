"""`localai bench` on engines that nobody here wrote: Ollama, MLX, llama.cpp's own server."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from localai.paths import Paths
from localai.providers.mlx import INTERPRETER_VARIABLE
from tests.support.clock import becomes
from tests.support.command import RunLocalai
from tests.support.ollama import OllamaServer
from tests.support.own_server import MODEL, LlamaServer

TINY = ("--quick", "-p", "48", "-n", "12", "--json")


@pytest.fixture
def localai_module() -> str:
    """The command as it is."""
    return "localai"


def loaded(server: OllamaServer) -> list[str]:
    """What it has in memory."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{server.url}/api/ps", timeout=30) as response:
        return [each["name"] for each in json.load(response)["models"]]


def test_ollama_is_measured_and_left_as_it_was(
    ollama_server: OllamaServer, run_localai: RunLocalai
) -> None:
    environment = {"OLLAMA_HOST": ollama_server.host}
    ollama_server.run("stop", "smollm2:135m")
    assert becomes(lambda: not loaded(ollama_server), 10)
    arguments = ("bench", "ollama/smollm2:135m", *TINY)
    result = run_localai(*arguments, env=environment, timeout_s=300)
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)["results"]
    assert row["engine"].startswith("Ollama")
    assert row["decode_tokens_per_s"]["value"] > 0
    assert row["server"]["decode_tokens_per_s"]["value"] > 0
    # Ollama cannot be told to go on: an answer that it ends after a few words has no rate.
    short = any("ended by themselves" in note for note in row["notes"])
    assert len(row["decode_tokens_per_s"]["samples"]) >= (1 if short else 6), row["notes"]
    assert becomes(lambda: not loaded(ollama_server), 10), "it was not in memory before"


def test_a_model_that_one_of_the_engines_lacks_is_answered_with_those_that_it_has(
    ollama_server: OllamaServer, run_localai: RunLocalai, home_with_starter: Paths
) -> None:
    environment = {"OLLAMA_HOST": ollama_server.host}
    result = run_localai("bench", "starter", "--engine", "llamacpp,ollama", env=environment)
    assert result.returncode == 3
    assert result.stderr.decode() == (
        "error: Ollama has no model 'starter'\n\n"
        "hint: several engines measure one model: name one that ollama has, too\n"
        "run: localai list --provider ollama\n"
    )


def test_mlx_is_measured_by_the_same_definitions(
    run_localai: RunLocalai, tiny_mlx_path: Path, mlx_python: Path
) -> None:
    environment = {INTERPRETER_VARIABLE: str(mlx_python)}
    result = run_localai(
        "bench", f"mlx/{tiny_mlx_path}", *TINY, "--quality", env=environment, timeout_s=300
    )
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)["results"]
    assert row["provider"] == "mlx"
    assert len(row["decode_tokens_per_s"]["samples"]) >= 6
    assert row["verdict"] != "invalid", row["notes"]
    # Its worker leaves the first token out of the rate, as localai's own clock does.
    assert row["server"]["decode_tokens_per_s"]["value"] > 0
    assert row["quality"]["unavailable"].startswith("not available with this engine")


def test_llama_cpps_own_server_is_measured_as_an_endpoint(
    localai_home: Path, run_localai: RunLocalai, llama_server: LlamaServer
) -> None:
    (localai_home / "config.toml").write_text(f'[endpoint.own]\nurl = "{llama_server.url}/v1"\n')
    result = run_localai("bench", f"own/{MODEL}", *TINY, timeout_s=300)
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)["results"]
    assert row["verdict"] != "invalid", row["notes"]
    assert row["cached_tokens"] == 0, "it says so, and was asked not to use its cache"
    assert len(row["decode_tokens_per_s"]["samples"]) >= 6
    assert row["decode_tokens_per_s"]["value"] > 0
    assert row["server"]["decode_tokens_per_s"]["value"] > 0, "its own clock stands beside ours"
