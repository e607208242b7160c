"""Layers with which a model guesses its own next tokens (multi-token prediction, NextN)."""

from __future__ import annotations

from localai.formats.gguf import GgufHeader
from localai.formats.mlx_folder import MlxFolder


def predicts_ahead(model: GgufHeader | MlxFolder | None) -> bool:
    """Whether a GGUF file has such layers. Converters may leave them out, and the metadata then
    still counts them (`nextn_predict_layers`), so the tensors are looked at."""
    return isinstance(model, GgufHeader) and any(".nextn." in each.name for each in model.tensors)
