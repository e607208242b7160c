"""What a file is by its header, where that is no model that chats."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.formats.gguf import read_header
from localai.formats.gguf_kinds import no_model, purpose_of
from tests.formats.synthetic import Spec, write


@pytest.mark.parametrize(
    ("architecture", "keys", "purpose"),
    [
        ("llama", {}, None),
        ("qwen3", {"pooling_type": 0}, None),
        ("an-architecture-of-tomorrow", {}, None),
        ("bert", {}, "embeds texts"),
        ("nomic-bert-moe", {}, "embeds texts"),
        ("modern-bert", {}, "embeds texts"),
        ("gemma-embedding", {}, "embeds texts"),
        ("qwen3", {"pooling_type": 3}, "embeds texts"),
        ("bert", {"pooling_type": 4}, "scores texts for a search (a reranker)"),
        ("qwen3", {"pooling_type": 4}, "scores texts for a search (a reranker)"),
        ("dream", {}, "writes by diffusion, which the engine does not serve"),
        ("llada", {}, "writes by diffusion, which the engine does not serve"),
        ("flux", {}, "makes pictures"),
        ("sd3", {}, "makes pictures"),
        ("wan", {}, "makes films"),
        ("whisper", {}, "makes or hears sound"),
        ("wavtokenizer-dec", {}, "makes or hears sound"),
        ("eagle3", {}, "guesses ahead for another model (a draft)"),
    ],
)
def test_what_a_model_does_instead_of_chatting(
    tmp_path: Path, architecture: str, keys: dict[str, int], purpose: str | None
) -> None:
    [path] = write(tmp_path / "m.gguf", Spec(architecture, layers=1, keys=dict(keys)))
    assert purpose_of(read_header(path)) == purpose
    assert no_model(read_header(path)) is None


@pytest.mark.parametrize(
    ("architecture", "kind", "what"),
    [
        ("llama", "model", None),
        ("llama", "adapter", "an adapter (LoRA), which changes another model"),
        ("llama", "imatrix", "an importance matrix, which is for quantizing"),
        ("llama", "vocab", "a vocabulary without a model"),
        ("clip", "mmproj", "a projector (mmproj), the image encoder of a model"),
        ("clip", "model", "a projector (mmproj), the image encoder of a model"),
    ],
)
def test_what_is_no_model(tmp_path: Path, architecture: str, kind: str, what: str | None) -> None:
    spec = Spec(architecture, layers=1, general={"general.type": kind})
    [path] = write(tmp_path / "m.gguf", spec)
    assert no_model(read_header(path)) == what
