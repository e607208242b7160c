"""`localai show`: what a model is, what it takes and how fast it would be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localai.paths import Paths
from tests.formats.synthetic import MODELS, write
from tests.support.command import RunLocalai
from tests.support.ollama import OllamaServer
from tests.support.terminal import Terminal


@pytest.fixture
def starter_weights(smollm2_path: Path) -> Path:
    """The same file as Ollama has."""
    return smollm2_path


def shown(run_localai: RunLocalai, *arguments: str | Path, **env: str) -> dict[str, Any]:
    result = run_localai("show", "--json", "--profile", "laptop-16gb", *arguments, env=env)
    assert result.returncode == 0, result.stdout
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_the_starter_is_described_from_its_header(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    sheet = shown(run_localai, "starter")
    assert sheet["architecture"] == "llama"
    assert (sheet["layers"], sheet["embedding_length"], sheet["vocabulary"]) == (30, 576, 49_152)
    assert sheet["parameter_count"] == 134_515_008
    assert sheet["license"] == "Apache-2.0"
    assert "im_start" in sheet["template"]
    assert sheet["memory"] is None
    table = {(row["context_tokens"], row["kv_type"]): row for row in sheet["memory_table"]}
    assert set(table) == {(4096, "f16"), (4096, "q8_0"), (8192, "f16"), (8192, "q8_0")}
    # What a real load allocates: 92.10 + 180 + 22.64 MiB.
    assert table[8192, "f16"]["total_bytes"] / 2**20 == pytest.approx(294.7, rel=0.05)
    assert table[8192, "q8_0"]["context_bytes"] < 0.6 * table[8192, "f16"]["context_bytes"]
    speed = sheet["speed"]
    assert 0 < speed["low_tokens_per_s"] < speed["high_tokens_per_s"]


def test_ctx_names_the_memory_at_that_context(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    memory = shown(run_localai, "starter", "--ctx", "2048")["memory"]
    assert memory["context_tokens"] == 2048
    assert memory["basis"] == "engine"
    # 30 layers, keys and values, 3 heads of 64, two bytes each.
    assert memory["context_bytes"] == 2048 * 30 * 2 * 3 * 64 * 2
    parts = ("weights_bytes", "context_bytes", "compute_bytes")
    assert memory["total_bytes"] == sum(memory[part] for part in parts)


def test_a_context_beyond_the_models_is_refused(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    result = run_localai("show", "starter", "--ctx", "9000")
    assert result.returncode == 2
    assert b"--ctx 8192" in result.stderr


def test_a_model_of_ollamas_is_shown_with_its_other_names(
    home_with_starter: Paths, run_localai: RunLocalai, ollama_server: OllamaServer
) -> None:
    env = {"OLLAMA_MODELS": str(ollama_server.models), "OLLAMA_HOST": "127.0.0.1:9"}
    sheet = shown(run_localai, "ollama/qwen3:8b", **env)
    assert sheet["model"] == "qwen3:8b"
    names = {place["name"] for place in sheet["places"]}
    assert names == {"starter", "qwen3:8b", "smollm2:135m"}


def test_what_only_a_server_has_is_shown_as_far_as_it_says(
    run_localai: RunLocalai, ollama_server: OllamaServer
) -> None:
    ollama_server.create_cloud_alias("innocent")
    try:
        sheet = shown(run_localai, "innocent", OLLAMA_HOST=ollama_server.host)
    finally:
        ollama_server.delete("innocent")
    assert sheet["zone"] == "cloud"
    assert sheet["memory_table"] == []
    assert sheet["speed"]["expected_tokens_per_s"] is None


def test_an_mlx_folder_is_shown_with_the_formula(
    run_localai: RunLocalai, mlx_model_path: Path
) -> None:
    sheet = shown(run_localai, mlx_model_path, "--ctx", "1024")
    assert sheet["provider"] == "mlx"
    assert sheet["architecture"] == "llama"
    assert sheet["memory"]["basis"] == "formula"
    assert {Path(file["path"]).name for file in sheet["files"]} >= {"config.json"}


def test_every_file_of_a_model_in_parts_is_named(run_localai: RunLocalai, tmp_path: Path) -> None:
    parts = write(tmp_path / "split.gguf", MODELS["llama, tied"], parts=3)
    sheet = shown(run_localai, parts[0])
    assert [file["path"] for file in sheet["files"]] == [str(part) for part in parts]
    assert sheet["size_bytes"] == sum(part.stat().st_size for part in parts)


def test_a_person_sees_it_on_sixty_columns(
    home_with_starter: Paths, pty: Callable[..., Terminal]
) -> None:
    terminal = pty("show", "starter", "--profile", "laptop-16gb", columns=60, rows=40)
    assert terminal.wait_exit() == 0
    assert max(map(len, terminal.screen.splitlines())) <= 60
    for text in ("135M (134,515,008)", "8,192 tokens: ", "by the engine itself", "tok/s"):
        assert text in terminal.screen


def test_the_template_alone_goes_into_a_pipe(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    assert run_localai("show", "starter", "--template").stdout.startswith(b"{% for message in")


def test_an_unknown_name_offers_a_near_one(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    result = run_localai("show", "startr")
    assert result.returncode == 3
    assert b"did you mean starter?" in result.stderr


def test_after_the_first_answer_the_speed_is_what_this_machine_did(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    def speed() -> Any:
        return json.loads(run_localai("show", "starter", "--json").stdout)["speed"]

    assert speed()["confidence"] in ("inferred", None)
    answer = run_localai("chat", "--json", "--max-tokens", "48", "Tell me about the sea.")
    really = json.loads(answer.stdout)["timings"]["decode_tokens_per_s"]
    after = speed()
    assert after["confidence"] == "measured"
    # At the beginning of a conversation; the answer came a little way into one.
    assert really * 0.99 <= after["expected_tokens_per_s"] <= really * 1.1
