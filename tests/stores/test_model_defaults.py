"""A model's own system prompt and options go with it to another name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from localai.stores.model_defaults import (
    ModelDefaults,
    defaults_file,
    keep_defaults,
    read_defaults,
)
from localai.types import Message, Options, ResolvedModel, Zone


def _model(system_prompt: str | None, recommended: Options) -> ResolvedModel:
    return ResolvedModel(
        "llamacpp",
        "m",
        Zone.DEVICE,
        "a test",
        system_prompt=system_prompt,
        recommended=recommended,
    )


@pytest.mark.parametrize(
    ("system_prompt", "recommended"),
    [
        ("Answer in French.", Options()),
        (None, Options(temperature=0.5, stop=("END",))),
        ("Be brief.", Options(top_k=3)),
    ],
)
def test_what_is_kept_is_read_again(
    system_prompt: str | None, recommended: Options, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.gguf"
    keep_defaults(_model(system_prompt, recommended), copy)
    assert read_defaults(copy) == ModelDefaults(system_prompt, recommended)


def test_a_model_without_any_leaves_no_file(tmp_path: Path) -> None:
    copy = tmp_path / "copy.gguf"
    keep_defaults(_model(None, Options()), copy)
    assert not defaults_file(copy).exists()
    assert read_defaults(copy) == ModelDefaults()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"recommended": {"stop": 3}}', b"\xff"])
def test_a_damaged_file_is_no_defaults(content: bytes, tmp_path: Path) -> None:
    copy = tmp_path / "copy.gguf"
    defaults_file(copy).write_bytes(content)
    assert read_defaults(copy) == ModelDefaults()


def test_the_first_messages_are_kept_too(tmp_path: Path) -> None:
    examples = (Message("user", "Say hi."), Message("assistant", "Hi!"))
    copy = tmp_path / "copy.gguf"
    keep_defaults(replace(_model(None, Options()), examples=examples), copy)
    assert read_defaults(copy) == ModelDefaults(examples=examples)


def test_the_context_that_its_maker_set_is_kept_too(tmp_path: Path) -> None:
    copy = tmp_path / "copy.gguf"
    keep_defaults(replace(_model(None, Options()), context_tokens=2048), copy)
    assert read_defaults(copy) == ModelDefaults(context_tokens=2048)
