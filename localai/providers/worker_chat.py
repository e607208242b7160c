"""One answer from an engine's worker, over the wire to its socket.

Shared by the providers whose engine runs in a worker of ours; `who` is the engine's name in
errors. Starting workers is the life cycle's business.
"""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from localai.errors import Unreachable
from localai.locks import is_locked
from localai.net.unix import EngineRefused, UnixConnection, call, send, server_sent_events
from localai.types import ChatRequest, Events, Locality, Process, Zone
from localai.wires.chat_completions.client import read_stream, refusal, request_body
from localai.wires.clock import AnswerClock

if TYPE_CHECKING:
    from localai.engine.lifecycle import Lease

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
