"""A projector for SmolLM2 that sees nothing, but sees: with it the engine takes pictures.

No vision model can be had here. This one is LLaVA's shape in small, with weights of no meaning: a
picture becomes 16 embeddings (4 × 4 patches), so what arrives can be counted, not understood.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from gguf import GGUFWriter

PATCHES = 16
_WIDTH = 64
_PATCH = 16
_FEED_FORWARD = 128
_LAYERS = 2
_SMOLLM2_WIDTH = 576


def write_projector(path: Path) -> None:
    """Write it at `path`; beside the model it is found by its name, `mmproj-….gguf`."""
    writer = GGUFWriter(path, "clip")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.use_gelu", True)
    numbers = {
        "image_size": 4 * _PATCH,
        "patch_size": _PATCH,
        "embedding_length": _WIDTH,
        "feed_forward_length": _FEED_FORWARD,
        "block_count": _LAYERS,
        "projection_dim": _SMOLLM2_WIDTH,
        "attention.head_count": 4,
    }
    for key, number in numbers.items():
        writer.add_uint32(f"clip.vision.{key}", number)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-6)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
    random = np.random.default_rng(0)
    for name, shape in _tensors().items():
        writer.add_tensor(name, (random.standard_normal(shape) * 0.05).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tensors() -> dict[str, tuple[int, ...]]:
    tensors: dict[str, tuple[int, ...]] = {
        "v.patch_embd.weight": (_WIDTH, 3, _PATCH, _PATCH),
        "v.patch_embd.bias": (_WIDTH,),
        "v.position_embd.weight": (PATCHES, _WIDTH),
        "v.post_ln.weight": (_WIDTH,),
        "v.post_ln.bias": (_WIDTH,),
        "mm.0.weight": (_SMOLLM2_WIDTH, _WIDTH),
        "mm.0.bias": (_SMOLLM2_WIDTH,),
        "mm.2.weight": (_SMOLLM2_WIDTH, _SMOLLM2_WIDTH),
        "mm.2.bias": (_SMOLLM2_WIDTH,),
    }
    matrices = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_out"), (_WIDTH, _WIDTH))
    matrices |= {"ffn_up": (_FEED_FORWARD, _WIDTH), "ffn_down": (_WIDTH, _FEED_FORWARD)}
    for layer in range(_LAYERS):
        for name, shape in matrices.items():
            tensors[f"v.blk.{layer}.{name}.weight"] = shape
            tensors[f"v.blk.{layer}.{name}.bias"] = shape[:1]
        for name in ("ln1", "ln2"):
            tensors[f"v.blk.{layer}.{name}.weight"] = (_WIDTH,)
            tensors[f"v.blk.{layer}.{name}.bias"] = (_WIDTH,)
    return tensors


def red_square(size: int = 64) -> bytes:
    """A PNG of `size` × `size` red pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    rows = (b"\0" + bytes((200, 30, 30)) * size) * size
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    )
