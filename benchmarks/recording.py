"""How exactly `localai bench` times answers: against a server whose schedule is known.

    python -m benchmarks.recording [--tokens 400] [--answers 12] [--streams 256]

The server plays in a process of its own and keeps the moment at which each piece really left, on
the clock that all processes of a machine share: whatever its own scheduling does is in both, and
every figure is what was recorded less what was sent. Four parts:

- accuracy: the first token and the gaps of answers 4 ms a piece, their decode rates and counts;
- processor time a piece, as the slope between short and long answers, so that what a request costs
  once is not in it: through the provider's whole layer, and of a client that reads and throws away;
- speed: one answer of 20,000 tokens at 20,000 tokens a second, or as fast as the server can;
- a crowd: so many streams at once, nine pieces a second each.

What other programs take from the machine is in all of them: run it where nothing else computes.
"""

from __future__ import annotations

import argparse
import heapq
import http.client
import json
import multiprocessing
import os
import random
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import machine, needing
from localai.statistics import quantile
from tests.support import paced_server
from tests.support.paced_server import PacedServer, Schedule
from tests.support.scripted_server import read_request

if TYPE_CHECKING:
    from localai.bench.prompts import Prompts
    from localai.bench.recording import Recorded
    from localai.bench.subject import Subject

_GAP_S = 0.004
_FASTEST_PER_S, _FASTEST_TOKENS = 20_000, 20_000
_CROWD_GAP_S, _CROWD_TOKENS = 1 / 9, 90
_SHORT, _LONG = 200, 1000
_CLIENT_ROUNDS = 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--answers", type=int, default=12)
    parser.add_argument("--streams", type=int, default=256)
    given = parser.parse_args()
    print(machine())
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,))
    server.start()
    try:
        with tempfile.TemporaryDirectory(prefix="localai-benchmark-") as home:
            _measure(Path(home), ours, given)
    finally:
        ours.send("end")
        server.join()


def _serve(pipe: Connection) -> None:
    """In a process of its own: the servers, and what they have sent, by the words of the prompt."""
    schedules = {
        "paced": Schedule(first_s=0.05, gap_s=_GAP_S),
        "fast": Schedule(first_s=0.05, gap_s=1 / _FASTEST_PER_S),
        "once": Schedule(gap_s=0.0),
    }
    servers = {name: PacedServer(schedule) for name, schedule in schedules.items()}
    crowd = _Crowd()
    pipe.send({name: each.url for name, each in servers.items()} | {"crowd": crowd.url})
    while pipe.recv() != "end":
        sent = {
            _key(body): each.pieces
            for server in servers.values()
            for body, each in zip(server.asked, server.sent, strict=True)
        }
        pipe.send(sent | crowd.sent)
        crowd.sent.clear()
        for server in servers.values():
            server.asked.clear()
            server.sent.clear()


def _key(body: object) -> str:
    return str(body["messages"])  # type: ignore[index]


