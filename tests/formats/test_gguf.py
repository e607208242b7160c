"""What the header reader says of real files, made-to-order files and hostile ones."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from gguf import GGMLQuantizationType, GGUFReader
from gguf.constants import GGML_QUANT_SIZES, LlamaFileType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localai.errors import InvalidInput, NotFound
from localai.formats import gguf
from localai.formats.quantization_types import FILE_TYPES, TENSOR_TYPES
from tests.formats import synthetic

LIMIT = settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_bytes(data: bytes, name: str = "model.gguf") -> gguf.GgufHeader:
    return gguf.read_header_at(
        lambda offset, length: data[offset : offset + length], name=name, size_bytes=len(data)
    )


def test_the_starter_is_described_as_it_is(smollm2_path: Path) -> None:
    header = gguf.read_header(smollm2_path)
    assert (header.architecture, header.license) == ("llama", "apache-2.0")
    assert (header.context_length, header.block_count, header.embedding_length) == (8192, 30, 576)
    assert header.head_count == (9,) * 30
    assert header.head_count_kv == (3,) * 30
    assert header.parameter_count == 134_515_008
    assert header.quantization == "Q4_1"
    assert header.vocabulary_size == 49_152
    assert header.tied_embeddings
    assert header.active_bytes_per_token == header.tensor_bytes == 96_576_768
    assert header.data_offset == 1_785_664
    assert header.file_bytes == smollm2_path.stat().st_size
    assert header.chat_template is not None
    assert "<|im_start|>" in header.chat_template
    assert (header.expert_count, header.split_count) == (0, 1)
    assert header.metadata["general.languages"] == ("en",)


def test_gemma_is_described_as_it_is(gemma3_path: Path) -> None:
    header = gguf.read_header(gemma3_path)
    assert header.architecture == "gemma3"
    assert header.quantization == "Q4_K_M"
    assert header.architecture_integer("attention.sliding_window") == 512
    assert header.head_count_kv == (1,) * 18
    assert header.vocabulary_size == 262_144
    assert header.chat_template is None
    assert header.file_bytes == gemma3_path.stat().st_size
    assert not header.is_projector


def test_every_tensor_is_as_the_reference_reader_says(smollm2_path: Path) -> None:
    header = gguf.read_header(smollm2_path)
    ours = [
        (t.name, t.shape, t.type, t.elements, t.size_bytes, header.data_offset + t.offset)
        for t in header.tensors
    ]
    theirs = [
        (
            t.name,
            tuple(int(n) for n in t.shape),
            t.tensor_type.name,
            int(t.n_elements),
            int(t.n_bytes),
            int(t.data_offset),
        )
        for t in GGUFReader(smollm2_path).tensors
    ]
    assert ours == theirs


def test_the_type_table_agrees_with_the_gguf_package() -> None:
    expected = {kind.value: (kind.name, *GGML_QUANT_SIZES[kind]) for kind in GGMLQuantizationType}
    # The package still has 40 bytes for it; ggml's block_q8_1 is two halves and 32 bytes.
    expected[GGMLQuantizationType.Q8_1.value] = ("Q8_1", 32, 36)
    # A later package may know more types; those we know are as it says.
    known = {
        number: (kind.name, kind.block_elements, kind.block_bytes)
        for number, kind in TENSOR_TYPES.items()
    }
    assert {number: expected[number] for number in known} == known


def test_the_file_type_labels_agree_with_the_gguf_package() -> None:
    expected = {
        kind.value: kind.name.removeprefix("ALL_").removeprefix("MOSTLY_").removesuffix("_MOE")
        for kind in LlamaFileType
        if kind is not LlamaFileType.GUESSED
    }
    assert {kind: expected[kind] for kind in FILE_TYPES} == FILE_TYPES


@pytest.mark.parametrize("name", synthetic.MODELS)
def test_a_model_of_each_kind_is_read_whole(name: str, tmp_path: Path) -> None:
    spec = synthetic.MODELS[name]
    [path] = synthetic.write(tmp_path / "m.gguf", spec)
    header = gguf.read_header(path)
    shapes = {t.name: tuple(reversed(t.shape)) for t in header.tensors}
    assert shapes == spec.tensors()
    assert header.architecture == spec.architecture
    assert header.tied_embeddings == spec.tied
    assert header.vocabulary_size == synthetic.VOCABULARY
    assert header.file_bytes <= path.stat().st_size < header.file_bytes + header.alignment


def test_head_counts_that_differ_by_layer_are_kept(tmp_path: Path) -> None:
    [path] = synthetic.write(tmp_path / "m.gguf", synthetic.MODELS["jamba, hybrid"])
    header = gguf.read_header(path)
    assert header.head_count_kv == (0, 2, 0, 2)
    assert header.head_count == (8, 8, 8, 8)


def test_only_the_experts_in_use_count_for_speed(tmp_path: Path) -> None:
    spec = synthetic.MODELS["qwen3moe"]
    [path] = synthetic.write(tmp_path / "m.gguf", spec)
    header = gguf.read_header(path)
    expert_bytes = sum(t.size_bytes for t in header.tensors if "_exps." in t.name)
    embedding_bytes = 2 * synthetic.VOCABULARY * spec.width
    always = header.tensor_bytes - expert_bytes - embedding_bytes
    assert (header.expert_count, header.expert_used_count) == (8, 2)
    assert header.active_bytes_per_token == always + expert_bytes // 4


def test_the_input_embedding_is_read_only_where_it_is_the_output_too(tmp_path: Path) -> None:
    [tied] = synthetic.write(tmp_path / "a.gguf", synthetic.MODELS["llama, tied"])
    [untied] = synthetic.write(tmp_path / "b.gguf", synthetic.MODELS["llama, grouped queries"])
    a, b = gguf.read_header(tied), gguf.read_header(untied)
    assert a.active_bytes_per_token == b.active_bytes_per_token == a.tensor_bytes
    assert b.tensor_bytes > a.tensor_bytes


def test_an_image_encoder_in_the_file_is_not_read_for_a_token(tmp_path: Path) -> None:
    [path] = synthetic.write(tmp_path / "a.gguf", synthetic.MODELS["llama, tied"])
    header = gguf.read_header(path)
    encoder = gguf.TensorInfo("v.blk.0.attn_q.weight", (64, 64), "F16", 0, 8192)
    seeing = replace(header, tensors=(*header.tensors, encoder))
    assert seeing.has_vision and not header.has_vision
    assert seeing.active_bytes_per_token == header.active_bytes_per_token


def test_without_a_label_the_type_of_most_bytes_is_the_quantization(tmp_path: Path) -> None:
    [path] = synthetic.write(tmp_path / "m.gguf", synthetic.MODELS["llama, tied"])
    assert gguf.read_header(path).quantization == "F16"


def test_a_split_model_is_one_model(tmp_path: Path) -> None:
    spec = synthetic.MODELS["llama, grouped queries"]
    [whole] = synthetic.write(tmp_path / "whole.gguf", spec)
    parts = synthetic.write(tmp_path / "m.gguf", spec, parts=3)
    model = gguf.read_model(parts[0])
    assert gguf.part_paths(parts[1], gguf.read_header(parts[1])) == tuple(parts)
    assert model.parameter_count == gguf.read_header(whole).parameter_count
    assert model.split_count == 3
    assert gguf.read_header(parts[2]).split_number == 2


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    parts = synthetic.write(tmp_path / "m.gguf", synthetic.MODELS["llama, tied"], parts=2)
    parts[1].unlink()
    with pytest.raises(NotFound, match=r"m-00002-of-00002\.gguf"):
        gguf.read_model(parts[0])


def test_a_renamed_part_is_refused_with_its_number(tmp_path: Path) -> None:
    parts = synthetic.write(tmp_path / "m.gguf", synthetic.MODELS["llama, tied"], parts=2)
    renamed = parts[0].rename(tmp_path / "other.gguf")
    with pytest.raises(InvalidInput, match=r"other\.gguf is part 1 of 2"):
        gguf.read_model(renamed)


def test_the_header_is_read_by_ranges_without_the_weights(smollm2_path: Path) -> None:
    asked: list[tuple[int, int]] = []
    with smollm2_path.open("rb") as file:

        def read(offset: int, length: int) -> bytes:
            asked.append((offset, length))
            file.seek(offset)
            return file.read(length)

        header = gguf.read_header_at(read, name="remote", size_bytes=smollm2_path.stat().st_size)
    assert header.parameter_count == 134_515_008
    assert len(asked) <= 4
    assert sum(length for _, length in asked) < 4 << 20


def test_a_source_that_gives_one_byte_at_a_time_gives_the_same(tmp_path: Path) -> None:
    [path] = synthetic.write(tmp_path / "m.gguf", synthetic.MODELS["llama, tied"])
    data = path.read_bytes()
    slow = gguf.read_header_at(
        lambda offset, length: data[offset : offset + 1], name="slow", size_bytes=None
    )
    assert slow.tensors == gguf.read_header(path).tensors


def test_the_vocabulary_is_not_held_in_memory(gemma3_path: Path) -> None:
    tracemalloc.start()
    try:
        header = gguf.read_header(gemma3_path)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert header.metadata["tokenizer.ggml.tokens"] == gguf.ArraySummary("string", 262_144)
    assert held < 300_000
    assert peak < 16 << 20


def test_the_starter_is_opened_quickly(smollm2_path: Path) -> None:
    gguf.read_header(smollm2_path)
    times = []
    for _ in range(7):
        begin = time.thread_time()
        gguf.read_header(smollm2_path)
        times.append(time.thread_time() - begin)
    # 6 ms here.
    assert min(times) < 0.03


def _header(tensors: int = 0, keys: int = 0, version: int = 3, tail: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys) + tail


def _string(text: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(text) if length is None else length) + text


HUGE = 1 << 62
BROKEN = {
    "empty": (b"", "is empty"),
    "text": (b"<html>404 Not Found</html>", "is not a GGUF file"),
    "three letters": (b"GGU", "is not a GGUF file"),
    "magic only": (b"GGUF", "is truncated"),
    "version 1": (_header(version=1), "is GGUF version 1"),
    "version from the future": (_header(version=9), "is GGUF version 9"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "is a big-endian GGUF file"),
    "endless tensors": (_header(tensors=HUGE), f"claims {HUGE} tensors"),
    "endless keys": (_header(keys=HUGE), f"claims {HUGE} metadata keys"),
    "endless key": (_header(keys=1, tail=_string(b"", HUGE)), f"metadata key of {HUGE} bytes"),
    "endless value": (
        _header(keys=1, tail=_string(b"k") + struct.pack("<I", 8) + _string(b"", HUGE)),
        f"metadata value of {HUGE} bytes",
    ),
    "endless array": (
        _header(keys=1, tail=_string(b"k") + struct.pack("<IIQ", 9, 8, HUGE)),
        f"claims {HUGE} elements",
    ),
    "array longer than the file": (
        _header(keys=1, tail=_string(b"k") + struct.pack("<IIQ", 9, 8, 1 << 20)),
        "is truncated",
    ),
    "string inside a skipped array that leaves the file": (
        _header(
            keys=1,
            tail=_string(b"k") + struct.pack("<IIQ", 9, 8, 2000) + struct.pack("<Q", HUGE) * 2000,
        ),
        "is truncated",
    ),
    "metadata without end": (
        _header(
            keys=3,
            tail=b"".join(
                _string(key) + struct.pack("<I", 8) + _string(bytes(11 << 20))
                for key in (b"a", b"b", b"c")
            ),
        ),
        "has more than 32 MiB of metadata",
    ),
    "array in an array": (
        _header(keys=1, tail=_string(b"k") + struct.pack("<IIQ", 9, 9, 1)),
        "unknown element type 9",
    ),
    "unknown value type": (
        _header(keys=1, tail=_string(b"k") + struct.pack("<I", 77)),
        "unknown type 77",
    ),
    "a key twice": (
        _header(keys=2, tail=(_string(b"k") + struct.pack("<II", 4, 1)) * 2),
        "metadata key 'k' twice",
    ),
    "a tensor twice": (
        _header(tensors=2, tail=(_string(b"t") + struct.pack("<IQIQ", 1, 8, 0, 0)) * 2),
        "tensor 't' twice",
    ),
    "five dimensions": (
        _header(tensors=1, tail=_string(b"t") + struct.pack("<I", 5)),
        "tensor of 5 dimensions",
    ),
    "alignment zero": (
        _header(keys=1, tail=_string(b"general.alignment") + struct.pack("<II", 4, 0)),
        "impossible alignment",
    ),
    "alignment three": (
        _header(keys=1, tail=_string(b"general.alignment") + struct.pack("<II", 4, 3)),
        "no power of two",
    ),
    "a tensor as large as the universe": (
        _header(tensors=1, tail=_string(b"t") + struct.pack("<IQQIQ", 2, HUGE, HUGE, 0, 0)),
        "impossible place or size",
    ),
    "a row that is no whole block": (
        _header(tensors=1, tail=_string(b"t") + struct.pack("<IQIQ", 1, 33, 2, 0)),
        "no multiple of 32",
    ),
    "overlapping tensors": (
        _header(
            tensors=2,
            tail=_string(b"a")
            + struct.pack("<IQIQ", 1, 64, 0, 0)
            + _string(b"b")
            + struct.pack("<IQIQ", 1, 64, 0, 32),
        ),
        "overlapping tensors",
    ),
    "weights missing": (
        _header(tensors=1, tail=_string(b"t") + struct.pack("<IQIQ", 1, 4096, 0, 0)),
        "its header describes 16,448 bytes, the file has 57",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    data, reason = BROKEN[case]
    path = tmp_path / "broken.gguf"
    path.write_bytes(data)
    with pytest.raises(InvalidInput) as caught:
        gguf.read_header(path)
    assert str(path) in caught.value.message
    assert reason in caught.value.message


def test_a_download_that_was_cut_is_refused(smollm2_path: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    with smollm2_path.open("rb") as file:
        cut.write_bytes(file.read(5_000_000))
    with pytest.raises(InvalidInput, match=r"describes 98,362,432 bytes, the file has 5,000,000"):
        gguf.read_header(cut)


def test_a_tensor_type_from_the_future_is_no_reason_to_refuse() -> None:
    rows = _string(b"a") + struct.pack("<IQIQ", 1, 64, 99, 0)
    rows += _string(b"b") + struct.pack("<IQIQ", 1, 64, 0, 64)
    data = _header(tensors=2, tail=rows)
    data += bytes(-len(data) % 32 + 64 + 256)
    header = read_bytes(data)
    assert [(t.type, t.size_bytes) for t in header.tensors] == [("type 99", 64), ("F32", 256)]


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(InvalidInput, match="is not a file"):
            gguf.read_header(path)
    with pytest.raises(NotFound, match="absent"):
        gguf.read_header(tmp_path / "absent.gguf")


@pytest.fixture(scope="session")
def small_header(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A header with every kind of value, short enough to be mutated everywhere."""
    path = tmp_path_factory.mktemp("fuzz") / "m.gguf"
    synthetic.write(path, synthetic.MODELS["jamba, hybrid"])
    return path.read_bytes()[: gguf.read_header(path).data_offset]


