"""Small GGUF files of many architectures, written by the `gguf` package, not by our code.

The shapes are real ones shrunk. The tensors are those that llama.cpp's loader asks for, so the
engine's projection can be held against them too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter

VOCABULARY = 512
Shape = tuple[int, ...]
Keys = dict[str, int | float | bool | list[int]]


@dataclass
class Spec:
    """A model to write. Shapes are in numpy's order: the last dimension is contiguous."""

    architecture: str
    width: int = 256
    layers: int = 4
    heads: int = 8
    kv_heads: int = 2
    head_length: int = 32
    feed_forward: int = 512
    context: int = 4096
    tied: bool = False
    keys: Keys = field(default_factory=dict)
    general: dict[str, str | int] = field(default_factory=dict)
    block: Callable[[Spec, int], Mapping[str, Shape]] | None = None
    more: Mapping[str, Shape] = field(default_factory=dict)

    def tensors(self) -> dict[str, Shape]:
        """Name and shape of every tensor, in file order."""
        table: dict[str, Shape] = {"token_embd.weight": (VOCABULARY, self.width)}
        table["output_norm.weight"] = (self.width,)
        if not self.tied:
            table["output.weight"] = (VOCABULARY, self.width)
        table.update(self.more)
        for layer in range(self.layers):
            rows = (self.block or attention_block)(self, layer)
            table.update({f"blk.{layer}.{name}": shape for name, shape in rows.items()})
        return table


def attention_block(spec: Spec, layer: int) -> dict[str, Shape]:
    """Grouped-query attention and a gated feed-forward."""
    return attention(spec) | dense_feed_forward(spec)


def attention(spec: Spec) -> dict[str, Shape]:
    queries, keys = spec.heads * spec.head_length, spec.kv_heads * spec.head_length
    return {
        "attn_norm.weight": (spec.width,),
        "attn_q.weight": (queries, spec.width),
        "attn_k.weight": (keys, spec.width),
        "attn_v.weight": (keys, spec.width),
        "attn_output.weight": (spec.width, queries),
        "ffn_norm.weight": (spec.width,),
    }


def dense_feed_forward(spec: Spec) -> dict[str, Shape]:
    return {
        "ffn_gate.weight": (spec.feed_forward, spec.width),
        "ffn_up.weight": (spec.feed_forward, spec.width),
        "ffn_down.weight": (spec.width, spec.feed_forward),
    }


def experts(spec: Spec, count: int, length: int) -> dict[str, Shape]:
    return {
        "ffn_gate_inp.weight": (count, spec.width),
        "ffn_gate_exps.weight": (count, length, spec.width),
        "ffn_up_exps.weight": (count, length, spec.width),
        "ffn_down_exps.weight": (count, spec.width, length),
    }


