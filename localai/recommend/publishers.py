"""Whose repositories on the hub `recommend --online` asks for: makers of models, and those who
publish other makers' models in the formats that the engines here read.

Names of accounts, as they stand in the addresses of https://huggingface.co (November 2026). A
packager's repository counts only if its model is by a maker of this list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from localai.formats import FileFormat

PACKAGERS: Final[Mapping[FileFormat, tuple[str, ...]]] = {
    "gguf": ("unsloth", "bartowski", "lmstudio-community", "ggml-org"),
    "mlx": ("mlx-community", "lmstudio-community"),
}
"""Accounts that publish models of others, by format."""

GGUF_MAKERS: Final = (
    "Qwen",
    "google",
    "mistralai",
    "ibm-granite",
    "LiquidAI",
    "microsoft",
    "nomic-ai",
)
"""Makers that publish GGUF files themselves."""

MAKERS: Final = frozenset(
    name.lower()
    for name in (
        *GGUF_MAKERS,
        "allenai",
        "BAAI",
        "baidu",
        "ByteDance-Seed",
        "CohereLabs",
        "deepseek-ai",
        "HuggingFaceTB",
        "inclusionAI",
        "internlm",
        "LGAI-EXAONE",
        "meta-llama",
        "MiniMaxAI",
        "mixedbread-ai",
        "moonshotai",
        "nvidia",
        "openai",
        "OpenGVLab",
        "openbmb",
        "ServiceNow-AI",
        "Snowflake",
        "swiss-ai",
        "tencent",
        "tiiuae",
        "XiaomiMiMo",
        "zai-org",
    )
)
"""Accounts whose models are taken up, in lower case."""


def asked_publishers() -> tuple[tuple[str, FileFormat], ...]:
    """Whom the hub is asked about, each with the format to look for."""
    packaged = [(name, kind) for kind, names in PACKAGERS.items() for name in names]
    return (*((name, "gguf") for name in GGUF_MAKERS), *packaged)