def survives(data: bytes, size_bytes: int | None) -> None:
    """Reading `data` gives a header or an InvalidInput, in bounded time."""
    begin = time.thread_time()
    _give_header_or_refuse(data, size_bytes)
    assert time.thread_time() - begin < 2


def _give_header_or_refuse(data: bytes, size_bytes: int | None) -> None:
    try:
        header = gguf.read_header_at(
            lambda offset, length: data[offset : offset + length],
            name="hostile.gguf",
            size_bytes=size_bytes,
        )
    except InvalidInput as error:
        assert error.message.startswith("hostile.gguf ")
        assert len(error.message) < 400
        return
    facts = {
        name: getattr(header, name)
        for name, member in vars(gguf.GgufHeader).items()
        if isinstance(member, property) or hasattr(member, "func")
    }
    assert {"quantization", "head_count_kv", "active_bytes_per_token"} <= facts.keys()


@LIMIT
@given(
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=9)), max_size=6),
    cut=st.floats(0, 1),
    known_size=st.booleans(),
)
def test_a_mutated_header_never_crashes_the_reader(
    small_header: bytes, edits: list[tuple[float, bytes]], cut: float, known_size: bool
) -> None:
    data = bytearray(small_header)
    for place, piece in edits:
        at = int(place * (len(data) - 1))
        data[at : at + len(piece)] = piece
    mutated = bytes(data[: round(cut * len(data))] if cut < 0.3 else data)
    survives(mutated, len(mutated) if known_size else None)


