"""Which of an MLX folder's weights a token reads: of a mixture of experts, those in use.

By the names of the tensors, as mlx-lm (`switch_mlp`, all experts of a layer in one tensor) and the
makers (`experts.7`, each in its own) write them. Reads no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localai.patterns import lazy_pattern

# What config.json calls the number of layers.
LAYER_NAMES = ("num_hidden_layers", "n_layers", "n_layer")
# A shared expert, which every token uses, is called `shared_expert`: none of these.
_EXPERTS = lazy_pattern(r"\.(switch_mlp|switch_glu|experts)\.")
_LOOKUP = lazy_pattern(r"\bembed_tokens_per_layer\.")
_EMBEDDING = lazy_pattern(r"\b(embed_tokens|wte|tok_embeddings)\.")
_OUTPUT = lazy_pattern(r"\blm_head\.|^output\.")
# Encoders of images and sound: an answer's next token reads nothing of them.
_ENCODER = lazy_pattern(
    r"(^|\.)(vision_tower|vision_model|visual|vision_embed_tokens|multi_modal_projector"
    r"|audio_tower|embed_audio|embed_vision)\."
)
_ALL_NAMES = ("num_experts", "num_local_experts", "n_routed_experts")
_USED_NAMES = (
    "num_experts_per_tok",
    "num_experts_per_token",
    "experts_per_token",
    "top_k_experts",
    "moe_topk",
)


def experts(config: Mapping[str, Any]) -> tuple[int, int] | None:
    """How many experts a layer has, and how many of them a token uses, 0 if config.json does not
    say; None for a dense model."""
    count = positive_integer(config, *_ALL_NAMES)
    return None if count is None else (count, positive_integer(config, *_USED_NAMES) or 0)


def active_bytes(sizes: Mapping[str, int], config: Mapping[str, Any]) -> int | None:
    """The bytes of weights that decoding one token reads, of tensors with these `sizes` in bytes.
    None where a mixture's config does not say how many experts a token uses."""
    mixture = experts(config)
    share = 1.0
    if mixture is not None and any(_EXPERTS.search(name) for name in sizes):
        count, used = mixture
        if not 0 < used <= count:
            return None
        share = used / count
    has_output = any(_OUTPUT.search(name) for name in sizes)
    total = 0.0
    for name, size in sizes.items():
        is_read_by_row = _LOOKUP.search(name) or (has_output and _EMBEDDING.search(name))
        if not is_read_by_row and not _ENCODER.search(name):
            total += size * (share if _EXPERTS.search(name) else 1.0)
    return round(total)


def positive_integer(config: Mapping[str, Any], *names: str) -> int | None:
    """The value of the first of the `names` that is a whole number above 0."""
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None
