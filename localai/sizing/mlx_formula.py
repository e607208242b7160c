"""How much memory an MLX model takes: a formula, because MLX does not say before it loads.

    weights + context + compute
    weights   the files' size: MLX keeps them as they are
    context   per layer and token, keys and values: 2 · kv_heads · head_dim · bytes of a float;
              a sliding layer stops at its window; a linear-attention layer keeps no tokens;
              with multi-head latent attention one latent vector replaces both
    compute   the activations of two layers in one prefill step, which stand beside them at the
              peak; scores of attention are not counted, because Metal never holds them

The context is held against mlx-lm's own cache in `tests/sizing/test_mlx_formula.py`. At the peak
of a 512-token prefill of SmolLM2-135M (float32, mlx 0.32.4 on a CPU, which does hold the scores:
19 MB here) the allocator counted 594 MB; the formula says 585 for such a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localai.formats.mlx_folder import MlxFolder
from localai.formats.mlx_weights import LAYER_NAMES, experts, positive_integer
from localai.sizing.memory_parts import MemoryParts

# The worker's prefill step on a GPU: this many tokens are computed at once, at most.
PREFILL_STEP_TOKENS = 2048
# MLX grows a cache in steps of this many tokens.
_CACHE_STEP_TOKENS = 256


def projected_memory(folder: MlxFolder, context_tokens: int) -> MemoryParts | None:
    """The memory of the model with a context of `context_tokens`, by the formula above; None if
    config.json lacks a value that the formula needs."""
    return memory_by_config(folder.config, folder.float_bytes, folder.size_bytes, context_tokens)


def memory_by_config(
    config: Mapping[str, Any], float_bytes: int, weights_bytes: int, context_tokens: int
) -> MemoryParts | None:
    """`projected_memory` of a folder that is described by its config.json and its weights' size."""
    context = context_bytes(config, float_bytes, context_tokens)
    hidden = positive_integer(config, "hidden_size", "dim", "n_embd")
    if context is None or hidden is None:
        return None
    wide = positive_integer(config, "intermediate_size", "ffn_dim") or 4 * hidden
    # In memory at once in a layer: its input, the residual, and the two branches of a gated MLP.
    compute = 2 * PREFILL_STEP_TOKENS * (2 * hidden + 3 * wide) * float_bytes
    return MemoryParts(weights_bytes, context, compute)


def active_share(config: Mapping[str, Any], parameter_count: int) -> float:
    """The share of the weights that one token reads: 1, or less for a mixture of experts, whose
    experts have three matrices each."""
    count, used = experts(config) or (0, 0)
    width = positive_integer(config, "moe_intermediate_size", "expert_intermediate_size")
    width = width or positive_integer(config, "intermediate_size")
    hidden = positive_integer(config, "hidden_size")
    layers = positive_integer(config, "num_hidden_layers")
    if not (width and hidden and layers and 0 < used < count):
        return 1.0
    layers -= positive_integer(config, "first_k_dense_replace") or 0
    idle = 3 * layers * hidden * width * (count - used)
    return 1.0 - idle / parameter_count if 0 < idle < parameter_count else 1.0


def context_bytes(config: Mapping[str, Any], float_bytes: int, tokens: int) -> int | None:
    """The size of the KV cache of `tokens`, in bytes; None if the config lacks what the formula
    needs."""
    layers = positive_integer(config, *LAYER_NAMES)
    per_token = _values_per_layer_and_token(config)
    if layers is None or per_token is None:
        return None
    tokens = -(-tokens // _CACHE_STEP_TOKENS) * _CACHE_STEP_TOKENS
    window = positive_integer(config, "sliding_window")
    held = sum(_held_tokens(kind, tokens, window) for kind in _layer_kinds(config, layers))
    return held * per_token * float_bytes


def _values_per_layer_and_token(config: Mapping[str, Any]) -> int | None:
    latent = positive_integer(config, "kv_lora_rank")
    if latent is not None:
        return latent + (positive_integer(config, "qk_rope_head_dim") or 0)
    heads = positive_integer(config, "num_attention_heads", "n_heads", "n_head")
    kv_heads = positive_integer(config, "num_key_value_heads", "n_kv_heads") or heads
    hidden = positive_integer(config, "hidden_size", "dim", "n_embd")
    width = positive_integer(config, "head_dim")
    if width is None and hidden is not None and heads is not None:
        width = hidden // heads
    return None if kv_heads is None or width is None else 2 * kv_heads * width


def _layer_kinds(config: Mapping[str, Any], layers: int) -> list[str]:
    kinds = config.get("layer_types")
    if isinstance(kinds, list) and len(kinds) == layers:
        return [str(kind) for kind in kinds]
    every = positive_integer(config, "sliding_window_pattern")
    if every is not None:
        # In Gemma's configs: each nth layer is global, the layers between use a window.
        return [
            "full_attention" if (layer + 1) % every == 0 else "sliding_attention"
            for layer in range(layers)
        ]
    every = positive_integer(config, "full_attention_interval")
    if every is not None:
        return [
            "full_attention" if (layer + 1) % every == 0 else "linear_attention"
            for layer in range(layers)
        ]
    # If the config names a window but not its layers, assume none: the estimate is then rather too
    # high.
    return ["full_attention"] * layers


def _held_tokens(kind: str, tokens: int, window: int | None) -> int:
    if "linear" in kind or "mamba" in kind or "conv" in kind:
        return 0
    if "sliding" in kind and window is not None:
        return min(tokens, window + PREFILL_STEP_TOKENS)
    return tokens
