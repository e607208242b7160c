"""What a token reads of an MLX folder's weights, by the names that mlx-lm and the makers write."""

from __future__ import annotations

from typing import Any

import pytest

from localai.formats.mlx_weights import active_bytes, experts

_DENSE = {"model.embed_tokens.weight": 1000, "model.layers.0.self_attn.q_proj.weight": 100}
_OF_8_USING_2 = {"num_experts": 8, "num_experts_per_tok": 2}


@pytest.mark.parametrize(
    ("sizes", "config", "expected"),
    [
        # Tied: the embedding is the output matrix, too, and is read whole.
        (_DENSE, {}, 1100),
        ({**_DENSE, "lm_head.weight": 900}, {}, 1000),
        (
            {
                **_DENSE,
                "model.layers.0.mlp.switch_mlp.up_proj.weight": 800,
                "model.layers.0.mlp.switch_mlp.up_proj.scales": 80,
                "model.layers.0.mlp.gate.weight": 10,
                "model.layers.0.mlp.shared_expert.up_proj.weight": 5,
            },
            _OF_8_USING_2,
            1100 + 220 + 15,
        ),
        (
            {
                **_DENSE,
                "model.layers.0.mlp.experts.3.up_proj.weight": 400,
                "model.layers.0.mlp.experts.4.up_proj.weight": 400,
            },
            {"n_routed_experts": 8, "num_experts_per_tok": 2},
            1300,
        ),
        (
            {**_DENSE, "language_model.layers.0.experts.switch_glu.up_proj.weight": 640},
            {"num_experts": 128, "top_k_experts": 8},
            1140,
        ),
        (
            {**_DENSE, "vision_tower.blocks.0.weight": 7000, "model.visual.merger.weight": 70},
            {},
            1100,
        ),
        ({**_DENSE, "model.embed_tokens_per_layer.weight": 9000}, {}, 1100),
        ({**_DENSE, "model.layers.0.mlp.switch_mlp.up_proj.weight": 8}, {"num_experts": 8}, None),
    ],
)
def test_a_token_reads_what_it_uses(
    sizes: dict[str, int], config: dict[str, Any], expected: int | None
) -> None:
    assert active_bytes(sizes, config) == expected


def test_how_many_experts_there_are_and_how_many_a_token_uses() -> None:
    assert experts({"num_local_experts": 32, "experts_per_token": 4}) == (32, 4)
    assert experts({"num_experts": 8}) == (8, 0)
    assert experts({"num_experts": None}) is None
