"""A graphics card that the engine does not use is said to lie idle, and nothing counts on it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from localai.hardware.profiles import load_profile
from localai.providers import gpu_use
from localai.providers.gpu_use import IdleGpu, idle_gpu, without_idle_gpu
from localai.recommend.ranking import recommend
from tests.contract.rows import identity

ON_A_GPU = "  CUDA0: NVIDIA GeForce RTX 4090 (24564 MiB, 23100 MiB free)"
ON_THE_CPU = "  (none)"


@pytest.fixture
def llama_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a llama-server on PATH that computes on the given devices."""

    def put(devices: str) -> Path:
        file = tmp_path / "bin" / "llama-server"
        file.parent.mkdir()
        file.write_text(
            '#!/bin/sh\ncase "$1" in --version) echo "version: 1 (a)" ;;\n'
            f'--help) echo "--ctx-size N" ;; *) echo "Available devices:\n{devices}" ;; esac\n'
        )
        file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{file.parent}{os.pathsep}/usr/bin{os.pathsep}/bin")
        return file

    return put


def look(home: Path, profile: str = "rtx-4090", **settings: str) -> IdleGpu | None:
    environ = {f"LOCALAI_{name.upper()}": value for name, value in settings.items()}
    config, paths = identity(home, environ)
    return idle_gpu(load_profile(profile), config, paths)


def test_a_card_lies_idle_under_the_engine_of_the_package_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    idle = look(tmp_path)
    assert idle is not None
    assert "RTX 4090 lies idle: localai's own engine computes on the CPU here" in idle.sentence
    assert "./install.sh --gpu cuda" in idle.sentence
    assert idle.command is None


def test_a_llama_server_on_path_that_uses_it_is_offered(
    tmp_path: Path, llama_server: Callable[[str], Path]
) -> None:
    llama_server(ON_A_GPU)
    idle = look(tmp_path)
    assert idle is not None
    assert "the llama-server of this machine computes on CUDA0" in idle.sentence
    assert idle.command == "localai config set engine.binary llama-server"
    assert look(tmp_path, engine_binary="llama-server") is None


def test_a_llama_server_for_the_cpu_is_no_help(
    tmp_path: Path, llama_server: Callable[[str], Path]
) -> None:
    llama_server(ON_THE_CPU)
    idle = look(tmp_path)
    assert idle is not None and idle.command is None
    named = look(tmp_path, engine_binary="llama-server")
    assert named is not None
    assert "the llama-server of engine.binary computes on the CPU alone" in named.sentence


def test_layers_that_a_setting_keeps_off_the_card_leave_it_idle(
    tmp_path: Path, llama_server: Callable[[str], Path]
) -> None:
    llama_server(ON_A_GPU)
    idle = look(tmp_path, engine_binary="llama-server", engine_gpu_layers="0")
    assert idle is not None
    assert "engine.gpu_layers is 0" in idle.sentence
    assert idle.command == "localai config unset engine.gpu_layers"
    assert look(tmp_path, engine_binary="llama-server", engine_gpu_layers="8") is None


def test_an_engine_that_is_built_for_the_card_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_use, "own_engine_devices", lambda cache: ("CUDA0",))
    assert look(tmp_path) is None


@pytest.mark.parametrize("profile", ["m3-max-64gb", "laptop-16gb"])
def test_metal_and_no_card_at_all_leave_nothing_idle(tmp_path: Path, profile: str) -> None:
    assert look(tmp_path, profile) is None


def test_nothing_is_predicted_by_a_card_that_lies_idle(tmp_path: Path) -> None:
    machine = load_profile("rtx-4090")
    idle = IdleGpu("it lies idle")
    [used, unused] = [
        {each.entry.name: each.speed.expected for each in recommend(m, "chat")}
        for m in (machine, without_idle_gpu(machine, idle))
    ]
    assert unused["qwen3:8b"] is not None and used["qwen3:8b"] is not None
    assert unused["qwen3:8b"] < used["qwen3:8b"] / 4
    assert without_idle_gpu(machine, None) is machine
