"""Several requests at once: a closed loop of users who ask again at once, an open one of arrivals.

In a closed loop each of so many users waits for an answer before the next question, and what
counts is the time in which all of them are served. In an open loop requests come whether or not
the last ones are answered, and the time to the first token counts from when a request *should*
have begun: a server that falls behind shows it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from localai.bench.recording import Recorded, Sample, record
from localai.providers.provider import Provider
from localai.types import ChatRequest

# In a closed loop each user asks so often in one repetition: once would be all beginnings and ends.
REQUESTS_EACH = 2
_MOST_IN_FLIGHT = 512
_SERVED = 0.95
_AWAY_S = 0.01


def closed_loop(
    provider: Provider, requests: Sequence[ChatRequest], users: int, round_number: int
) -> Recorded:
    """One repetition: `users` at a time work through `requests`. The sample is that of the median
    request, with what all of them got together. Raises nothing that a request does not survive."""
    waiting = iter(requests)
    lock = threading.Lock()
    done: list[Recorded] = []

    def work() -> None:
        while True:
            with lock:
                request = next(waiting, None)
            if request is None:
                return
            answer = record(provider, request, round_number)
            with lock:
                done.append(answer)

    _in_threads([work] * users)
    return _together(done, users)


def open_loop(
    provider: Provider,
    next_request: Callable[[], ChatRequest],
    *,
    rate: float,
    count: int,
    source: random.Random,
    on_answer: Callable[[Recorded], None],
) -> None:
    """`count` requests that arrive at random, `rate` a second on average (a Poisson process).

    `on_answer` is told each answer, by whichever thread had it; its first token is counted from
    the moment at which its request should have begun.
    """
    begin = time.perf_counter() + 0.05
    due = begin
    threads: list[threading.Thread] = []
    for number in range(count):
        due += source.expovariate(rate) if number else 0.0
        request = next_request()

        def ask(request: ChatRequest = request, due: float = due, number: int = number) -> None:
            late_s = time.perf_counter() - due
            answer = record(provider, request, number)
            on_answer(replace(answer, sample=_from(answer.sample, late_s)))

        while (left := due - time.perf_counter()) > 0:
            time.sleep(left)
        threads = [each for each in threads if each.is_alive()]
        if len(threads) >= _MOST_IN_FLIGHT:
            threads[0].join()
        threads.append(threading.Thread(target=ask, daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join()


def _from(sample: Sample, late_s: float) -> Sample:
    """The sample, its times counted from a begin that was `late_s` before the request."""

    def later(seconds: float | None) -> float | None:
        return None if seconds is None else seconds + late_s

    return replace(
        sample,
        first_token_s=later(sample.first_token_s),
        first_visible_s=later(sample.first_visible_s),
        total_s=later(sample.total_s),
    )


def _together(done: Sequence[Recorded], users: int) -> Recorded:
    answered = [each for each in done if each.sample.failed is None]
    if not answered:
        return done[0]
    tokens, seconds = _throughput(answered, users)
    middle = sorted(answered, key=lambda each: each.sample.first_token_s or 0.0)[len(answered) // 2]
    by_speed = sorted(answered, key=lambda each: each.sample.decode_tokens_per_s or 0.0)
    speed = by_speed[len(by_speed) // 2].sample
    failed = len(done) - len(answered)
    sample = replace(
        middle.sample,
        decode_tokens=speed.decode_tokens,
        decode_s=speed.decode_s,
        gaps_s=tuple(gap for each in answered for gap in each.sample.gaps_s),
        total_s=median(each.sample.total_s or 0.0 for each in answered),
        cached_tokens=_most(each.sample.cached_tokens for each in answered),
        requests=len(done),
        failed_requests=failed,
        throughput_tokens=tokens,
        throughput_s=seconds,
    )
    return replace(middle, sample=sample)


def _most(counts: Iterator[int | None]) -> int | None:
    known = [each for each in counts if each is not None]
    return max(known) if known else None


def _throughput(answered: Sequence[Recorded], users: int) -> tuple[float, float]:
    """Tokens and seconds of the longest time in which at least 95% of the users were served."""
    changes = sorted(
        [(each.started, 1) for each in answered] + [(each.ended, -1) for each in answered]
    )
    begin, end = _longest_full(changes, users)
    tokens = sum(
        each.tokens_a_piece * sum(begin <= at <= end for at in each.pieces) for each in answered
    )
    return tokens, end - begin


def _longest_full(changes: Sequence[tuple[float, int]], users: int) -> tuple[float, float]:
    """The longest such time; a user who asks again within 10 ms was never away."""
    spans: list[tuple[float, float]] = []
    in_flight = 0
    for (at, change), (until, _) in pairwise(changes):
        in_flight += change
        if in_flight < _SERVED * users:
            continue
        if spans and at - spans[-1][1] < _AWAY_S:
            spans[-1] = (spans[-1][0], until)
        else:
            spans.append((at, until))
    return max(spans, key=lambda span: span[1] - span[0], default=(0.0, 0.0))


def _in_threads(tasks: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=task, daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
