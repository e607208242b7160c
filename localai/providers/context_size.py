"""How much context a request needs of a server that must be told. Pure.

No server counts tokens before a model is loaded, so the first number is a guess from the bytes of
the text. Too low a guess is found out, because the server refuses what does not fit, and the next
one is higher. Nothing is ever cut to fit.
"""

from __future__ import annotations

import json

from localai.types import ChatRequest

IMAGE_TOKENS = 1024
"""What is left free for a picture: models that see in tiles take more of a very large one."""

_STEP_TOKENS = 4096
_DEFAULT_ROOM_TOKENS = 512
_TEMPLATE_TOKENS = 64
# Templates explain once how a tool is called: up to some 400 words.
_TOOL_TEMPLATE_BYTES = 2048
# English has 4 bytes a token, code 3, Japanese 2 to 3.
_BYTES_PER_TOKEN = 3


def text_bytes(request: ChatRequest) -> int:
    """The bytes of all that the model reads as text: messages, calls of tools, tools on offer."""
    said = sum(len(message.text.encode()) for message in request.messages)
    called = sum(
        len(f"{call.id}{call.name}{call.arguments}".encode())
        for message in request.messages
        for call in message.tool_calls
    )
    offered = sum(
        _TOOL_TEMPLATE_BYTES
        + len(f"{tool.name}{tool.description}{json.dumps(dict(tool.parameters))}".encode())
        for tool in request.tools
    )
    return said + called + offered


def needed_context(request: ChatRequest) -> int:
    """The tokens that the messages and their answer may need, by the bytes of the text."""
    room = request.options.max_tokens or _DEFAULT_ROOM_TOKENS
    pictures = sum(len(message.images) for message in request.messages)
    return (
        room
        + text_bytes(request) // _BYTES_PER_TOKEN
        + _TEMPLATE_TOKENS * len(request.messages)
        + IMAGE_TOKENS * pictures
    )


def choose_context(
    *, asked: int | None, loaded: int | None, start: int, needed: int, limit: int | None
) -> int:
    """The context to allocate, in tokens.

    What was asked for; else what is loaded if it is enough, because any other number reloads
    the model; else `start`, or more if it is needed. Never above the model's `limit`.
    """
    if asked is not None:
        wanted = asked
    elif loaded is not None and loaded >= min(needed, limit or needed):
        return loaded
    else:
        wanted = start if needed <= start else _in_steps(needed)
    return wanted if limit is None else min(wanted, limit)


def grown_context(
    tried: int, prompt_tokens: int | None, request: ChatRequest, limit: int | None
) -> int | None:
    """The next context to try after a prompt did not fit `tried`; None if there is none larger."""
    if prompt_tokens is None:
        wanted = tried * 2
    else:
        wanted = _in_steps(prompt_tokens + (request.options.max_tokens or _DEFAULT_ROOM_TOKENS))
    largest = wanted if limit is None else min(wanted, limit)
    return largest if largest > tried else None


def _in_steps(tokens: int) -> int:
    return -(-tokens // _STEP_TOKENS) * _STEP_TOKENS
