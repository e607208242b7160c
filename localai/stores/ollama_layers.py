"""Ollama's small layers, read: the options of a model, its first messages. Pure."""

from __future__ import annotations

import json
from typing import Any, Final, get_args

from localai.sampling_options import SAMPLING_OPTIONS
from localai.types import Message, Options, Role

_NUMBERS: Final = {float: int | float, int: int, str: str}


def examples_of(messages: str) -> tuple[Message, ...]:
    """The messages of a `.messages` layer (JSON); empty if any message is invalid."""
    try:
        document: Any = json.loads(messages or "[]")
        found = [(each["role"], each["content"]) for each in document]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ()
    if not all(role in get_args(Role) and isinstance(text, str) for role, text in found):
        return ()
    return tuple(Message(role, text) for role, text in found)


def context_of(parameters: str) -> int | None:
    """The context in tokens that a `.params` layer (JSON) sets; None if it sets none."""
    try:
        document: Any = json.loads(parameters or "{}")
    except (ValueError, RecursionError):
        return None
    tokens = document.get("num_ctx") if isinstance(document, dict) else None
    return tokens if isinstance(tokens, int) and tokens > 0 and tokens is not True else None


def has_renderer(config: str) -> bool:
    """Whether a config (JSON) says that Ollama makes the prompt by code of its own."""
    try:
        document: Any = json.loads(config or "{}")
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and bool(document.get("renderer"))


def options_of(parameters: str) -> Options:
    """The sampling options of a `.params` layer (JSON). Options that localai lacks are left out."""
    try:
        document: Any = json.loads(parameters or "{}")
    except (ValueError, RecursionError):
        return Options()
    if not isinstance(document, dict):
        return Options()
    numbers: dict[str, Any] = {
        option.name: value
        for option in SAMPLING_OPTIONS
        if not option.repeatable
        if isinstance(value := document.get(option.wires.get("ollama", "")), _NUMBERS[option.kind])
        and not isinstance(value, bool)
    }
    # Ollama's negative num_predict means no limit; localai then uses chat.max_tokens.
    if numbers.get("max_tokens", 1) < 1:
        del numbers["max_tokens"]
    stop = document.get("stop")
    stops = tuple(text for text in stop if isinstance(text, str)) if isinstance(stop, list) else ()
    return Options(**numbers, stop=stops)
