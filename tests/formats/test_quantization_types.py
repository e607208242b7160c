"""The lists of types agree with the one table."""

from __future__ import annotations

import tomllib
from typing import get_args

from localai.engine.worker_files import KvType
from localai.formats.gguf_quantization import PLAIN_TYPES, TYPES
from localai.formats.k_types import MIXTURES
from localai.formats.quantization_types import (
    FILE_TYPE_NUMBER,
    FILE_TYPES,
    TENSOR_TYPE_OF_NAME,
    TENSOR_TYPES,
)
from localai.library.quantization.ollama import BITS_PER_WEIGHT
from tests.support.command import REPOSITORY


def test_each_name_means_one_type() -> None:
    assert len(TENSOR_TYPE_OF_NAME) == len(TENSOR_TYPES)
    assert len(FILE_TYPE_NUMBER) == len(FILE_TYPES)


def test_what_a_file_can_become_has_a_number() -> None:
    assert set(TYPES) <= set(FILE_TYPE_NUMBER)
    assert set(PLAIN_TYPES) | set(MIXTURES.values()) <= set(TENSOR_TYPE_OF_NAME)


def test_ollamas_types_are_file_types() -> None:
    assert set(BITS_PER_WEIGHT) <= set(FILE_TYPE_NUMBER)


def test_the_types_of_the_kv_cache_are_tensor_types() -> None:
    assert {name.upper() for name in get_args(KvType)} <= set(TENSOR_TYPE_OF_NAME)


def test_the_catalogues_quantizations_are_file_types() -> None:
    text = (REPOSITORY / "localai/recommend/catalogue.toml").read_text()
    document = tomllib.loads(text)
    named = {file["quantization"] for model in document["model"] for file in model["files"]}
    assert set(document["bits_per_weight"]) - {"source"} <= set(FILE_TYPE_NUMBER)
    # Of a tag whose source says no more than that.
    assert named - {"16-bit"} <= set(FILE_TYPE_NUMBER)


def test_the_size_of_a_row_is_its_blocks() -> None:
    assert TENSOR_TYPE_OF_NAME["Q4_K"].size_bytes(512) == 288
    assert TENSOR_TYPE_OF_NAME["Q4_K"].divides(512)
    assert not TENSOR_TYPE_OF_NAME["Q4_K"].divides(500)
