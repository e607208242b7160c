"""What LM Studio's documentation shows, request and answer, as it stood in 2026.

lmstudio.ai/docs/developer/rest (v1) and .../rest/endpoints (v0); the two errors are quoted from
real servers in its bug tracker, because the documentation shows none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Documented:
    """One example: what is sent and what comes back."""

    method: str
    path: str
    body: Any
    answer: Any


LIST_V1 = Documented(
    "GET",
    "/api/v1/models",
    None,
    {
        "models": [
            {
                "type": "llm",
                "publisher": "lmstudio-community",
                "key": "gemma-3-270m-it-qat",
                "display_name": "Gemma 3 270m Instruct Qat",
                "architecture": "gemma3",
                "quantization": {"name": "Q4_0", "bits_per_weight": 4},
                "size_bytes": 241410208,
                "params_string": "270M",
                "loaded_instances": [
                    {"id": "gemma-3-270m-it-qat", "config": {"context_length": 4096}}
                ],
                "max_context_length": 32768,
                "format": "gguf",
                "capabilities": {"vision": False, "trained_for_tool_use": False},
                "description": None,
            },
            {
                "type": "embedding",
                "publisher": "gaianet",
                "key": "text-embedding-nomic-embed-text-v1.5-embedding",
                "display_name": "Nomic Embed Text v1.5",
                "quantization": {"name": "F16", "bits_per_weight": 16},
                "size_bytes": 274290560,
                "params_string": None,
                "loaded_instances": [],
                "max_context_length": 2048,
                "format": "gguf",
            },
        ]
    },
)

LOAD_V1 = Documented(
    "POST",
    "/api/v1/models/load",
    {
        "model": "openai/gpt-oss-20b",
        "context_length": 16384,
        "flash_attention": True,
        "echo_load_config": True,
    },
    {
        "type": "llm",
        "instance_id": "openai/gpt-oss-20b",
        "load_time_seconds": 9.099,
        "status": "loaded",
        "load_config": {
            "context_length": 16384,
            "eval_batch_size": 512,
            "flash_attention": True,
            "offload_kv_cache_to_gpu": True,
            "num_experts": 4,
        },
    },
)

UNLOAD_V1 = Documented(
    "POST",
    "/api/v1/models/unload",
    {"instance_id": "openai/gpt-oss-20b"},
    {"instance_id": "openai/gpt-oss-20b"},
)

LIST_V0 = Documented(
    "GET",
    "/api/v0/models",
    None,
    {
        "object": "list",
        "data": [
            {
                "id": "qwen2-vl-7b-instruct",
                "object": "model",
                "type": "vlm",
                "publisher": "mlx-community",
                "arch": "qwen2_vl",
                "compatibility_type": "mlx",
                "quantization": "4bit",
                "state": "not-loaded",
                "max_context_length": 32768,
            },
            {
                "id": "text-embedding-nomic-embed-text-v1.5",
                "object": "model",
                "type": "embeddings",
                "publisher": "nomic-ai",
                "arch": "nomic-bert",
                "compatibility_type": "gguf",
                "quantization": "Q4_0",
                "state": "not-loaded",
                "max_context_length": 2048,
            },
        ],
    },
)

# lmstudio-bug-tracker #618: with HTTP 200.
UNKNOWN_ENDPOINT = Documented(
    "POST",
    "/chat/completions",
    {},
    {"error": "Unexpected endpoint or method. (POST /chat/completions)"},
)

# Quoted in agustif/opencode-lmstudio #41 from 0.4.18: with HTTP 401.
NO_TOKEN = Documented(
    "GET",
    "/api/v1/models",
    None,
    {
        "error": {
            "type": "invalid_request",
            "code": "invalid_api_key",
            "message": "An LM Studio API token is required to make requests to this server, but"
            " none was provided using the Authorization header using the 'Bearer' scheme",
        }
    },
)

# lmstudio-bug-tracker #546.
TOO_LONG = (
    "Trying to keep the first {prompt} tokens when context the overflows. However, the model is"
    " loaded with context length of only {context} tokens, which is not enough. Try to load the"
    " model with a larger context length, or provide a shorter input"
)
