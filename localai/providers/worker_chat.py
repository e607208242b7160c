"""One answer from an engine's worker: what a chat needs of a context, and the wire to the socket.

Shared by the providers whose engine runs in a worker of ours; `who` is the engine's name in
errors. Starting workers is the life cycle's business.
"""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from localai.errors import ContextOverflow, Unreachable
from localai.locks import is_locked
from localai.net.unix import EngineRefused, UnixConnection, call, send, server_sent_events
from localai.providers.context_size import IMAGE_TOKENS, text_bytes
from localai.types import ChatRequest, Events, Locality, Process, Zone
from localai.wires.chat_completions.client import read_stream, refusal, request_body
from localai.wires.clock import AnswerClock

if TYPE_CHECKING:
    from localai.engine.lifecycle import Lease

# The context grows in steps, so that it does not have to at every turn.
_STEP_TOKENS = 4096
# No tokenizer makes more tokens of a text than it has bytes; a template adds a few per message.
_TEMPLATE_TOKENS = 64
_DEFAULT_ROOM_TOKENS = 512
_LONGEST_DYING_S = 0.5


def worker_body(request: ChatRequest) -> dict[str, Any]:
    """The body of the request, with what our workers add to the wire."""
    body = request_body(request)
    body["return_progress"] = True
    if request.think is not None:
        body["chat_template_kwargs"] = {"enable_thinking": request.think != "off"}
        if request.think in ("low", "medium", "high"):
            body["chat_template_kwargs"]["reasoning_effort"] = request.think
    return body


def answer_of_worker(
    lease: Lease,
    body: Mapping[str, Any],
    clock: AnswerClock,
    *,
    who: str,
    load_s: float | None,
    context_tokens: int,
) -> Events:
    """The events of the answer to `body`. Closing the iterator makes the worker stop computing.

    Raises what the worker refuses, and Unreachable with its last words if it breaks off.
    """
    connection = UnixConnection(lease.files.socket)
    try:
        response = send(connection, "POST", "/v1/chat/completions", body)
        yield from read_stream(
            server_sent_events(response),
            locality_of_worker(lease),
            clock,
            load_s=load_s,
            context_tokens=context_tokens,
        )
    except EngineRefused as error:
        raise refusal(who, error.status, error.error, is_worker=True) from error
    except (OSError, http.client.HTTPException, Unreachable, ValueError) as error:
        _let_it_die(lease)
        raise Unreachable(
            f"{who} broke off: {lease.last_words()}", hint=f"its whole log: {lease.files.log}"
        ) from error
    finally:
        # Closing the connection is what makes the server stop computing.
        connection.close()


def _let_it_die(lease: Lease) -> None:
    """Wait until a worker that broke off is gone, if it is going.

    A process that is killed closes its sockets a moment before it loses its locks, and whoever
    asks next must not take it for alive.
    """
    deadline = time.monotonic() + _LONGEST_DYING_S
    while is_locked(lease.files.alive) and time.monotonic() < deadline:
        time.sleep(0.001)


def needed_context(request: ChatRequest, have_tokens: int, count: Callable[[], int]) -> int:
    """The context that the prompt and its answer need, in tokens; `have_tokens` if that is enough.

    `count` counts the prompt's tokens; it is asked only where their number can matter.
    Raises ContextOverflow if the prompt is more than the model or the user's --ctx allows.
    """
    room = request.options.max_tokens or _DEFAULT_ROOM_TOKENS
    limits = (request.context_tokens, request.model.context_limit)
    limit = min((limit for limit in limits if limit is not None), default=None)
    # What a picture takes is known to its projector alone, so there must be room for a large one.
    room += IMAGE_TOKENS * sum(len(message.images) for message in request.messages)
    most = text_bytes(request) + _TEMPLATE_TOKENS * len(request.messages)
    if most + room <= (have_tokens if limit is None else min(have_tokens, limit)):
        return have_tokens
    prompt = count()
    if limit is not None and prompt >= limit:
        asked = request.context_tokens is not None and limit == request.context_tokens
        whose = "the --ctx that was given" if asked else "what the model can hold"
        raise ContextOverflow(
            f"the prompt has {prompt:,} tokens, and {limit:,} is {whose}",
            hint="give a larger --ctx" if asked else "shorten the prompt",
            prompt_tokens=prompt,
            context_tokens=limit,
        )
    needed = prompt + room
    if needed <= have_tokens:
        return have_tokens
    stepped = -(-needed // _STEP_TOKENS) * _STEP_TOKENS
    return stepped if limit is None else max(have_tokens, min(stepped, limit))


def count_tokens(request: ChatRequest, lease: Lease, who: str) -> int:
    """The tokens of the prompt, by the model's own template and tokenizer. Raises its refusal."""
    body = worker_body(request)
    asked = ("messages", "tools", "tool_choice", "chat_template_kwargs")
    template = {name: body[name] for name in asked if name in body}
    socket = lease.files.socket
    try:
        prompt = call(
            socket,
            "POST",
            "/apply-template",
            template,
        )["prompt"]
        counted = call(
            socket,
            "POST",
            "/tokenize",
            {"content": prompt, "add_special": True, "parse_special": True},
        )
    except EngineRefused as error:
        raise refusal(who, error.status, error.error, is_worker=True) from error
    return len(counted["tokens"])


def locality_of_worker(lease: Lease) -> Locality:
    """Where its answers are computed: in that process on this machine."""
    info = lease.info
    return Locality(
        zone=Zone.DEVICE,
        evidence=f"a worker of this command on a Unix socket; {info.denial}",
        process=Process(info.pid, info.engine),
        machine=os.uname().nodename,
        network_denied=info.network_denied,
    )
