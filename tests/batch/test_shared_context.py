"""A shared context does not overflow, whoever comes."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from localai.batch.shared_context import Closed, Room


def test_the_sum_of_what_is_in_use_stays_below_the_whole() -> None:
    room, lock, used, most = Room(100), threading.Lock(), [0], [0]

    def use(tokens: int) -> None:
        with room.share(tokens):
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
    room = Room(100)
    with room.share(5000):
        pass
    with room.share(None), pytest.raises(TimeoutError), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_enter, room, 1)
        try:
            waiting.result(timeout=0.05)
        finally:
            room.close()


def test_small_ones_do_not_overtake_a_large_one_for_ever() -> None:
    room, order = Room(10), []

    def use(name: str, tokens: int) -> None:
        with room.share(tokens):
            order.append(name)

    with room.share(6):
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
    room = Room(10)
    with room.share(10), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_enter, room, 1)
        room.close()
        with pytest.raises(Closed):
            waiting.result(timeout=5)


def test_a_room_without_a_limit_lets_everybody_in() -> None:
    room = Room()
    with room.share(1 << 40), room.share(None):
        pass


def _enter(room: Room, tokens: int) -> None:
    with room.share(tokens):
        pass