def write(path: Path, spec: Spec, *, parts: int = 1) -> list[Path]:
    """Write `spec` at `path` as F16 (norms F32, as always), into one file or `parts` files."""
    tensors = spec.tensors()
    if parts == 1:
        _write_file(path, spec, tensors, {})
        return [path]
    names = list(tensors)
    step = -(-len(names) // parts)
    paths = []
    for number in range(parts):
        chosen = {name: tensors[name] for name in names[number * step : (number + 1) * step]}
        part = path.with_name(f"{path.stem}-{number + 1:05}-of-{parts:05}.gguf")
        split = {"split.no": number, "split.count": parts, "split.tensors.count": len(names)}
        _write_file(part, spec, chosen, split, with_metadata=number == 0)
        paths.append(part)
    return paths


def write_header(path: Path, spec: Spec) -> int:
    """Write only the header of `spec` at `path`, and return how long the whole file would be."""
    writer = GGUFWriter(path, spec.architecture)
    _add_metadata(writer, spec)
    end = 0
    for name, shape in spec.tensors().items():
        kind = _number_type(name, shape)
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        writer.add_tensor_info(name, shape, np.dtype(kind), size)
        end += -(-size // 32) * 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    header = path.read_bytes()
    path.write_bytes(header + bytes(-len(header) % 32))
    return path.stat().st_size + end


def _number_type(name: str, shape: Shape) -> type[np.float16] | type[np.float32]:
    is_matrix = len(shape) > 1 and not name.endswith(("gate_inp.weight", "conv1d.weight", "ssm_a"))
    return np.float16 if is_matrix else np.float32


def _write_file(
    path: Path,
    spec: Spec,
    tensors: Mapping[str, Shape],
    split: Mapping[str, int],
    *,
    with_metadata: bool = True,
) -> None:
    writer = GGUFWriter(path, spec.architecture)
    if with_metadata:
        _add_metadata(writer, spec)
    if split:
        writer.add_uint16("split.no", split["split.no"])
        writer.add_uint16("split.count", split["split.count"])
        writer.add_int32("split.tensors.count", split["split.tensors.count"])
    for name, shape in tensors.items():
        kind = _number_type(name, shape)
        raw = GGMLQuantizationType.F16 if kind is np.float16 else GGMLQuantizationType.F32
        writer.add_tensor(name, np.zeros(shape, dtype=kind), raw_dtype=raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_metadata(writer: GGUFWriter, spec: Spec) -> None:
    for key, text in spec.general.items():
        if isinstance(text, int):
            writer.add_uint32(key, text)
        else:
            writer.add_string(key, text)
    standard: Keys = {
        "context_length": spec.context,
        "embedding_length": spec.width,
        "block_count": spec.layers,
        "feed_forward_length": spec.feed_forward,
        "attention.head_count": spec.heads,
        "attention.head_count_kv": spec.kv_heads,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "vocab_size": VOCABULARY,
    }
    for name, value in (standard | spec.keys).items():
        key = f"{spec.architecture}.{name}"
        if isinstance(value, list):
            writer.add_array(key, value)
        elif isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        else:
            writer.add_uint32(key, value)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([f"token{i}" for i in range(VOCABULARY)])
    writer.add_token_types([1] * VOCABULARY)
    writer.add_token_merges(["t o", "to k", "tok e", "toke n"])


def _moe_block(spec: Spec, layer: int) -> dict[str, Shape]:
    normed = {"attn_q_norm.weight": (spec.head_length,), "attn_k_norm.weight": (spec.head_length,)}
    return attention(spec) | normed | experts(spec, 8, 128)


def _gemma_block(spec: Spec, layer: int) -> dict[str, Shape]:
    norms = {"post_attention_norm.weight": (spec.width,), "post_ffw_norm.weight": (spec.width,)}
    if spec.architecture == "gemma3":
        norms |= {
            "attn_q_norm.weight": (spec.head_length,),
            "attn_k_norm.weight": (spec.head_length,),
        }
    return attention_block(spec, layer) | norms


def _qwen3_block(spec: Spec, layer: int) -> dict[str, Shape]:
    return attention_block(spec, layer) | {
        "attn_q_norm.weight": (spec.head_length,),
        "attn_k_norm.weight": (spec.head_length,),
    }


def _phi3_block(spec: Spec, layer: int) -> dict[str, Shape]:
    rows = spec.head_length * (spec.heads + 2 * spec.kv_heads)
    return {
        "attn_norm.weight": (spec.width,),
        "attn_qkv.weight": (rows, spec.width),
        "attn_output.weight": (spec.width, spec.heads * spec.head_length),
        "ffn_norm.weight": (spec.width,),
        "ffn_up.weight": (2 * spec.feed_forward, spec.width),
        "ffn_down.weight": (spec.width, spec.feed_forward),
    }


def _mla_block(spec: Spec, layer: int) -> dict[str, Shape]:
    """Multi-head latent attention as in DeepSeek-V2: one compressed row for all heads."""
    query_rank, rank, rope, nope, value = 128, 64, 16, 32, 32
    rows = {
        "attn_norm.weight": (spec.width,),
        "attn_q_a.weight": (query_rank, spec.width),
        "attn_q_a_norm.weight": (query_rank,),
        "attn_q_b.weight": (spec.heads * (nope + rope), query_rank),
        "attn_kv_a_mqa.weight": (rank + rope, spec.width),
        "attn_kv_a_norm.weight": (rank,),
        "attn_k_b.weight": (spec.heads, rank, nope),
        "attn_v_b.weight": (spec.heads, value, rank),
        "attn_output.weight": (spec.width, spec.heads * value),
        "ffn_norm.weight": (spec.width,),
    }
    if layer == 0:
        return rows | dense_feed_forward(spec)
    shared = {
        "ffn_gate_shexp.weight": (128, spec.width),
        "ffn_up_shexp.weight": (128, spec.width),
        "ffn_down_shexp.weight": (spec.width, 128),
    }
    return rows | experts(spec, 8, 128) | shared


def _mamba_block(spec: Spec, layer: int) -> dict[str, Shape]:
    inner, state, rank = 512, 16, 16
    return {
        "attn_norm.weight": (spec.width,),
        "ssm_in.weight": (2 * inner, spec.width),
        "ssm_conv1d.weight": (inner, 4),
        "ssm_conv1d.bias": (inner,),
        "ssm_x.weight": (rank + 2 * state, inner),
        "ssm_dt.weight": (inner, rank),
        "ssm_dt.bias": (inner,),
        "ssm_a": (inner, state),
        "ssm_d": (inner,),
        "ssm_out.weight": (spec.width, inner),
    }


def _jamba_block(spec: Spec, layer: int) -> dict[str, Shape]:
    if layer % 2:
        return attention_block(spec, layer)
    norms = {
        "ssm_dt_norm.weight": (16,),
        "ssm_b_norm.weight": (16,),
        "ssm_c_norm.weight": (16,),
        "ffn_norm.weight": (spec.width,),
    }
    return _mamba_block(spec, layer) | norms | dense_feed_forward(spec)


def _gemma4_block(spec: Spec, layer: int) -> dict[str, Shape]:
    """One layer in six sees all, with one head of twice the length and no values of its own."""
    windowed = bool((layer + 1) % 6)
    length = spec.head_length if windowed else 2 * spec.head_length
    keys = (spec.kv_heads if windowed else 1) * length
    rows = {
        "attn_norm.weight": (spec.width,),
        "attn_q.weight": (spec.heads * length, spec.width),
        "attn_k.weight": (keys, spec.width),
        "attn_output.weight": (spec.width, spec.heads * length),
        "attn_q_norm.weight": (length,),
        "attn_k_norm.weight": (length,),
        "post_attention_norm.weight": (spec.width,),
        "ffn_norm.weight": (spec.width,),
        "post_ffw_norm.weight": (spec.width,),
    }
    values = {"attn_v.weight": (keys, spec.width)} if windowed else {}
    return rows | values | dense_feed_forward(spec)


def _qwen35_block(spec: Spec, layer: int) -> dict[str, Shape]:
    """Three layers in four keep a state (gated delta net), the fourth has gated attention."""
    inner, state, groups, rank = 256, 32, 4, 8
    rows = {
        "attn_norm.weight": (spec.width,),
        "post_attention_norm.weight": (spec.width,),
        **dense_feed_forward(spec),
    }
    if (layer + 1) % 4:
        mixed = 2 * groups * state + inner
        return rows | {
            "attn_qkv.weight": (mixed, spec.width),
            "attn_gate.weight": (inner, spec.width),
            "ssm_conv1d.weight": (mixed, 4),
            "ssm_dt.bias": (rank,),
            "ssm_a": (rank,),
            "ssm_beta.weight": (rank, spec.width),
            "ssm_alpha.weight": (rank, spec.width),
            "ssm_norm.weight": (inner // rank,),
            "ssm_out.weight": (spec.width, inner),
        }
    queries, keys = spec.heads * spec.head_length, spec.kv_heads * spec.head_length
    return rows | {
        "attn_q.weight": (2 * queries, spec.width),
        "attn_k.weight": (keys, spec.width),
        "attn_v.weight": (keys, spec.width),
        "attn_output.weight": (spec.width, queries),
        "attn_q_norm.weight": (spec.head_length,),
        "attn_k_norm.weight": (spec.head_length,),
    }


def _qwen35_block_or_head(spec: Spec, layer: int) -> dict[str, Shape]:
    """The last layer is a head: it guesses the token after the next from a token and the state."""
    if layer < spec.layers - 1:
        return _qwen35_block(spec, layer)
    return _qwen35_block(spec, 3) | {
        "nextn.eh_proj.weight": (spec.width, 2 * spec.width),
        "nextn.enorm.weight": (spec.width,),
        "nextn.hnorm.weight": (spec.width,),
    }


_SSM: Keys = {
    "ssm.conv_kernel": 4,
    "ssm.inner_size": 512,
    "ssm.state_size": 16,
    "ssm.time_step_rank": 16,
}
_HEAD_LENGTHS: Keys = {
    "attention.key_length": 32,
    "attention.value_length": 32,
}

_QWEN35: Keys = _HEAD_LENGTHS | {
    "full_attention_interval": 4,
    "ssm.conv_kernel": 4,
    "ssm.inner_size": 256,
    "ssm.state_size": 32,
    "ssm.group_count": 4,
    "ssm.time_step_rank": 8,
    "rope.dimension_count": 16,
    "rope.dimension_sections": [4, 4, 4, 0],
}

MODELS: dict[str, Spec] = {
    "llama, grouped queries": Spec("llama", general={"general.file_type": 1}),
    "llama, tied": Spec("llama", tied=True),
    "llama, all heads": Spec("llama", kv_heads=8),
    "qwen3, wide heads": Spec(
        "qwen3",
        head_length=64,
        block=_qwen3_block,
        keys={"attention.key_length": 64, "attention.value_length": 64},
    ),
    "gemma2, every second layer windowed": Spec(
        "gemma2",
        tied=True,
        block=_gemma_block,
        keys=_HEAD_LENGTHS | {"attention.sliding_window": 512},
    ),
    "gemma3, five of six windowed": Spec(
        "gemma3",
        layers=12,
        tied=True,
        block=_gemma_block,
        keys=_HEAD_LENGTHS | {"attention.sliding_window": 512},
    ),
    "phi3, fused": Spec("phi3", block=_phi3_block, keys={"rope.dimension_count": 32}),
    "qwen3moe": Spec(
        "qwen3moe",
        block=_moe_block,
        keys=_HEAD_LENGTHS
        | {"expert_count": 8, "expert_used_count": 2, "expert_feed_forward_length": 128},
    ),
    "deepseek2, latent attention": Spec(
        "deepseek2",
        kv_heads=1,
        block=_mla_block,
        keys={
            "attention.q_lora_rank": 128,
            "attention.kv_lora_rank": 64,
            "attention.key_length": 80,
            "attention.value_length": 64,
            "attention.key_length_mla": 48,
            "attention.value_length_mla": 32,
            "rope.dimension_count": 16,
            "leading_dense_block_count": 1,
            "expert_count": 8,
            "expert_used_count": 2,
            "expert_shared_count": 1,
            "expert_feed_forward_length": 128,
            "expert_weights_scale": 1.0,
            "expert_gating_func": 1,
        },
    ),
    "mamba, recurrent": Spec(
        "mamba", heads=0, kv_heads=0, block=_mamba_block, keys=_SSM | {"feed_forward_length": 0}
    ),
    "gemma4, windows with heads of their own": Spec(
        "gemma4",
        layers=12,
        tied=True,
        block=_gemma4_block,
        more={"rope_freqs.weight": (32,)},
        keys={
            "attention.key_length": 64,
            "attention.value_length": 64,
            "attention.key_length_swa": 32,
            "attention.value_length_swa": 32,
            "attention.sliding_window": 512,
            "attention.sliding_window_pattern": [bool((layer + 1) % 6) for layer in range(12)],
            "attention.head_count_kv": [2 if (layer + 1) % 6 else 1 for layer in range(12)],
            "attention.shared_kv_layers": 0,
            "embedding_length_per_layer_input": 0,
            "rope.dimension_count": 64,
            "rope.dimension_count_swa": 32,
            "rope.freq_base_swa": 10000.0,
        },
    ),
    "qwen35, gated delta net": Spec(
        "qwen35",
        layers=8,
        block=_qwen35_block,
        keys=_QWEN35,
    ),
    "qwen35, with a layer that predicts": Spec(
        "qwen35",
        layers=5,
        block=_qwen35_block_or_head,
        keys=_QWEN35 | {"nextn_predict_layers": 1},
    ),
    "jamba, hybrid": Spec(
        "jamba",
        block=_jamba_block,
        keys=_SSM | {"attention.head_count_kv": [0, 2, 0, 2]},
    ),
}
