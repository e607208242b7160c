"""Where the real weights are, and the interpreter in which MLX runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.servers.resources import RESOURCES
from tests.support.mlx import make_tiny_model
from tests.support.rewriting import rewrite

# Under the prompt of its own template SmolLM2 answers nonsense.
SYSTEM_PROMPT = "You are a helpful assistant."


def require(name: str) -> Path:
    """Where the resource `name` is; skips the test, with the way to get it, if it is not there."""
    path = RESOURCES[name].find()
    if path is None:
        pytest.skip(f"{name} is not here; to get it: python -m tests.servers get {name}")
    return path


@pytest.fixture(scope="session")
def smollm2_path() -> Path:
    """SmolLM2-135M-Instruct, GGUF Q4_1: wants the system prompt of `SYSTEM_PROMPT`."""
    return require("smollm2")


@pytest.fixture(scope="session")
def laconic_path(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2 with the first 16,384 words of its 49,152: it names Paris and Berlin as well, and
    starts in two thirds of the processor time. The file ends with a hole, for a starter of another
    size is a damaged one."""
    path = tmp_path_factory.mktemp("laconic") / smollm2_path.name
    rewrite(smollm2_path, path, words=16384)
    os.truncate(path, smollm2_path.stat().st_size)
    return path


@pytest.fixture(scope="session")
def shortened_path(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2 without its last 22 layers of 30, for what is not about its words: it says nonsense,
    for a third of the processor time."""
    path = tmp_path_factory.mktemp("shortened") / smollm2_path.name
    rewrite(smollm2_path, path, layers=8)
    return path


@pytest.fixture(scope="session")
def gemma3_path() -> Path:
    """Gemma-3-270M, GGUF Q4_K_M: a base model without a chat template, sliding window."""
    return require("gemma3")


@pytest.fixture(scope="session")
def mlx_model_path() -> Path:
    """SmolLM2 as an MLX folder."""
    return require("mlx-model")


@pytest.fixture(scope="session")
def tiny_mlx_path(mlx_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of chance with the tokenizer of `mlx_model_path`, for what is not about its words."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "tiny", mlx_model_path)
