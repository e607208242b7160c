"""Work in several threads, none of which outlives whoever waits for it.

A pool of the standard library waits for its threads, also after Ctrl-C: for a server that answers
nothing, or a model that is being projected. And threads that wait for each other at a barrier wait
for ever if one of them could not begin.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Step = Callable[[], object]


def in_threads(
    work: Callable[[Item], Result], items: Iterable[Item], most: int | None = None
) -> list[Result]:
    """`work` of each item, in their order, in at most so many threads at once.

    The first exception is raised when all have ended. After Ctrl-C nothing is waited for: what runs
    is left behind, and ends with the process at the latest. Where the system gives no thread, the
    work is done in this one.
    """
    left = list(enumerate(items))[::-1]
    wanted = min(len(left), most or len(left))
    results: dict[int, Result] = {}
    failures: dict[int, BaseException] = {}

    def run() -> None:
        while True:
            try:
                number, item = left.pop()
            except IndexError:
                return
            try:
                results[number] = work(item)
            except BaseException as error:  # noqa: BLE001  raised where it is waited for
                failures[number] = error

    threads: list[threading.Thread] = []
    try:
        for _ in range(wanted):
            thread = threading.Thread(target=run, daemon=True)
            try:
                thread.start()
            except RuntimeError:
                break
            threads.append(thread)
        if not threads:
            run()
        for thread in threads:
            thread.join()
    except BaseException:
        left.clear()
        raise
    if failures:
        raise failures[min(failures)]
    return [results[number] for number in sorted(results)]


def begun(work: Callable[[], Result]) -> Callable[[], Result]:
    """Begin `work` in another thread; what is returned waits for its result, and raises what it
    raised. It is done then where the system gives no thread."""
    done: list[Result] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001  raised where it is waited for
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    wait: Callable[[], None] = thread.join
    try:
        thread.start()
    except RuntimeError:
        wait = run

    def result() -> Result:
        wait()
        if failures:
            raise failures[0]
        return done[0]

    return result


def in_step(tasks: Sequence[Callable[[Step], None]]) -> None:
    """Run each task in a thread of its own. Each is given what waits until all the others wait.

    If one fails or cannot begin, or after Ctrl-C, the others end as soon as they wait, and the
    exception is raised: RuntimeError where the system gives no more threads.
    """
    barrier = threading.Barrier(len(tasks))
    failures: list[BaseException] = []

    def run(task: Callable[[Step], None]) -> None:
        try:
            task(barrier.wait)
        except threading.BrokenBarrierError:
            return
        except BaseException as error:  # noqa: BLE001  raised where it is waited for
            failures.append(error)
            barrier.abort()

    threads = [threading.Thread(target=run, args=(task,), daemon=True) for task in tasks]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except BaseException:
        barrier.abort()
        raise
    if failures:
        raise failures[0]
