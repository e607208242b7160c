"""An MLX folder by its headers: whole, damaged, quantized, multimodal; and under which name."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from localai.errors import InvalidInput, NotFound
from localai.formats.mlx_folder import read_folder
from localai.paths import Paths, locate
from localai.stores.inventory import mlx_models
from localai.stores.lookup import resolve_mlx

_BYTES = {"U32": 4, "F32": 4, "BF16": 2, "F16": 2}
_PLAIN = {"model.norm.weight": ("BF16", [64]), "model.embed_tokens.weight": ("BF16", [100, 64])}
_QUANTIZED = {
    "model.norm.weight": ("BF16", [64]),
    "model.embed_tokens.weight": ("U32", [100, 8]),
    "model.embed_tokens.scales": ("BF16", [100, 1]),
    "model.embed_tokens.biases": ("BF16", [100, 1]),
}


def write_safetensors(
    file: Path, tensors: Mapping[str, tuple[str, list[int]]], written_by: str | None = "mlx"
) -> None:
    """A whole safetensors file of zeros."""
    header: dict[str, Any] = {"__metadata__": {"format": written_by}} if written_by else {}
    end = 0
    for name, (kind, shape) in tensors.items():
        start, size = end, _BYTES[kind]
        for length in shape:
            size *= length
        end = start + size
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [start, end]}
    content = json.dumps(header).encode()
    file.write_bytes(len(content).to_bytes(8, "little") + content + bytes(end))


def make_folder(
    folder: Path,
    tensors: Mapping[str, tuple[str, list[int]]] = _PLAIN,
    written_by: str | None = "mlx",
    **config: Any,
) -> Path:
    folder.mkdir(parents=True)
    settings = {"model_type": "llama", "max_position_embeddings": 4096, **config}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "tokenizer.json").write_text("{}")
    write_safetensors(folder / "model.safetensors", tensors, written_by)
    return folder


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    return locate({"LOCALAI_HOME": str(tmp_path / "home")})


def test_a_real_model_is_described_without_mlx(mlx_model_path: Path) -> None:
    folder = read_folder(mlx_model_path)
    assert folder.parameter_count == 134_515_008
    assert folder.size_bytes == (mlx_model_path / "model.safetensors").stat().st_size
    assert folder.quantization == "f32"
    assert folder.float_bytes == 4
    assert folder.context_limit == 8192
    assert folder.is_mlx
    assert "<|im_start|>" in (folder.chat_template or "")
    assert not any(name.split(".")[0] in ("mlx", "mlx_lm") for name in sys.modules)


def test_packed_weights_are_counted_unpacked(tmp_path: Path) -> None:
    folder = read_folder(
        make_folder(tmp_path / "m", _QUANTIZED, quantization={"bits": 4, "group_size": 64})
    )
    assert folder.parameter_count == 100 * 64 + 64
    assert folder.quantization == "4bit"
    assert folder.float_type == "BF16"


def test_a_layer_may_have_bits_of_its_own(tmp_path: Path) -> None:
    scheme = {"bits": 4, "group_size": 64, "model.embed_tokens": {"bits": 8, "group_size": 64}}
    folder = read_folder(make_folder(tmp_path / "m", _QUANTIZED, quantization=scheme))
    assert folder.parameter_count == 100 * 32 + 64


def test_microscaling_is_named_by_its_mode(tmp_path: Path) -> None:
    scheme = {"bits": 4, "group_size": 32, "mode": "mxfp4"}
    assert (
        read_folder(make_folder(tmp_path / "m", _QUANTIZED, quantization=scheme)).quantization
        == "mxfp4"
    )


def test_the_text_part_of_a_multimodal_model_counts(tmp_path: Path) -> None:
    part = {"model_type": "llama_text", "max_position_embeddings": 131_072}
    folder = read_folder(make_folder(tmp_path / "m", model_type="llava", text_config=part))
    assert folder.context_limit == 131_072
    assert folder.config["model_type"] == "llava"


def test_the_authors_sampling_options_are_recommended(tmp_path: Path) -> None:
    path = make_folder(tmp_path / "m")
    (path / "generation_config.json").write_text('{"temperature": 0.6, "top_k": 20}')
    assert read_folder(path).recommended.temperature == 0.6
    assert read_folder(path).recommended.top_k == 20
    (path / "generation_config.json").write_text('{"do_sample": false, "temperature": 0.6}')
    assert read_folder(path).recommended.temperature == 0.0


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("chat_template.jinja", "{{ x }}"),
        ("chat_template.json", '{"chat_template": "{{ x }}"}'),
        ("tokenizer_config.json", '{"chat_template": "{{ x }}"}'),
        (
            "tokenizer_config.json",
            json.dumps(
                {
                    "chat_template": [
                        {"name": "tool", "template": "t"},
                        {"name": "default", "template": "{{ x }}"},
                    ]
                }
            ),
        ),
    ],
)
def test_the_chat_template_is_found_wherever_it_is_kept(
    tmp_path: Path, file: str, content: str
) -> None:
    path = make_folder(tmp_path / "m")
    assert read_folder(path).chat_template is None
    (path / file).write_text(content)
    assert read_folder(path).chat_template == "{{ x }}"


def test_a_folder_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_folder(tmp_path / "nothing")


def _truncate(path: Path) -> None:
    file = path / "model.safetensors"
    os.truncate(file, file.stat().st_size - 1)


def _claim_a_huge_header(path: Path) -> None:
    file = path / "model.safetensors"
    file.write_bytes((1 << 60).to_bytes(8, "little") + file.read_bytes()[8:])


def _lose_a_part(path: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))


def _name_code(path: Path) -> None:
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "model_file": "model.py"}))


def _point_outside(path: Path) -> None:
    index = {"weight_map": {"a": "../model.safetensors"}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (_truncate, "not a whole safetensors file"),
        (_claim_a_huge_header, "not a whole safetensors file"),
        (_lose_a_part, "model-2.safetensors is missing"),
        (_name_code, "names code to run"),
        (_point_outside, "points out of its folder"),
        (lambda path: (path / "tokenizer.json").unlink(), "no tokenizer"),
        (lambda path: (path / "model.safetensors").unlink(), "no weights"),
        (lambda path: (path / "config.json").unlink(), "config.json is missing"),
        (lambda path: (path / "config.json").write_text("{"), "not JSON"),
        (lambda path: (path / "config.json").write_text("[]"), "not a JSON object"),
        (lambda path: (path / "config.json").write_text("{}"), "names no model_type"),
    ],
)
def test_what_is_not_whole_is_refused_with_the_reason(
    tmp_path: Path, damage: Any, complaint: str
) -> None:
    path = make_folder(tmp_path / "m")
    damage(path)
    with pytest.raises(InvalidInput, match=complaint):
        read_folder(path)


def test_every_store_is_searched_under_its_own_names(paths: Paths, tmp_path: Path) -> None:
    make_folder(paths.models_dir / "mine")
    make_folder(tmp_path / "user/.lmstudio/models/mlx-community/Tiny-4bit")
    hub = tmp_path / "user/.cache/huggingface/hub/models--mlx-community--Small-8bit/snapshots"
    old, new = make_folder(hub / "aaa"), make_folder(hub / "bbb")
    os.utime(old, (1, 1))
    make_folder(hub.parent.with_name("models--org--original") / "snapshots/ccc", written_by="pt")
    found = {model.id: model for model in mlx_models(paths, {})}
    assert set(found) == {"mine", "mlx-community/Tiny-4bit", "mlx-community/Small-8bit"}
    assert found["mlx-community/Small-8bit"].path == new
    assert resolve_mlx("tiny-4bit", paths, {}).id == "mlx-community/Tiny-4bit"
    assert resolve_mlx("hf.co/mlx-community/Small-8bit", paths, {}).path == new
    assert resolve_mlx("org/original", paths, {}).id == "org/original"


def test_a_path_names_its_folder(paths: Paths, tmp_path: Path) -> None:
    path = make_folder(tmp_path / "somewhere")
    assert resolve_mlx(str(path), paths, {}).path == path


def test_an_unknown_name_is_not_found_and_near_ones_are_named(paths: Paths) -> None:
    make_folder(paths.models_dir / "org/Qwen3-8B-4bit")
    with pytest.raises(NotFound) as caught:
        resolve_mlx("qwen3-8b-4bitt", paths, {})
    assert "org/Qwen3-8B-4bit" in (caught.value.hint or "")


def test_a_name_that_means_two_models_is_refused(paths: Paths) -> None:
    make_folder(paths.models_dir / "a/model")
    make_folder(paths.models_dir / "b/model")
    with pytest.raises(InvalidInput) as caught:
        resolve_mlx("model", paths, {})
    assert caught.value.hint == "name one of a/model, b/model"
