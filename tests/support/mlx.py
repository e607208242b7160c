"""A worker of MLX as the tests ask it: SmolLM2 on a CPU, a dozen tokens a second."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from localai.net.connection import accepted, send
from localai.net.framing import server_sent_events
from localai.net.unix import UnixConnection

SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
CAPITAL = {"role": "user", "content": "What is the capital of France?"}
# The tokens of SmolLM2's greedy answer to CAPITAL that the thinking model spells differently.
_RENAMED = {"The": "<think>", "ĠParis": "</think>"}


def chunks(
    socket: Path, *messages: Mapping[str, str], **options: Any
) -> Generator[dict[str, Any], None, None]:
    """The chunks of the answer to `messages`, greedy and at most 8 tokens unless told otherwise.

    Closing the iterator closes the connection.
    """
    body = {"messages": messages, "stream": True, "temperature": 0, "max_tokens": 8, **options}
    connection = UnixConnection(socket, timeout=120)
    try:
        send(connection, "POST", "/v1/chat/completions", body)
        yield from server_sent_events(accepted(connection))
    finally:
        connection.close()


def ask(socket: Path, *messages: Mapping[str, str], **options: Any) -> tuple[str, dict[str, Any]]:
    """The text of the answer, and its last chunk: usage and timings."""
    gathered = list(chunks(socket, *messages, **options))
    deltas = (choice["delta"] for chunk in gathered for choice in chunk["choices"])
    return "".join(delta.get("content", "") for delta in deltas), gathered[-1]


def make_thinking_model(folder: Path, source: Path, *, opened_by_template: bool) -> Path:
    """SmolLM2 with two tokens renamed, so that it thinks aloud: greedily it answers CAPITAL with
    `<think> capital of France is</think>.`; the template may write `<think>` itself.
    """
    folder.mkdir()
    for file in source.iterdir():
        if not file.name.startswith("tokenizer"):
            (folder / file.name).symlink_to(file)
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    model = tokenizer["model"]
    model["merges"] = [
        merge for merge in model["merges"] if not {*merge, "".join(merge)} & _RENAMED.keys()
    ]
    for old, new in _RENAMED.items():
        number = model["vocab"].pop(old)
        model["vocab"][new] = number
        tokenizer["added_tokens"].append(_added_token(number, new))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    config = json.loads((source / "tokenizer_config.json").read_text())
    if opened_by_template:
        config["chat_template"] += "{{ '<think>' if add_generation_prompt }}"
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def _added_token(number: int, content: str) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    return {"id": number, "content": content, **flags}


def make_tiny_model(folder: Path, source: Path, **config: Any) -> Path:
    """A model of chance with two narrow layers and the tokenizer of `source`: a token in a
    millisecond, always the same text for the same prompt. `config` changes its config.json."""
    folder.mkdir()
    for file in source.iterdir():
        if file.name.startswith(("tokenizer", "special_tokens", "chat_template")):
            (folder / file.name).symlink_to(file)
    wide, narrow, vocabulary = 64, 32, 49152
    described = {
        "model_type": "llama",
        "hidden_size": wide,
        "intermediate_size": narrow,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "rms_norm_eps": 1e-5,
        "vocab_size": vocabulary,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
        **config,
    }
    (folder / "config.json").write_text(json.dumps(described))
    shapes: dict[str, list[int]] = {"model.embed_tokens.weight": [vocabulary, wide]}
    for layer in range(2):
        of = f"model.layers.{layer}"
        shapes |= {
            f"{of}.self_attn.q_proj.weight": [wide, wide],
            f"{of}.self_attn.k_proj.weight": [narrow, wide],
            f"{of}.self_attn.v_proj.weight": [narrow, wide],
            f"{of}.self_attn.o_proj.weight": [wide, wide],
            f"{of}.mlp.gate_proj.weight": [narrow, wide],
            f"{of}.mlp.up_proj.weight": [narrow, wide],
            f"{of}.mlp.down_proj.weight": [wide, narrow],
            f"{of}.input_layernorm.weight": [wide],
            f"{of}.post_attention_layernorm.weight": [wide],
        }
    shapes["model.norm.weight"] = [wide]
    chance = random.Random(1)
    write_safetensors(
        folder / "model.safetensors",
        {name: (shape, _weights(chance, shape)) for name, shape in shapes.items()},
    )
    return folder


def write_safetensors(file: Path, tensors: Mapping[str, tuple[list[int], bytes]]) -> None:
    """A file of `tensors`, each a shape and its bfloat16 values, as MLX writes them."""
    header: dict[str, Any] = {"__metadata__": {"format": "mlx"}}
    at = 0
    for name, (shape, values) in tensors.items():
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + len(values)]}
        at += len(values)
    text = json.dumps(header).encode()
    with file.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for _, values in tensors.values():
            stream.write(values)


def _weights(chance: random.Random, shape: list[int]) -> bytes:
    """Ones for a norm; else numbers of either sign between 1/8 and 1/2."""
    count = math.prod(shape)
    if len(shape) == 1:
        return b"\x80\x3f" * count
    values = bytearray(chance.randbytes(2 * count))
    signs = bytes(0xBE if byte & 1 else 0x3E for byte in range(256))
    values[1::2] = values[1::2].translate(signs)
    return bytes(values)
