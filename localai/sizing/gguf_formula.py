"""A GGUF model's memory by formula, for when the engine cannot say it: an architecture that it does
not know, a projection that failed. In all other cases the engine is asked
(`localai.sizing.memory`).

Weights are the files' own bytes. The context is, for each layer, what its kind keeps: keys and
values of every token, of a window, one compressed row (latent attention), or a state whose size
does not depend on the context (recurrent). Compute is the attention mask and the activations of a
micro-batch, as llama.cpp reserves them.
"""

from __future__ import annotations

from typing import Final

from localai.engine.llamacpp.steps import LONG_STEPS
from localai.formats.gguf import GgufHeader
from localai.formats.quantization_types import TENSOR_TYPE_OF_NAME
from localai.sizing.memory_parts import MemoryParts

# The number of KV cells is a multiple of this.
_CELL_PADDING: Final = 256
# One layer in this many is global, the others use a sliding window; 0: all use one. A pattern in
# the header takes precedence. An architecture that is not listed has no windows in llama.cpp,
# whatever its header says (Mistral, Phi-3).
_WINDOW_PERIOD: Final = {
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gemma4": 6,
    "gpt-oss": 2,
    "llama4": 4,
    "cohere2": 4,
    "olmo2": 4,
    "exaone4": 4,
    "smallthinker": 4,
    "muse-glimmer": 4,
}


def gguf_memory(
    header: GgufHeader,
    context_tokens: int,
    kv_type: str,
    slots: int,
    micro_batch: int = LONG_STEPS.micro_batch,
) -> MemoryParts:
    """The memory that llama.cpp takes for the model of `header`, by formula.

    `micro_batch` is how many tokens it computes at once, and how many cells a sliding window has
    beyond its size; by default as many as on a GPU, on a CPU it takes less.
    """
    cells = -(-context_tokens // _CELL_PADDING) * _CELL_PADDING
    window = _window_cells(header, cells, slots, micro_batch)
    layers = header.block_count or 0
    layers -= header.architecture_integer("attention.shared_kv_layers") or 0
    context = 0.0
    caches: set[int] = set()
    for layer in range(layers):
        if _recurrent(header, layer):
            context += _state_bytes(header) * slots
            continue
        if _feed_forward_only(header, layer):
            continue
        windowed = _windowed(header, layer)
        size = window if windowed else cells
        caches.add(size)
        context += size * _token_bytes(header, layer, kv_type, windowed=windowed)
    compute = micro_batch * _token_compute_bytes(header, sum(caches))
    return MemoryParts(header.tensor_bytes, round(context), compute)


def _token_compute_bytes(header: GgufHeader, mask_cells: int) -> int:
    """The working memory for a token of a micro-batch: a half-precision mask over the cells of each
    kind of cache, and activations of five times the model's width and three times its
    feed-forward's.

    The factors are read off llama.cpp's own figures for a dozen models (SmolLM2 22.6 MiB at 8k,
    Gemma 3 270M 27.3): with them all but the recurrent ones agree within 1 MiB.
    """
    width = header.embedding_length or 0
    experts = header.expert_used_count * (
        header.architecture_integer("expert_feed_forward_length") or 0
    )
    dense = max(header.per_layer("feed_forward_length") or (0,), default=0)
    inner = experts or dense or header.architecture_integer("ssm.inner_size") or 4 * width
    return 2 * mask_cells + 4 * (5 * width + 3 * inner)


def _token_bytes(header: GgufHeader, layer: int, kv_type: str, *, windowed: bool) -> float:
    """The bytes that an attention layer keeps of each token. Gemma 4's layers with a window have
    lengths of their own."""
    rank = header.architecture_integer("attention.kv_lora_rank")
    if rank and header.architecture_integer("attention.key_length_mla"):
        rope = header.architecture_integer("rope.dimension_count") or 0
        return _row_bytes(rank + rope, kv_type)
    heads, kv_heads = header.head_count, header.head_count_kv
    if heads is None or kv_heads is None or not heads[layer]:
        return 0.0
    default = (header.embedding_length or 0) // heads[layer]
    key = header.architecture_integer("attention.key_length") or default
    value = header.architecture_integer("attention.value_length") or default
    if windowed:
        key = header.architecture_integer("attention.key_length_swa") or key
        value = header.architecture_integer("attention.value_length_swa") or value
    return _row_bytes(key * kv_heads[layer], kv_type) + _row_bytes(value * kv_heads[layer], kv_type)


def _row_bytes(elements: int, kv_type: str) -> float:
    return TENSOR_TYPE_OF_NAME[kv_type.upper()].size_bytes(elements)


def _recurrent(header: GgufHeader, layer: int) -> bool:
    """Whether `layer` keeps a state instead of keys and values."""
    if interval := header.architecture_integer("full_attention_interval"):
        return (layer + 1) % interval != 0
    return _without_heads(header, layer) and not _feed_forward_only(header, layer)


def _without_heads(header: GgufHeader, layer: int) -> bool:
    kv_heads = header.head_count_kv
    return kv_heads is not None and kv_heads[layer] == 0


def _feed_forward_only(header: GgufHeader, layer: int) -> bool:
    """Whether `layer` mixes no tokens and keeps nothing: Nemotron-H's have one part each, which is
    attention, a state or a feed-forward."""
    if not isinstance(header.of_architecture("feed_forward_length"), tuple):
        return False
    lengths = header.per_layer("feed_forward_length") or ()
    return _without_heads(header, layer) and lengths[layer] > 0


def _state_bytes(header: GgufHeader) -> int:
    """The state of one recurrent layer for one sequence: Mamba, RWKV or a short convolution."""
    if inner := header.architecture_integer("ssm.inner_size"):
        state = header.architecture_integer("ssm.state_size") or 0
        groups = header.architecture_integer("ssm.group_count") or 0
        kernel = header.architecture_integer("ssm.conv_kernel") or 1
        return 4 * ((kernel - 1) * (inner + 2 * groups * state) + state * inner)
    width = header.embedding_length or 0
    if head := header.architecture_integer("wkv.head_size"):
        return 4 * (2 * width + head * width)
    return 4 * width * ((header.architecture_integer("shortconv.l_cache") or 1) - 1)


def _window_cells(header: GgufHeader, cells: int, slots: int, micro_batch: int) -> int:
    window = header.architecture_integer("attention.sliding_window") or 0
    wanted = window * slots + micro_batch
    return min(cells, -(-wanted // _CELL_PADDING) * _CELL_PADDING)


def _windowed(header: GgufHeader, layer: int) -> bool:
    period = _WINDOW_PERIOD.get(header.architecture or "")
    if period is None or not header.architecture_integer("attention.sliding_window"):
        return False
    pattern = header.of_architecture("attention.sliding_window_pattern")
    if isinstance(pattern, tuple):
        return layer < len(pattern) and bool(pattern[layer])
    if isinstance(pattern, int) and not isinstance(pattern, bool) and pattern > 0:
        period = pattern
    return (layer + 1) % period != 0
