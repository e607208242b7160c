"""When a prompt leaves this process, and who is told: endpoints, clouds, the fallback."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from localai.paths import Paths
from tests.support.command import RunLocalai
from tests.support.own_server import MODEL, LlamaServer
from tests.support.processes import free_port
from tests.support.weights import SYSTEM_PROMPT

QUESTION = "What is the capital of France?"
ANSWER = ("-s", SYSTEM_PROMPT, "--max-tokens", "30", QUESTION)


@pytest.fixture
def farm(home_with_starter: Paths, llama_server: LlamaServer) -> Paths:
    """A home whose config knows the real server on loopback as `farm`."""
    home_with_starter.config_file.write_text(f'[endpoint.farm]\nurl = "{llama_server.url}/v1"\n')
    return home_with_starter


def test_a_server_of_ones_own_answers_by_its_name_and_on_this_machine_nothing_is_announced(
    farm: Paths, run_localai: RunLocalai
) -> None:
    result = run_localai("chat", "--json", "-m", f"farm/{MODEL}", *ANSWER)
    document = json.loads(result.stdout)
    assert "Paris" in document["text"]
    assert document["provider"] == "farm"
    assert document["zone"] == "device"
    assert document["cost"]["amount"] is None, "what it does with the prompt is its own"
    assert result.stderr == b""


@pytest.mark.parametrize("provider", ["openai/gpt-5", "anthropic/claude"])
def test_a_key_in_the_environment_is_no_permission(
    home_with_starter: Paths, run_localai: RunLocalai, provider: str
) -> None:
    keys = {"OPENAI_API_KEY": "sk-secret", "ANTHROPIC_API_KEY": "sk-secret"}
    result = run_localai("chat", "-m", provider, "hi", env=keys)
    assert result.returncode == 4
    name = provider.partition("/")[0]
    assert f"localai config set cloud.allow {name}".encode() in result.stderr
    assert b"sk-secret" not in result.stderr


def test_a_local_provider_that_is_down_is_an_error_and_no_cloud_steps_in(
    farm: Paths, run_localai: RunLocalai
) -> None:
    nobody = {"OLLAMA_HOST": f"127.0.0.1:{free_port()}"}
    result = run_localai("chat", "-m", "ollama/qwen3:8b", "hi", env=nobody)
    assert result.returncode == 5
    assert b"ollama serve" in result.stderr


def test_the_fallback_that_was_set_answers_announced_and_is_recorded_as_the_author(
    farm: Paths, run_localai: RunLocalai
) -> None:
    nobody = {"OLLAMA_HOST": f"127.0.0.1:{free_port()}"}
    run_localai("config", "set", "cloud.fallback", f"farm/{MODEL}")
    result = run_localai("chat", "--json", "-m", "ollama/qwen3:8b", *ANSWER, env=nobody)
    document = json.loads(result.stdout)
    assert "Paris" in document["text"]
    assert (document["provider"], document["model"]) == ("farm", f"farm/{MODEL}")
    assert b"answers instead (cloud.fallback)" in result.stderr
    with sqlite3.connect(farm.database) as db:
        (author,) = db.execute("SELECT provider FROM message WHERE role = 'assistant'").fetchone()
    assert author == "farm"


def test_the_fallback_steps_in_when_the_engine_itself_fails(
    farm: Paths, run_localai: RunLocalai, tmp_path: Path, laconic_path: Path
) -> None:
    # A whole header over missing weights passes every check before the engine's own.
    broken = tmp_path / "broken.gguf"
    with laconic_path.open("rb") as whole, broken.open("wb") as copy:
        copy.write(whole.read(3_000_000).replace(b"llama", b"lxxma"))
        copy.truncate(laconic_path.stat().st_size)
    alone = run_localai("chat", "-m", broken, "hi")
    assert alone.returncode == 5, alone.stderr
    run_localai("config", "set", "cloud.fallback", f"farm/{MODEL}")
    result = run_localai("chat", "-m", broken, *ANSWER)
    assert result.returncode == 0, result.stderr
    assert b"Paris" in result.stdout
    assert b"answers instead" in result.stderr


def test_a_host_of_the_local_network_is_refused_until_it_is_named(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    home_with_starter.config_file.write_text('[endpoint.nas]\nurl = "http://192.168.0.9:8000/v1"\n')
    result = run_localai("chat", "-m", "nas/model", "hi")
    assert result.returncode == 4
    assert b"localai config set network.lan 192.168.0.9" in result.stderr


def test_a_server_on_the_internet_needs_its_own_word(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    home_with_starter.config_file.write_text('[endpoint.far]\nurl = "https://192.0.2.7/v1"\n')
    result = run_localai("chat", "-m", "far/model", "hi")
    assert result.returncode == 4
    assert b"cloud.allow endpoint:far" in result.stderr
