"""A file that is quantized is the one that it was, but for its matrices: read by the makers' own
reader."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from localai.errors import InvalidInput
from localai.formats import gguf_quantization
from localai.formats.gguf import read_header, read_model
from localai.formats.gguf_quantization import PLAIN_TYPES, quantize_file
from localai.formats.k_types import quantized_rows
from localai.formats.quantization_types import TENSOR_TYPE_OF_NAME
from tests.formats.synthetic import Spec, write


def quantized(sources: list[Path], to: str, target: Path) -> gguf.GGUFReader:
    steps = list(quantize_file(sources, read_model(sources[0]), to, target))
    assert steps[-1].done_bytes == steps[-1].total_bytes == read_model(sources[0]).tensor_bytes
    return gguf.GGUFReader(target)


def test_all_metadata_but_the_type_come_along_unread(tmp_path: Path) -> None:
    sizes = [2**30, 7]
    general: dict[str, str | int] = {"general.name": "Zoë 🦙", "general.file_type": 1}
    spec = Spec("llama", layers=2, general=general, keys={"rope.sizes": sizes, "x": True})
    parts = write(tmp_path / "m.gguf", spec, parts=2)
    before, made = gguf.GGUFReader(parts[0]), quantized(parts, "Q8_0", tmp_path / "made.gguf")

    def content(reader: gguf.GGUFReader) -> dict[str, object]:
        return {
            name: (field.types, field.contents())
            for name, field in reader.fields.items()
            if not name.startswith(("GGUF.", "split.", "general.file", "general.quantization"))
        }

    assert content(made) == content(before)
    assert content(made)["general.name"] == ([gguf.GGUFValueType.STRING], "Zoë 🦙")
    assert content(made)["llama.rope.sizes"][1] == sizes  # type: ignore[index]
    assert made.fields["general.file_type"].contents() == 7
    assert made.fields["general.quantization_version"].contents() == 2
    assert not any(name.startswith("split.") for name in made.fields)


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads as Linux tells them")
def test_no_thread_is_begun_for_what_is_not_computed(tmp_path: Path) -> None:
    """numpy's linear algebra begins one for each core, and interrupts the process that may not."""
    [source] = write(tmp_path / "m.gguf", Spec("llama", layers=1))
    script = (
        "import os, sys\nfrom pathlib import Path\n"
        "from localai.formats.gguf import read_model\n"
        "from localai.formats.gguf_quantization import quantize_file\n"
        "source, target = map(Path, sys.argv[1:])\n"
        "assert list(quantize_file([source], read_model(source), 'Q8_0', target))\n"
        "assert 'numpy' in sys.modules\n"
        "print(len(os.listdir('/proc/self/task')))\n"
    )
    command: list[str | Path] = [sys.executable, "-c", script, source, tmp_path / "made.gguf"]
    environment = {name: value for name, value in os.environ.items() if "OPENBLAS" not in name}
    made = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=120)
    assert made.stdout == b"1\n"


def test_matrices_become_the_type_and_all_else_stays_byte_by_byte(tmp_path: Path) -> None:
    source = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(source, "llama")
    writer.add_block_count(1)
    writer.add_custom_alignment(64)
    chance = np.random.default_rng(0)
    rows: dict[str, np.ndarray[Any, Any]] = {
        "output_norm.weight": chance.standard_normal(96).astype(np.float32),
        "blk.0.attn_q.weight": chance.standard_normal((5, 96)).astype(np.float16),
        "output.weight": chance.standard_normal((3, 96)).astype(np.float32),
    }
    for name, values in rows.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    made = quantized([source], "Q4_0", tmp_path / "made.gguf")
    header = read_header(tmp_path / "made.gguf")
    assert header.alignment == 64
    # The last tensor is padded too, as llama.cpp's own files have it.
    assert (header.file_bytes, (tmp_path / "made.gguf").stat().st_size) == (1394, 1408)
    assert [(each.name, each.tensor_type.name) for each in made.tensors] == [
        ("output_norm.weight", "F32"),
        ("blk.0.attn_q.weight", "Q4_0"),
        ("output.weight", "Q8_0"),
    ]
    norm, matrix, output = made.tensors
    assert norm.data.tolist() == rows["output_norm.weight"].tolist()
    assert matrix.shape.tolist() == [96, 5]
    for tensor, loss in ((matrix, 0.12), (output, 0.01)):
        error = gguf.dequantize(tensor.data, tensor.tensor_type) - rows[tensor.name]
        assert 0 < np.sqrt(np.mean(error**2)) < loss


@pytest.mark.parametrize("name", [each for each in PLAIN_TYPES if each != "F16"])
def test_the_engine_makes_of_plain_types_what_numpy_makes(name: str) -> None:
    floats = np.random.default_rng(1).standard_normal((7, 96)).astype(np.float32)
    kind = TENSOR_TYPE_OF_NAME[name]
    made = quantized_rows(floats, kind.number, round(kind.size_bytes(96)))
    assert made.tolist() == gguf.quantize(floats, gguf.GGMLQuantizationType[name]).tolist()


def test_without_the_engine_numpy_makes_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [source] = write(tmp_path / "m.gguf", Spec("llama", layers=1))
    quantized([source], "Q5_1", tmp_path / "engine.gguf")
    monkeypatch.setattr(gguf_quantization, "k_types_available", lambda: False)
    quantized([source], "Q5_1", tmp_path / "numpy.gguf")
    assert (tmp_path / "numpy.gguf").read_bytes() == (tmp_path / "engine.gguf").read_bytes()


def test_a_tensor_of_an_unknown_type_is_named(tmp_path: Path) -> None:
    [source] = write(tmp_path / "m.gguf", Spec("llama", layers=1))
    raw = source.read_bytes()
    name = b"blk.0.attn_q.weight"
    # Behind the name: the number of dimensions, two of them, the type.
    at = raw.index(name) + len(name) + 4 + 16
    source.write_bytes(raw[:at] + (999).to_bytes(4, "little") + raw[at + 4 :])
    with pytest.raises(InvalidInput, match=r"cannot decode blk\.0\.attn_q\.weight, which is type"):
        quantized([source], "Q8_0", tmp_path / "made.gguf")
