"""What people paste in the place of a model's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.errors import InvalidInput
from localai.stores.references import (
    HubReference,
    file_of_url,
    hub_reference,
    ollama_reference,
    plain_name,
)

REPO = "Org/re.po-GGUF"
PLAIN = HubReference(REPO, None)
FILE = HubReference(REPO, None, "a/x-Q8_0.gguf")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"hf.co/{REPO}", PLAIN),
        (f"HF.co/{REPO}", PLAIN),
        (f"hf.co/{REPO}/", PLAIN),
        (f"hf.co/{REPO}:latest", PLAIN),
        (f"hf.co/{REPO}:Latest", PLAIN),
        (f"hf.co/{REPO}:Q5_K_M", HubReference(REPO, "Q5_K_M")),
        (f"hf.co/{REPO}:q5_k_m", HubReference(REPO, "q5_k_m")),
        (f"hf.co/{REPO}:UD-Q4_K_XL", HubReference(REPO, "UD-Q4_K_XL")),
        (f"hf.co/{REPO}:x-Q8_0.gguf", HubReference(REPO, None, "x-Q8_0.gguf")),
        (f"hf.co/{REPO}:a/x-Q8_0.gguf", FILE),
        (f"hf.co/{REPO}/a/x-Q8_0.gguf", FILE),
        (f"hf.co/{REPO}@v2", HubReference(REPO, None, revision="v2")),
        (f"hf.co/{REPO}@v2:Q4_0", HubReference(REPO, "Q4_0", revision="v2")),
        (f"hf://{REPO}", PLAIN),
        (f"hf://models/{REPO}", PLAIN),
        (f"HF://{REPO}:Q4_0", HubReference(REPO, "Q4_0")),
        (f"hf://{REPO}/a/x-Q8_0.gguf", FILE),
        (f"hf://{REPO}@main/a/x-Q8_0.gguf", FILE),
        (f"huggingface.co/{REPO}", PLAIN),
        (f"www.huggingface.co/{REPO}", PLAIN),
        (f"https://huggingface.co/{REPO}", PLAIN),
        (f"http://huggingface.co/{REPO}", PLAIN),
        (f"HTTPS://HuggingFace.co/{REPO}/", PLAIN),
        (f"https://huggingface.co/{REPO}?library=llama-cpp-python", PLAIN),
        (f"https://huggingface.co/{REPO}#model-card", PLAIN),
        (f"https://huggingface.co/{REPO}/tree/main", PLAIN),
        (f"https://huggingface.co/{REPO}/tree/main/Q8_0", HubReference(REPO, "Q8_0")),
        (f"https://huggingface.co/{REPO}/blob/main/a/x-Q8_0.gguf", FILE),
        (f"https://huggingface.co/{REPO}/resolve/main/a/x-Q8_0.gguf?download=true", FILE),
        (f"https://huggingface.co/{REPO}/raw/main/a/x-Q8_0.gguf", FILE),
        (f"https://huggingface.co/{REPO}/blob/main/a%2Fx-Q8_0.gguf", FILE),
        (
            f"https://huggingface.co/{REPO}/resolve/v2/a/x-Q8_0.gguf",
            HubReference(REPO, None, "a/x-Q8_0.gguf", "v2"),
        ),
        (f"https://huggingface.co/{REPO}?show_file_info=a%2Fx-Q8_0.gguf", FILE),
        (
            f"https://huggingface.co/{REPO}/blob/main/my%20model.gguf",
            HubReference(REPO, None, "my model.gguf"),
        ),
        (f"hf:{REPO}:Q4_0", HubReference(REPO, "Q4_0")),
        ("qwen3:8b", None),
        ("org/repo", None),
        ("https://example.com/org/repo", None),
        ("https://example.com/hf.co/org/repo", None),
    ],
)
def test_what_is_meant_on_the_hub(text: str, expected: HubReference | None) -> None:
    assert hub_reference(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hf://datasets/org/name", "no model's page"),
        ("https://huggingface.co/spaces/org/name", "no model's page"),
        ("https://huggingface.co/datasets/org/name", "no model's page"),
        (f"https://huggingface.co/{REPO}/blob/main/README.md", "README.md is no GGUF file"),
        (f"hf://{REPO}/model.safetensors", "model.safetensors is no GGUF file"),
        ("hf.co", "the repository is missing"),
        ("hf.co/", "the repository is missing"),
        ("hf:", "the repository is missing"),
        ("hf://", "the repository is missing"),
        ("https://huggingface.co/", "the repository is missing"),
        ("hf:org", "the repository of org is missing"),
        ("hf.co/org", "the repository of org is missing"),
        ("hf.co/org/", "the repository of org is missing"),
        ("huggingface.co/org", "the repository of org is missing"),
        (f"hf.co/{REPO}:", "the quantization behind the colon is missing"),
        ("hf.co/org/../x", "cannot be a repository"),
        ("hf.co/org/a--b", "cannot be a repository"),
        (f"hf.co/{REPO}:Q4 0", "cannot be a quantization"),
        (f"hf.co/{REPO}@../x", "cannot be a branch"),
    ],
)
def test_what_is_no_model_is_said_to_be_none(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        hub_reference(text)


def test_one_quantization_is_named_once() -> None:
    assert hub_reference(f"hf.co/{REPO}:q4_0", "Q4_0") == HubReference(REPO, "Q4_0")
    assert hub_reference(f"hf.co/{REPO}:latest", "Q4_0") == HubReference(REPO, "Q4_0")
    for text in (f"hf.co/{REPO}:Q8_0", f"hf.co/{REPO}/x.gguf"):
        with pytest.raises(InvalidInput, match="both"):
            hub_reference(text, "Q4_0")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("file:///models/x.gguf", "/models/x.gguf"),
        ("file:/models/x.gguf", "/models/x.gguf"),
        ("FILE:///models/x.gguf", "/models/x.gguf"),
        ("file://localhost/models/x.gguf", "/models/x.gguf"),
        ("file:///models/my%20model%23.gguf", "/models/my model#.gguf"),
        ("file:///models/%C3%BC.gguf", "/models/ü.gguf"),
        ("/models/x.gguf", None),
        ("files:x", None),
    ],
)
def test_a_file_address_is_its_path(text: str, path: str | None) -> None:
    assert file_of_url(text) == (None if path is None else Path(path))


@pytest.mark.parametrize("text", ["file://server/share/x.gguf", "file://", "file:", "file://~/%00"])
def test_a_file_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        file_of_url(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://ollama.com/library/qwen3", "qwen3"),
        ("https://ollama.com/library/qwen3:8b", "qwen3:8b"),
        ("ollama.com/library/qwen3:8b", "qwen3:8b"),
        ("https://www.ollama.com/library/qwen3/tags", "qwen3"),
        ("https://ollama.com/someone/model", "someone/model"),
        ("ollama://qwen3:8b", "qwen3:8b"),
        ("ollama://registry.ollama.ai/library/qwen3:8b", "qwen3:8b"),
        ("qwen3:8b", None),
        ("registry.example/library/x", None),
    ],
)
def test_a_page_of_ollamas_library_is_its_model(text: str, name: str | None) -> None:
    assert ollama_reference(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"https://huggingface.co/{REPO}/blob/main/a/x-Q8_0.gguf", f"hf.co/{REPO}/a/x-Q8_0.gguf"),
        (f"hf://{REPO}:Q4_0", f"hf.co/{REPO}:Q4_0"),
        (f"hf.co/{REPO}:latest", f"hf.co/{REPO}"),
        ("file:///models/x.gguf", "/models/x.gguf"),
        ("ollama://qwen3:8b", "qwen3:8b"),
        ("qwen3:8b", "qwen3:8b"),
        ("./x.gguf", "./x.gguf"),
    ],
)
def test_the_name_that_an_address_means_here(text: str, name: str) -> None:
    assert plain_name(text) == name
