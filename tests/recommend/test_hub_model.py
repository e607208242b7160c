"""What a repository of the hub is taken for: its tasks, the model that it has, and whether the
catalogue has it already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from localai.fetch.hub_listing import Listed
from localai.hardware.profiles import load_profile
from localai.recommend.catalogue import File
from localai.recommend.catalogued import candidates, catalogued
from localai.recommend.hub_header import tasks_of
from localai.recommend.hub_model import HubModel
from localai.recommend.ranking import recommend
from localai.sizing.mlx_formula import active_share

LLAMA: Mapping[str, Any] = {
    "general.architecture": "llama",
    "llama.block_count": 32,
    "llama.embedding_length": 4096,
    "llama.feed_forward_length": 14336,
    "llama.attention.head_count": 32,
    "llama.attention.head_count_kv": 8,
}
# An 8B in two quantizations, as its header would say.
MODEL = HubModel(
    repo="unsloth/Fresh-8B-GGUF",
    commit="0" * 40,
    format="gguf",
    base="Qwen/Fresh-8B",
    created="2026-11-01",
    downloads=10,
    gated=False,
    license="apache-2.0",
    read_at=0.0,
    architecture="llama",
    parameters=8_000_000_000,
    active_share=0.9,
    context_tokens=131_072,
    capabilities=("completion",),
    tasks=("chat",),
    files=(
        File("hf.co/unsloth/Fresh-8B-GGUF:Q4_K_M", "Q4_K_M", 4_900_000_000, False, "hub"),
        File("hf.co/unsloth/Fresh-8B-GGUF:Q8_0", "Q8_0", 8_500_000_000, False, "hub"),
    ),
    vision_bytes=0,
    layers=32,
    vocabulary=128_256,
    float_bytes=2,
    dimensions=LLAMA,
)


def listed(*tags: str, repo: str = "unsloth/X-GGUF") -> Listed:
    return Listed(repo, None, None, None, False, None, None, None, tags)


@pytest.mark.parametrize(
    ("tags", "base"),
    [
        (("base_model:Qwen/X", "base_model:quantized:Qwen/X"), "Qwen/X"),
        (("base_model:Qwen/X",), "Qwen/X"),
        (("base_model:Qwen/X", "base_model:finetune:Qwen/X"), None),
        (("base_model:quantized:../../etc",), None),
        (("base_model:quantized:a/b/c.gguf",), None),
        (("gguf",), None),
    ],
)
def test_the_model_that_was_packed(tags: tuple[str, ...], base: str | None) -> None:
    assert listed(*tags).base == base


@pytest.mark.parametrize(
    ("base", "repo", "entry"),
    [
        ("Qwen/Qwen3.5-4B", "unsloth/Qwen3.5-4B-GGUF", "qwen3.5:4b"),
        ("google/gemma-4-E2B-it", "unsloth/gemma-4-E2B-it-GGUF", "gemma4:e2b"),
        ("openai/gpt-oss-20b", "ggml-org/gpt-oss-20b-GGUF", "gpt-oss:20b"),
        ("Qwen/Qwen3-8B", "mlx-community/Qwen3-8B-4bit", "qwen3:8b"),
        (None, "Qwen/Qwen3-8B-GGUF", "qwen3:8b"),
        ("Qwen/Qwen3-8B-Base", "bartowski/Qwen3-8B-Base-GGUF", None),
        ("Qwen/Qwen9-8B", "unsloth/Qwen9-8B-GGUF", None),
    ],
)
def test_whether_the_catalogue_has_it(base: str | None, repo: str, entry: str | None) -> None:
    found = catalogued(replace(MODEL, base=base, repo=repo))
    assert (None if found is None else found.name) == entry


@pytest.mark.parametrize(
    ("name", "capabilities", "parameters", "tasks"),
    [
        ("Fresh-8B", {"completion"}, 8e9, ("chat",)),
        ("Fresh-1B", {"completion"}, 1e9, ("extract", "chat")),
        ("Fresh-4B", {"completion", "thinking"}, 4e9, ("chat", "reasoning", "extract")),
        ("Fresh-Coder-30B", {"completion", "vision"}, 3e10, ("code", "chat", "vision")),
        ("Devstral-Small", {"completion"}, 2.4e10, ("code", "chat")),
        ("Fresh-Embedding", {"embedding"}, 6e8, ("embed",)),
    ],
)
def test_its_tasks(
    name: str, capabilities: set[str], parameters: float, tasks: tuple[str, ...]
) -> None:
    assert tasks_of(name, capabilities, int(parameters)) == tasks


def test_it_is_ranked_by_the_rules_of_the_catalogue() -> None:
    machine = load_profile("rtx-4090")
    found = recommend(machine, "chat", others=[MODEL])
    [own] = [each for each in found if each.entry is MODEL]
    # Keys and values of 8,192 tokens: 32 layers, 8 heads of 128, twice, in two bytes.
    need = MODEL.memory(MODEL.files[0], 8192)
    assert need.context_bytes == 8192 * 32 * 2 * 8 * 128 * 2
    assert need.total_bytes > need.weights_bytes + need.context_bytes
    assert own.fits and own.in_gpu and own.pull_name.endswith("Q8_0")
    assert own.speed.expected is not None and 60 < own.speed.expected < 120
    [like] = [each for each in found if each.entry.name == "qwen3:8b"]
    assert found.index(own) < found.index(like), "a newer one of its size comes first"


def test_mlx_is_for_machines_with_metal() -> None:
    mlx = replace(MODEL, repo="mlx-community/Fresh-8B-4bit", format="mlx")
    assert candidates([MODEL, mlx], load_profile("rtx-4090")) == [MODEL]
    assert candidates([MODEL, mlx], load_profile("m2-8gb")) == [MODEL, mlx]


@pytest.mark.parametrize(
    ("config", "share"),
    [
        ({}, 1.0),
        # Qwen 3 30B-A3B: 128 experts of 768, 8 of them used, 48 layers.
        (
            {
                "num_experts": 128,
                "num_experts_per_tok": 8,
                "moe_intermediate_size": 768,
                "hidden_size": 2048,
                "num_hidden_layers": 48,
            },
            0.11,
        ),
        # gpt-oss calls them otherwise.
        (
            {
                "num_local_experts": 128,
                "experts_per_token": 8,
                "intermediate_size": 768,
                "hidden_size": 2048,
                "num_hidden_layers": 48,
            },
            0.11,
        ),
        ({"num_experts": 8, "num_experts_per_tok": 8}, 1.0),
    ],
)
def test_the_part_of_a_mixture_that_a_token_reads(config: dict[str, Any], share: float) -> None:
    assert active_share(config, 30_532_122_624) == pytest.approx(share, abs=0.005)