class _Crowd:
    """Many streams, sent by one thread in the order in which they are due; `sent` has the moments.
    A thread for each would be scheduled late by all the others."""

    def __init__(self) -> None:
        self.sent: dict[str, list[float]] = {}
        self._due: list[tuple[float, int, socket.socket, int, list[float], int]] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        for work in (self._accept, self._send):
            threading.Thread(target=work, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._begin, args=(connection,), daemon=True).start()

    def _begin(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        asked = read_request(connection.makefile("rb"))
        if asked is None:
            return
        if asked.method == "GET":
            models = paced_server._chunk({"data": [{"id": "paced"}]}, "")
            connection.sendall(paced_server._head("application/json") + models + paced_server._END)
            return
        connection.sendall(paced_server._head("text/event-stream"))
        pieces = self.sent.setdefault(_key(asked.json), [])
        words = sum(len(each["content"].split()) for each in asked.json["messages"])
        begin = time.perf_counter() + random.uniform(0.5, 0.5 + _CROWD_GAP_S)
        with self._lock:
            left = asked.json["max_tokens"]
            entry = (begin, connection.fileno(), connection, left, pieces, words)
            heapq.heappush(self._due, entry)

    def _send(self) -> None:
        piece = paced_server._chunk(paced_server._delta({"content": "word "}))
        while True:
            with self._lock:
                entry = heapq.heappop(self._due) if self._due else None
            if entry is None:
                time.sleep(0.01)
                continue
            due, number, connection, left, pieces, words = entry
            time.sleep(max(0.0, due - time.perf_counter()))
            pieces.append(time.perf_counter())
            connection.sendall(piece)
            if left > 1:
                with self._lock:
                    later = (due + _CROWD_GAP_S, number, connection, left - 1, pieces, words)
                    heapq.heappush(self._due, later)
                continue
            end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}
            usage = {"prompt_tokens": words, "completion_tokens": len(pieces)}
            for last in (end, {"choices": [], "usage": usage}, "[DONE]"):
                connection.sendall(paced_server._chunk(last))
            connection.sendall(paced_server._END)


def _measure(home: Path, pipe: Connection, given: argparse.Namespace) -> None:
    os.environ["LOCALAI_HOME"] = str(home)
    urls = pipe.recv()
    text = "".join(f'[endpoint.{name}]\nurl = "{url}"\n' for name, url in urls.items())
    (home / "config.toml").write_text(text)
    from localai.bench.subject import subjects
    from localai.config import load
    from localai.paths import locate
    from localai.providers.pool import ProviderPool

    paths = locate()
    with ProviderPool(paths) as pool:
        names = [f"{name}/paced" for name in urls]
        by_name = dict(zip(urls, subjects(names, [], load(paths), pool), strict=True))
        record = _recorder(pipe)
        _accuracy(record(by_name["paced"], given.tokens, given.answers), given)
        _processor_time(by_name["paced"], by_name["once"], urls)
        _speed(record(by_name["fast"], _FASTEST_TOKENS, 3))
        _crowd(record(by_name["crowd"], _CROWD_TOKENS, given.streams, at_once=True))


Answered = Sequence["tuple[Recorded, list[float]]"]


