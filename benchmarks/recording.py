"""How exactly `localai bench` times an answer: against a server whose schedule is known.

    python -m benchmarks.recording [--tokens 400] [--answers 12]

The server plays in a process of its own and keeps the moment at which each piece left, on the clock
that all processes of a machine share. Said are the differences between what was recorded and that,
for the first token and for the gaps between pieces, and the processor time of the client for each
piece: beside that of a client that reads and throws away, because to be woken for a piece costs
more than to read it, and once more for pieces without pauses. What a busy machine adds is in it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import random
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import machine
from localai.statistics import quantile

if TYPE_CHECKING:
    from localai.bench.subject import Subject

_GAP_S = 0.004
_PIECES_AT_ONCE = 4000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--answers", type=int, default=12)
    given = parser.parse_args()
    print(machine())
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,))
    server.start()
    try:
        with tempfile.TemporaryDirectory(prefix="localai-benchmark-") as home:
            _measure(Path(home), ours, given.tokens, given.answers)
    finally:
        ours.send("end")
        server.join()


def _serve(pipe: Connection) -> None:
    from tests.support.paced_server import PacedServer, Schedule

    paced, at_once = Schedule(first_s=0.05, gap_s=_GAP_S), Schedule(gap_s=0.0)
    with PacedServer(paced) as server, PacedServer(at_once) as fast:
        pipe.send([server.url, fast.url])
        while pipe.recv() != "end":
            pipe.send(json.dumps([[each.arrived, each.pieces] for each in server.sent]))
            server.sent.clear()


def _measure(home: Path, pipe: Connection, tokens: int, answers: int) -> None:
    os.environ["LOCALAI_HOME"] = str(home)
    paced, at_once = pipe.recv()
    (home / "config.toml").write_text(
        f'[endpoint.farm]\nurl = "{paced}"\n[endpoint.fast]\nurl = "{at_once}"\n'
    )
    from localai.bench.plan import Test
    from localai.bench.prompts import Prompts
    from localai.bench.recording import record
    from localai.bench.subject import subjects
    from localai.config import load
    from localai.paths import locate
    from localai.providers.pool import ProviderPool

    paths = locate()
    with ProviderPool(paths) as pool:
        subject, fast = subjects(["farm/paced", "fast/paced"], [], load(paths), pool)
        prompts = Prompts(subject, Test(64, tokens), None, random.Random(1), None, False)
        prompts.fit()
        provider = subject.selected.provider
        record(provider, prompts.next(), 0)
        at_once_s = _at_once(fast)
        pipe.send("what was sent")
        pipe.recv()
        begin = time.process_time()
        recorded = [record(provider, prompts.next(), number) for number in range(answers)]
        spent_s = time.process_time() - begin
    pipe.send("what was sent")
    sent = json.loads(pipe.recv())
    bare_s = _bare(paced, tokens)
    lags = [
        got - left
        for one, (_, pieces) in zip(recorded, sent, strict=True)
        for got, left in zip(one.pieces, pieces, strict=True)
    ]
    gaps = [
        abs((b - a) - (d - c))
        for one, (_, pieces) in zip(recorded, sent, strict=True)
        for a, b, c, d in zip(one.pieces, one.pieces[1:], pieces, pieces[1:], strict=False)
    ]
    firsts = [one.pieces[0] - pieces[0] for one, (_, pieces) in zip(recorded, sent, strict=True)]
    rates = [
        (one.sample.decode_tokens_per_s or 0) * (pieces[-1] - pieces[0]) / (len(pieces) - 1)
        for one, (_, pieces) in zip(recorded, sent, strict=True)
    ]
    print(f"\n{answers} answers of {tokens} tokens, {_GAP_S * 1000:.0f} ms apart; p50, p99")
    for name, values in (("first token", firsts), ("each piece", lags), ("gaps", gaps)):
        median, most = (1000 * quantile(values, each) for each in (0.5, 0.99))
        print(f"{name:<12} {median:>7.3f} {most:>7.3f} ms")
    print(f"decode rate off by at most {max(abs(rate - 1) for rate in rates):.3%}")
    spent_us, bare_us, at_once_us = (
        1e6 * each for each in (spent_s / (answers * tokens), bare_s, at_once_s)
    )
    print(
        f"client CPU a piece: {spent_us:.0f} µs, of a client that reads and throws away"
        f" {bare_us:.0f} µs; without pauses {at_once_us:.1f} µs"
    )


def _at_once(subject: Subject) -> float:
    """Seconds of processor time a piece, where all pieces come without a pause."""
    from localai.bench.plan import Test
    from localai.bench.prompts import Prompts
    from localai.bench.recording import record

    prompts = Prompts(subject, Test(64, _PIECES_AT_ONCE), None, random.Random(1), None, False)
    prompts.fit()
    provider = subject.selected.provider
    record(provider, prompts.next(), 0)
    begin = time.process_time()
    recorded = record(provider, prompts.next(), 1)
    return (time.process_time() - begin) / len(recorded.pieces)


def _bare(url: str, tokens: int) -> float:
    """Seconds of processor time a piece of a client that only receives."""
    connection = http.client.HTTPConnection(url.partition("//")[2].partition("/")[0])
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": tokens, "stream": True}
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    response = connection.getresponse()
    begin = time.process_time()
    while response.read1(1 << 16):
        pass
    return (time.process_time() - begin) / tokens


if __name__ == "__main__":
    main()
