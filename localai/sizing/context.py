"""How much context a request needs, in tokens. Pure; the one place for its constants.

Callers know the prompt's size with different accuracy. A server that must be told beforehand and
counts nothing gets a guess (`guessed_context`); if it refuses that as too low, it gets more
(`grown_context`). Requests that share a context are over-estimated (`generous_context`), because
the engine drops all of them when it is full. A worker of ours counts the prompt by its own
tokenizer (`counted_context`). No text is ever cut to fit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from localai.errors import ContextOverflow
from localai.events import FinishReason
from localai.types import ChatRequest
from localai.units import counted

ANSWER_TOKENS: Final = 2048
"""What an answer without a limit is sure to have room for, and the limit of one that must have
one."""
# The tokens that a chat template adds to a message.
_TEMPLATE_TOKENS: Final = 64
# The text with which a template explains once how a tool is called: up to some 400 words.
_TOOL_TEMPLATE_BYTES: Final = 2048
# The assumed tokens of a picture. Models that see in tiles use more for a very large one. Reserve
# twice as much where an underestimate would be fatal.
_PICTURE_TOKENS: Final = 1024
_GENEROUS_PICTURE_TOKENS: Final = 2 * _PICTURE_TOKENS
# English has 4 bytes a token, code 3, Japanese 2 to 3, figures and rare scripts fewer. No
# tokenizer makes more tokens of a text than it has bytes.
_BYTES_PER_TOKEN: Final = 3
_GENEROUS_BYTES_PER_TOKEN: Final = 2
_LEAST_BYTES_PER_TOKEN: Final = 1
# A context grows in steps, so that the model is not loaded again at every turn. One that is shared
# is allocated once.
_STEP_TOKENS: Final = 4096
_SHARED_STEP_TOKENS: Final = 256


def guessed_context(request: ChatRequest) -> int:
    """The tokens that the messages and their answer may take, estimated from the bytes of the
    text."""
    return _answer(request) + _prompt(request, _BYTES_PER_TOKEN, _PICTURE_TOKENS)


def choose_context(
    *, asked: int | None, loaded: int | None, start: int, needed: int, limit: int | None
) -> int:
    """The context to allocate, in tokens, never above the model's `limit`:

    - `asked`, if the user gave it;
    - else `loaded`, if it is enough, because any other number loads the model again;
    - else `start`, or more if `needed` is more.
    """
    if asked is not None:
        wanted = asked
    elif loaded is not None and loaded >= min(needed, limit or needed):
        return loaded
    else:
        wanted = start if needed <= start else _in_steps(needed, _STEP_TOKENS)
    return wanted if limit is None else min(wanted, limit)


def grown_context(
    tried: int, prompt_tokens: int | None, request: ChatRequest, limit: int | None
) -> int | None:
    """The next context to try after a prompt did not fit `tried`; None if there is none larger."""
    if prompt_tokens is None:
        wanted = tried * 2
    else:
        wanted = _in_steps(prompt_tokens + _answer(request), _STEP_TOKENS)
    largest = wanted if limit is None else min(wanted, limit)
    return largest if largest > tried else None


def may_overflow(request: ChatRequest, context_tokens: int) -> bool:
    """Whether the prompt and its longest answer could be more than `context_tokens`, at the most
    tokens that their bytes can make. An answer without a limit always could."""
    longest = request.options.max_tokens
    return longest is None or _most_prompt(request) + longest > context_tokens


def with_what_is_left(request: ChatRequest, context_tokens: int | None) -> ChatRequest:
    """The request with a limit for its answer, to a server that would cut the beginning of the
    conversation to make room for more: what is surely left of `context_tokens`, or None if that is
    less than `ANSWER_TOKENS`. A limit that was asked for stays."""
    left = (context_tokens or 0) - _most_prompt(request)
    if request.options.max_tokens is not None or left < ANSWER_TOKENS:
        return request
    return replace(request, options=replace(request.options, max_tokens=left))


def finish_for_user(finish: FinishReason, request: ChatRequest) -> FinishReason:
    """Why the answer to `request` ended, to whoever set no limit: the one that was sent instead
    stands for the context."""
    is_ours = request.options.max_tokens is None
    return "context" if finish == "length" and is_ours else finish


def with_a_limit(request: ChatRequest, context_tokens: int | None = None) -> ChatRequest:
    """The request with a limit for its answer: the one that was asked for, else what is left of
    `context_tokens`, else `ANSWER_TOKENS`. Answers that are computed together share a context, and
    those that are compared end alike."""
    request = with_what_is_left(request, context_tokens)
    longest = request.options.max_tokens or ANSWER_TOKENS
    return replace(request, options=replace(request.options, max_tokens=longest))


def counted_context(request: ChatRequest, have_tokens: int, count: Callable[[], int]) -> int:
    """The context that the prompt and its answer need, in tokens. Returns `have_tokens` if they
    suffice.

    `count` counts the prompt's tokens; it is called only if their number can matter. Raises
    ContextOverflow if the prompt is more than the model or the user's --ctx allows.
    """
    limits = (request.context_tokens, request.model.context_limit)
    limit = min((limit for limit in limits if limit is not None), default=None)
    # Only the projector knows how many tokens a picture takes.
    beside = _answer(request) + _PICTURE_TOKENS * _pictures(request)
    most = beside + _prompt(request, _LEAST_BYTES_PER_TOKEN, picture_tokens=0)
    if most <= (have_tokens if limit is None else min(have_tokens, limit)):
        return have_tokens
    prompt = count()
    if limit is not None and prompt >= limit:
        asked = request.context_tokens is not None and limit == request.context_tokens
        whose = "the --ctx that was given" if asked else "what the model can hold"
        raise ContextOverflow(
            f"the prompt has {counted(prompt, 'token')}, and {limit:,} is {whose}",
            hint="give a larger --ctx" if asked else "shorten the prompt",
            prompt_tokens=prompt,
            context_tokens=limit,
        )
    needed = prompt + beside
    if needed <= have_tokens:
        return have_tokens
    stepped = _in_steps(needed, _STEP_TOKENS)
    return stepped if limit is None else max(have_tokens, min(stepped, limit))


def generous_context(request: ChatRequest) -> int:
    """A cautious upper estimate of the tokens of prompt and answer."""
    prompt = _prompt(request, _GENEROUS_BYTES_PER_TOKEN, _GENEROUS_PICTURE_TOKENS)
    needed = prompt + _answer(request)
    return min(needed, request.model.context_limit or needed)


def shared_context(requests: Sequence[ChatRequest], at_once: int) -> int:
    """The context that `at_once` average requests need together, at least that of the largest
    one."""
    needs = [generous_context(request) for request in requests]
    return _in_steps(max(*needs, at_once * sum(needs) // len(needs)), _SHARED_STEP_TOKENS)


def _answer(request: ChatRequest) -> int:
    return request.options.max_tokens or ANSWER_TOKENS


def _most_prompt(request: ChatRequest) -> int:
    return _prompt(request, _LEAST_BYTES_PER_TOKEN, _GENEROUS_PICTURE_TOKENS)


def _pictures(request: ChatRequest) -> int:
    return sum(len(message.pictures) for message in request.messages)


def _prompt(request: ChatRequest, bytes_per_token: int, picture_tokens: int) -> int:
    text = _text_bytes(request) // bytes_per_token
    return text + _TEMPLATE_TOKENS * len(request.messages) + picture_tokens * _pictures(request)


def _text_bytes(request: ChatRequest) -> int:
    """The bytes of all text that the model reads: messages, calls of tools, tools on offer."""
    texts = sum(len(message.text.encode()) for message in request.messages)
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
    return texts + called + offered


def _in_steps(tokens: int, step: int) -> int:
    return -(-tokens // step) * step