def _recorder(pipe: Connection) -> Callable[..., Answered]:
    """What records answers, and asks the server when it sent their pieces."""
    from localai.bench.recording import record

    def answers(subject: Subject, tokens: int, count: int, at_once: bool = False) -> Answered:
        provider = subject.selected.provider
        prompts = _prompts(subject, tokens)
        record(provider, prompts.next(), 0)
        requests = [prompts.next() for _ in range(count)]
        recorded: dict[int, Recorded] = {}

        def ask(number: int) -> None:
            recorded[number] = record(provider, requests[number], number)

        if at_once:
            threads = [threading.Thread(target=ask, args=(each,)) for each in range(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        else:
            for number in range(count):
                ask(number)
        pipe.send("what was sent")
        sent = pipe.recv()
        keys = [
            str([{"role": each.role, "content": each.text} for each in request.messages])
            for request in requests
        ]
        return [(recorded[number], sent[key]) for number, key in enumerate(keys)]

    return answers


def _prompts(subject: Subject, tokens: int) -> Prompts:
    from localai.bench.plan import Test
    from localai.bench.prompts import Prompts

    prompts = Prompts(subject, Test(64, tokens), None, random.Random(1), None, False)
    prompts.fit()
    return prompts


def _accuracy(answered: Answered, given: argparse.Namespace) -> None:
    print(f"\n{given.answers} answers of {given.tokens} tokens, {_GAP_S * 1000:.0f} ms apart")
    _show_lags(answered)
    counted = sum(one.sample.output_tokens or 0 for one, _ in answered)
    print(f"tokens counted {counted:,}, sent {sum(len(sent) for _, sent in answered):,}")


def _show_lags(answered: Answered) -> None:
    """What was recorded less what was sent, without what the machine always takes in between."""
    firsts = [one.pieces[0] - sent[0] for one, sent in answered]
    gaps = [
        abs((b - a) - (d - c))
        for one, sent in answered
        for (a, b), (c, d) in zip(pairwise(one.pieces), pairwise(sent), strict=True)
    ]
    lags = [
        got - left for one, sent in answered for got, left in zip(one.pieces, sent, strict=True)
    ]
    print(f"{'recorded less sent, ms':<24} {'median':>8} {'95%':>8} {'99%':>8}")
    for name, values in (("first token", firsts), ("each piece", lags), ("gaps", gaps)):
        shown = (f"{1000 * quantile(values, share):>8.3f}" for share in (0.5, 0.95, 0.99))
        print(f"{name:<24} {' '.join(shown)}")
    errors = [abs(_error(one, sent)) for one, sent in answered]
    print(f"decode rate off by {quantile(errors, 0.5):.3%}, at most {max(errors):.3%}")


def _error(one: Recorded, sent: Sequence[float]) -> float:
    """By what share the recorded decode rate differs from that at which the pieces left."""
    return (one.sample.decode_tokens_per_s or 0.0) * (sent[-1] - sent[0]) / (len(sent) - 1) - 1


def _processor_time(paced: Subject, once: Subject, urls: dict[str, str]) -> None:
    rows = (
        ("pieces 4 ms apart", _slope(lambda tokens: _ours(paced, tokens))),
        ("  read and thrown away", _slope(lambda tokens: _bare(urls["paced"], tokens))),
        ("pieces without a pause", _slope(lambda tokens: _ours(once, 4 * tokens)) / 4),
        ("  read and thrown away", _slope(lambda tokens: _bare(urls["once"], 4 * tokens)) / 4),
    )
    print("\nprocessor time of the client, µs a piece")
    for name, seconds in rows:
        print(f"{name:<24} {1e6 * seconds:>8.1f}")


def _slope(spent: Callable[[int], float]) -> float:
    """Seconds a token: the median difference of a long answer and a short one."""
    spent(_SHORT)
    return quantile(
        [(spent(_LONG) - spent(_SHORT)) / (_LONG - _SHORT) for _ in range(_CLIENT_ROUNDS)], 0.5
    )


def _ours(subject: Subject, tokens: int) -> float:
    from localai.bench.recording import record

    request = _prompts(subject, tokens).next()
    begin = time.process_time()
    record(subject.selected.provider, request, 0)
    return time.process_time() - begin


def _bare(url: str, tokens: int) -> float:
    connection = http.client.HTTPConnection(url.partition("//")[2].partition("/")[0])
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": tokens, "stream": True}
    begin = time.process_time()
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    response = connection.getresponse()
    while response.read1(1 << 16):
        pass
    return time.process_time() - begin


def _speed(answered: Answered) -> None:
    rates = [(len(sent) - 1) / (sent[-1] - sent[0]) for _, sent in answered]
    errors = [_error(one, sent) for one, sent in answered]
    print(
        f"\none answer of {_FASTEST_TOKENS:,} tokens, sent at {quantile(rates, 0.5):,.0f} a second:"
        f" decode rate off by {max(map(abs, errors)):.3%} at most"
    )


def _crowd(answered: Answered) -> None:
    print(f"\n{len(answered)} streams at once, {1 / _CROWD_GAP_S:.0f} pieces a second each")
    _show_lags(answered)
    ours, theirs = (
        sum(map(len, streams)) / (max(each[-1] for each in streams) - min(e[0] for e in streams))
        for streams in ([one.pieces for one, _ in answered], [sent for _, sent in answered])
    )
    print(f"together {ours:,.0f} tok/s, sent {theirs:,.0f}: off by {ours / theirs - 1:+.3%}")


if __name__ == "__main__":
    with needing():
        main()
