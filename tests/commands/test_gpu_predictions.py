"""What is predicted on a machine with a graphics card counts on it only if the engine uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localai.bench.subject import known_of, subjects
from localai.config.reading import load
from localai.hardware.profiles import load_profile
from localai.paths import Paths
from localai.providers.pool import ProviderPool
from tests.formats.synthetic import MODELS, Spec, write, write_header
from tests.support.command import RunLocalai

pytestmark = pytest.mark.usefixtures("used_home")

# `nvidia-smi --query-gpu=name,memory.total,memory.free,driver_version,compute_cap`.
SMI = "NVIDIA H100 80GB HBM3, 81559, 81000, 580.159.04, 9.0"


@pytest.fixture
def with_card(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with a card, and a llama-server that computes on it."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, script in {
        "nvidia-smi": f'echo "{SMI}"',
        "llama-server": 'case "$1" in --version) echo "version: 1 (a)" ;;\n'
        '--help) echo "--ctx-size N" ;;\n'
        '*) echo "  CUDA0: NVIDIA H100 80GB HBM3 (81079 MiB, 80500 MiB free)" ;; esac',
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    return {"PATH": f"{tools}:/usr/bin:/bin"}


@pytest.fixture
def basis(run_localai: RunLocalai, with_card: dict[str, str], tmp_path: Path) -> Callable[..., str]:
    """What the speed that a command predicts rests on."""
    [model] = write(tmp_path / "model.gguf", MODELS["llama, grouped queries"])

    def run(*command: str, **env: str) -> str:
        result = run_localai(*command, model, "--json", env=with_card | env)
        assert result.returncode == 0, result.stderr
        document: dict[str, Any] = json.loads(result.stdout)
        return str(document["speed"]["basis"])

    return run


@pytest.mark.parametrize("command", [("show",), ("pull", "--dry-run")])
def test_the_card_counts_once_the_engine_uses_it(
    basis: Callable[..., str], command: tuple[str, ...]
) -> None:
    assert "H100" not in basis(*command)
    assert "H100" in basis(*command, LOCALAI_ENGINE_BINARY="llama-server")
    kept_off = {"LOCALAI_ENGINE_BINARY": "llama-server", "LOCALAI_ENGINE_GPU_LAYERS": "0"}
    assert "H100" not in basis(*command, **kept_off)


def test_a_model_may_be_larger_than_main_memory_where_the_card_holds_it(
    run_localai: RunLocalai, with_card: dict[str, str], tmp_path: Path
) -> None:
    import psutil

    large = Spec("llama", width=8192, layers=8, feed_forward=8192, heads=64, head_length=128)
    path = tmp_path / "large.gguf"
    size = write_header(path, large)
    layers = 1 + (psutil.virtual_memory().total + (4 << 30)) * 8 // size
    path.unlink()
    large.layers = layers
    size = write_header(path, large)
    with path.open("r+b") as file:
        file.truncate(size)
    asked = run_localai("pull", "--dry-run", "--json", path, env=with_card)
    assert json.loads(asked.stdout)["problems"]
    named = {"LOCALAI_ENGINE_BINARY": "llama-server"}
    asked = run_localai("pull", "--dry-run", "--json", path, env=with_card | named)
    assert json.loads(asked.stdout)["problems"] == []


def test_a_benchmark_is_held_against_what_computes(
    home_with_starter: Paths, monkeypatch: pytest.MonkeyPatch, with_card: dict[str, str]
) -> None:
    monkeypatch.setenv("PATH", with_card["PATH"])
    machine = load_profile("rtx-4090")

    def bandwidth(**flags: object) -> float | None:
        config = load(home_with_starter, {}).with_flags(**flags)
        with ProviderPool(home_with_starter) as pool:
            [subject] = subjects(["starter"], ["llamacpp"], config, pool)
            found = known_of(subject, machine, [256], 4096, home_with_starter, pool)
        return found.bandwidth_bytes_per_s

    assert bandwidth() == machine.memory_bandwidth.value
    assert bandwidth(engine__binary="llama-server") == machine.gpus[0].memory_bandwidth.value
    assert (
        bandwidth(engine__binary="llama-server", engine__gpu_layers=0)
        == machine.memory_bandwidth.value
    )
