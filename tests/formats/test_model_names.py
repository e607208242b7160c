"""One model under its publishers' names, Ollama's and a file's."""

from __future__ import annotations

import pytest

from localai.formats.model_names import bare_name


@pytest.mark.parametrize(
    ("names", "bare"),
    [
        (
            (
                "qwen3:8b",
                "Qwen/Qwen3-8B",
                "mlx-community/Qwen3-8B-Instruct-4bit",
                "hf.co/Qwen/Qwen3-8B-GGUF:Q4_K_M",
                "unsloth/Qwen3-8B-GGUF:UD-Q4_K_XL",
            ),
            "qwen38b",
        ),
        (("gemma4:e2b", "google/gemma-4-E2B-it", "gemma-4-e2b-it-qat-4bit"), "gemma4e2b"),
        (("llama3.2:latest", "meta-llama/Llama-3.2"), "llama3.2"),
        (("gguf", "org/gguf"), "gguf"),
    ],
)
def test_a_name_without_what_is_not_the_models(names: tuple[str, ...], bare: str) -> None:
    assert {name: bare_name(name) for name in names} == dict.fromkeys(names, bare)


def test_another_size_is_another_model() -> None:
    assert bare_name("qwen3:8b") != bare_name("qwen3:14b") != bare_name("qwen3-coder:14b")
