"""A loopback server that speaks Chat Completions on a schedule that is known to the microsecond.

What measures answers is verified against it: how long the prompt takes, when each piece leaves,
how many tokens are in it, and what the server says of all that. Nothing is computed. The stamps of
what was sent are on the same clock as the client's (`time.perf_counter`), so that a test in this
process can hold a recorded arrival against the moment at which the piece left.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.scripted_server import ReceivedRequest, read_request

_TEMPLATE_TOKENS = 4
# Sleeping ends up to a millisecond late; the rest is waited out by looking at the clock.
_WATCHED_S = 0.002


@dataclass(frozen=True, slots=True)
class Schedule:
    """How every answer goes. Its prompt counts a token a word and four of the template.

    The first piece leaves `first_s` and `prefill_s_per_token` for each computed prompt token after
    the request; the others `gap_s` apart. `stall` is (piece, seconds): before that one it waits
    longer. `pieces_per_packet` of more than one sends so many at once. `caches` says that a prompt
    which begins like an earlier one is computed from there on, unless asked not to; `claims_cached`
    are so many tokens of every prompt, whatever was asked.
    `noise` is the standard deviation of the pace from answer to answer, a fraction of it.
    `says_times` adds llama.cpp's `timings`, `ends_early_at` ends an answer after so many tokens.
    """

    first_s: float = 0.0
    prefill_s_per_token: float = 0.0
    gap_s: float = 0.005
    tokens_per_piece: int = 1
    reasoning_tokens: int = 0
    role_chunk: bool = True
    pieces_per_packet: int = 1
    stall: tuple[int, float] | None = None
    caches: bool = False
    says_cached: bool = True
    claims_cached: int = 0
    noise: float = 0.0
    says_times: bool = False
    ends_early_at: int | None = None


@dataclass(slots=True)
class Sent:
    """One answer: when its request was there, and when each piece left."""

    arrived: float
    prompt_tokens: int
    cached_tokens: int
    pieces: list[float] = field(default_factory=list)


class PacedServer:
    """Serves the models `paced` and `other`; `schedule` may be changed between answers.

    `asked` has the bodies of the requests, `sent` what was answered, in order.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.asked: list[Mapping[str, Any]] = []
        self.sent: list[Sent] = []
        self._known: list[list[str]] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The url of an endpoint."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> PacedServer:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def set(self, **changes: Any) -> None:
        """Change the schedule of the answers that begin from now on."""
        self.schedule = replace(self.schedule, **changes)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb") as stream:
            while (asked := read_request(stream)) is not None:
                arrived = time.perf_counter()
                try:
                    if asked.method == "GET":
                        models = {"data": [{"id": name} for name in ("paced", "other")]}
                        connection.sendall(_head("application/json") + _chunk(models, "") + _END)
                    else:
                        self._answer(connection, asked, arrived)
                except OSError:
                    return

    def _answer(self, connection: socket.socket, asked: ReceivedRequest, arrived: float) -> None:
        body, plan = asked.json, self.schedule
        words = " ".join(message["content"] for message in body["messages"]).split()
        sent = Sent(arrived, len(words) + _TEMPLATE_TOKENS, self._cached(words, body, plan))
        with self._lock:
            self.asked.append(body)
            self.sent.append(sent)
            self._known.append(words)
        wanted = int(body.get("max_tokens") or 64)
        tokens = wanted if plan.ends_early_at is None else min(wanted, plan.ends_early_at)
        pace = random.gauss(1.0, plan.noise)
        prefill_s = pace * plan.prefill_s_per_token * (sent.prompt_tokens - sent.cached_tokens)
        begin = arrived + plan.first_s + prefill_s
        connection.sendall(_head("text/event-stream"))
        if plan.role_chunk:
            connection.sendall(_chunk(_delta({"role": "assistant", "content": ""})))
        packet, due = b"", begin
        pieces = list(_pieces(tokens, plan))
        for number, delta in enumerate(pieces):
            due += 0 if number == 0 else pace * plan.gap_s
            if plan.stall is not None and plan.stall[0] == number:
                due += plan.stall[1]
            packet += _chunk(_delta(delta))
            if (number + 1) % plan.pieces_per_packet and number + 1 < len(pieces):
                continue
            _wait_until(due)
            sent.pieces.append(time.perf_counter())
            connection.sendall(packet)
            packet = b""
        reason = "length" if tokens == wanted else "stop"
        connection.sendall(
            _chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        )
        connection.sendall(_chunk(self._end(sent, tokens, prefill_s, due - begin, plan)))
        connection.sendall(_chunk("[DONE]") + _END)

    def _cached(self, words: list[str], body: Mapping[str, Any], plan: Schedule) -> int:
        if plan.claims_cached:
            return plan.claims_cached
        if not plan.caches or body.get("cache_prompt") is False:
            return 0
        with self._lock:
            return max((_shared(words, known) for known in self._known), default=0)

    def _end(
        self, sent: Sent, tokens: int, prefill_s: float, decode_s: float, plan: Schedule
    ) -> Mapping[str, Any]:
        usage: dict[str, Any] = {"prompt_tokens": sent.prompt_tokens, "completion_tokens": tokens}
        if plan.says_cached:
            usage["prompt_tokens_details"] = {"cached_tokens": sent.cached_tokens}
        end: dict[str, Any] = {"choices": [], "usage": usage}
        if plan.says_times:
            end["timings"] = {
                "cache_n": sent.cached_tokens,
                "prompt_n": sent.prompt_tokens - sent.cached_tokens,
                "prompt_ms": 1000 * prefill_s,
                "predicted_n": tokens,
                "predicted_ms": 1000 * decode_s,
            }
        return end


def _pieces(tokens: int, plan: Schedule) -> Iterator[dict[str, str]]:
    for first in range(0, tokens, plan.tokens_per_piece):
        count = min(plan.tokens_per_piece, tokens - first)
        name = "reasoning_content" if first < plan.reasoning_tokens else "content"
        yield {name: "word " * count}


def _delta(delta: Mapping[str, str]) -> Mapping[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def _shared(a: list[str], b: list[str]) -> int:
    shared = 0
    for one, other in zip(a, b, strict=False):
        if one != other:
            break
        shared += 1
    return shared


def _wait_until(due: float) -> None:
    left = due - time.perf_counter()
    if left > _WATCHED_S:
        time.sleep(left - _WATCHED_S)
    while time.perf_counter() < due:
        time.sleep(0)


def _head(content_type: str) -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()


_END = b"0\r\n\r\n"


def _chunk(document: Any, before: str = "data: ") -> bytes:
    text = document if isinstance(document, str) else json.dumps(document)
    content = f"{before}{text}\n\n".encode()
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"
