"""Folders of safetensors that do not chat are told by their small files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from localai.errors import InvalidInput
from localai.formats.folder_kinds import purpose_of_folder
from localai.formats.mlx_folder import read_folder
from tests.formats.test_mlx_folder import make_folder

_FILES = ("config.json", "model.safetensors", "tokenizer.json")


@pytest.mark.parametrize(
    ("config", "purpose"),
    [
        ({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}, None),
        ({"architectures": ["Qwen2_5_VLForConditionalGeneration"]}, None),
        ({"architectures": ["GPT2LMHeadModel"]}, None),
        ({"model_type": "llama"}, None),
        ({"architectures": "LlamaModel"}, None),
        ({"architectures": [], "model_type": 7}, None),
        ({"architectures": ["SomethingNew"]}, None),
        ({"architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper"}, "hear"),
        ({"architectures": ["Wav2Vec2ForCTC"], "model_type": "wav2vec2"}, "hear"),
        ({"architectures": ["MoonForCTC"]}, "hear"),
        ({"architectures": ["VitsModel"], "model_type": "vits"}, "sound"),
        (
            {"architectures": ["MusicgenForConditionalGeneration"], "model_type": "musicgen"},
            "sound",
        ),
        ({"architectures": ["BertModel"], "model_type": "bert"}, "embeds"),
        ({"architectures": ["XLMRobertaForMaskedLM"]}, "gaps"),
        ({"architectures": ["BertForSequenceClassification"], "id2label": {"0": "a"}}, "search"),
        ({"architectures": ["BertForSequenceClassification"], "num_labels": 1}, "search"),
        ({"architectures": ["BertForSequenceClassification"]}, "classes"),
        ({"architectures": ["CLIPModel"], "model_type": "clip"}, "pictures"),
        ({"architectures": ["ViTForImageClassification"]}, "pictures"),
    ],
)
def test_what_a_folder_does_is_told_by_its_config(
    config: dict[str, Any], purpose: str | None
) -> None:
    words = {"hear": "writes down speech", "sound": "makes sound", "embeds": "embeds texts"}
    found = purpose_of_folder(_FILES, config)
    assert (found is None) == (purpose is None)
    assert purpose is None or words.get(purpose, purpose) in (found or "")


def test_a_folder_of_sentence_transformers_embeds_whatever_it_is_made_of(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m", model_type="qwen3", architectures=["Qwen3ForCausalLM"])
    assert read_folder(folder).purpose is None
    (folder / "modules.json").write_text("[]")
    assert read_folder(folder).purpose == "embeds texts"


def test_a_model_that_needs_no_tokenizer_is_described_without_one(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m", model_type="whisper")
    (folder / "tokenizer.json").unlink()
    assert read_folder(folder).purpose == "writes down speech"


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        ("model_index.json", "makes pictures: it does not chat"),
        ("adapter_config.json", r"is an adapter \(LoRA\), which changes another model"),
    ],
)
def test_a_folder_that_is_no_model_says_what_it_is(
    tmp_path: Path, file: str, complaint: str
) -> None:
    folder = make_folder(tmp_path / "m")
    (folder / "config.json").rename(folder / file)
    with pytest.raises(InvalidInput, match=complaint):
        read_folder(folder)
