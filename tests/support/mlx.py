"""A worker of MLX as the tests ask it: SmolLM2 on a CPU, a dozen tokens a second."""

from __future__ import annotations

import json
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
