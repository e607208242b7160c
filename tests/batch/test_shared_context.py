"""A shared context does not overflow, whoever comes."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from localai.batch.concurrency import Closed, SharedContext


def test_the_sum_of_what_is_in_use_stays_below_the_whole() -> None:
    context, lock, used, most = SharedContext(100), threading.Lock(), [0], [0]

    def use(tokens: int) -> None:
        with context.share(tokens):
            with lock:
                used[0] += tokens
                most[0] = max(most[0], used[0])
            time.sleep(0.002)
            with lock:
                used[0] -= tokens

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(use, [40, 30, 10, 70, 25] * 20))
    assert 70 <= most[0] <= 100


def test_who_needs_more_than_there_is_gets_all_of_it() -> None:
    context = SharedContext(100)
    with context.share(5000):
        pass
    with context.share(None), pytest.raises(TimeoutError), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_enter, context, 1)
        try:
            waiting.result(timeout=0.05)
        finally:
            context.close()


def test_small_ones_do_not_overtake_a_large_one_for_ever() -> None:
    context, order = SharedContext(10), []

    def use(name: str, tokens: int) -> None:
        with context.share(tokens):
            order.append(name)

    with context.share(6):
        threads = [
            threading.Thread(target=use, args=each) for each in (("large", 10), ("small", 1))
        ]
        for thread in threads:
            thread.start()
            time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert order == ["large", "small"]


def test_who_waits_is_sent_away_when_it_closes() -> None:
    context = SharedContext(10)
    with context.share(10), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_enter, context, 1)
        context.close()
        with pytest.raises(Closed):
            waiting.result(timeout=5)


def test_a_room_without_a_limit_lets_everybody_in() -> None:
    context = SharedContext()
    with context.share(1 << 40), context.share(None):
        pass


def _enter(context: SharedContext, tokens: int) -> None:
    with context.share(tokens):
        pass