@LIMIT
@given(data=st.binary(max_size=400), magic=st.booleans(), known_size=st.booleans())
def test_random_bytes_never_crash_the_reader(data: bytes, magic: bool, known_size: bool) -> None:
    whole = b"GGUF\x03\x00\x00\x00" + data if magic else data
    survives(whole, len(whole) if known_size else None)


class Endless:
    """A server that sends the same byte for ever, however far one asks."""

    def __init__(self, head: bytes, byte: bytes) -> None:
        self.head, self.byte = head, byte

    def read(self, offset: int, length: int) -> bytes:
        return (self.head[offset : offset + length] or self.byte * length)[:length]


@pytest.mark.parametrize(
    "head",
    [
        _header(keys=1 << 16),
        _header(tensors=1 << 16),
        _header(keys=1, tail=_string(b"k") + struct.pack("<IIQ", 9, 8, 1 << 22)),
        _header(keys=1, tail=_string(b"k") + struct.pack("<IIQ", 9, 0, 1 << 22)),
        _header(keys=1, tail=_string(b"k") + struct.pack("<I", 8) + _string(b"", 16 << 20)),
    ],
    ids=["keys", "tensors", "strings", "numbers", "text"],
)
@pytest.mark.parametrize("byte", [b"\0", b"\1", b"\xff"])
def test_an_endless_source_ends(head: bytes, byte: bytes) -> None:
    tracemalloc.start()
    begin = time.thread_time()
    try:
        with contextlib.suppress(InvalidInput):
            gguf.read_header_at(Endless(head, byte).read, name="endless", size_bytes=None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.thread_time() - begin < 20
    assert peak < 128 << 20


def test_importing_the_reader_loads_nothing_heavy() -> None:
    code = (
        "import sys, localai.formats.gguf; "
        "print([m for m in ('rich','pydantic','psutil','numpy','xllamacpp','ssl') "
        "if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
