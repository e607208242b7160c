"""Multi-token prediction: layers with which a model guesses its own next tokens (MTP, NextN).

`engine.draft = "mtp"` has llama.cpp take its drafts from them. It loads these layers only then. A
model without them ends its start ("failed to create MTP context"), so the header is asked before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from localai.engine.worker_files import WorkerSpec
from localai.errors import InvalidInput

_ARCHITECTURES: Final = frozenset(
    {
        *("bailingmoe3", "cohere2moe", "deepseek2", "deepseek32", "deepseek4", "glm-dsa"),
        *("glm4moe", "glm5-next", "hy_v3", "mimo2", "nemotron_h_moe", "qwen35", "qwen35moe"),
        *("qwen3next", "qwen4exp", "step35"),
    }
)
"""Those for which llama.cpp 11549 has a graph of the heads (`LLM_GRAPH_TYPE_DECODER_MTP`). A file
of another architecture may have such layers, and llama.cpp does not compute them."""


def require_prediction_heads(spec: WorkerSpec, name: str) -> None:
    """Raise InvalidInput if the model of `spec`, which is called `name`, has no such layers, or if
    its engine takes no drafts from them. Raises what reading the header and the engine raises."""
    from localai.formats.gguf import read_model
    from localai.formats.prediction_heads import predicts_ahead

    if spec.binary is not None and spec.cache_dir is not None:
        from localai.engine.llamacpp.binary import read_binary

        server = read_binary(Path(spec.binary), Path(spec.cache_dir))
        if not server.drafts_by_heads:
            raise _refused(f"{server.title} takes no drafts from a model's own layers")
    header = read_model(Path(spec.model_path))
    if not predicts_ahead(header):
        raise _refused(f"{name} has no layers that predict several tokens")
    if spec.binary is None and header.architecture not in _ARCHITECTURES:
        raise _refused(
            f"the engine does not use the layers of {name} that predict several tokens"
            f" ({header.architecture})"
        )


def _refused(why: str) -> InvalidInput:
    return InvalidInput(
        f"{why}, and engine.draft is mtp",
        hint="drafts from the prompt itself suit every model",
        command="localai config set engine.draft lookup",
    )
