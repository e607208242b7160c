"""Threads end with whoever waits for them: after Ctrl-C, and where the system gives no more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from localai.bench.anchor import anchor
from localai.hardware.measured_bandwidth import measure_bandwidth
from localai.parallel import begun, in_step, in_threads

MIB = 1 << 20


StoppedBy = Callable[[BaseException], list[threading.Thread]]
MEASUREMENTS: dict[str, Callable[[], object]] = {
    "of the processor": lambda: anchor(2),
    "of memory": lambda: measure_bandwidth(2, available_bytes=64 * MIB),
}


@pytest.fixture
def second_thread(monkeypatch: pytest.MonkeyPatch) -> StoppedBy:
    """Has the second thread of those that measure raise something instead of starting; returns
    those that did start."""

    def stopped_by(error: BaseException) -> list[threading.Thread]:
        began: list[threading.Thread] = []
        start = threading.Thread.start

        def starts(thread: threading.Thread) -> None:
            of_a_step = "in_step" in getattr(thread, "_target").__qualname__  # noqa: B009
            if of_a_step and began:
                raise error
            start(thread)
            if of_a_step:
                began.append(thread)

        monkeypatch.setattr(threading.Thread, "start", starts)
        return began

    return stopped_by


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("can't start new thread")])
@pytest.mark.parametrize("measure", MEASUREMENTS)
def test_a_measurement_waits_for_no_thread_that_never_began(
    measure: str, error: BaseException, second_thread: StoppedBy
) -> None:
    began = second_thread(error)
    with pytest.raises(type(error)):
        MEASUREMENTS[measure]()
    [thread] = began
    thread.join(20)
    assert not thread.is_alive()


def test_a_task_that_fails_ends_those_that_wait_for_it() -> None:
    def fails(_: Callable[[], object]) -> None:
        raise ValueError("no")

    def waits(for_others: Callable[[], object]) -> None:
        for_others()

    with pytest.raises(ValueError, match="no"):
        in_step([fails, waits])


def test_ctrl_c_does_not_wait_for_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    begins: list[int] = []
    join = threading.Thread.join

    def joins(thread: threading.Thread, timeout: float | None = None) -> None:
        if thread.daemon and begins:
            raise KeyboardInterrupt
        join(thread, timeout)

    def work(number: int) -> None:
        begins.append(number)
        never.wait()

    monkeypatch.setattr(threading.Thread, "join", joins)
    with pytest.raises(KeyboardInterrupt):
        in_threads(work, range(9), most=2)
    assert len(begins) <= 2
    never.set()
    time.sleep(0.2)
    assert len(begins) <= 2


def test_results_come_in_order_whoever_is_first() -> None:
    def waits(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    assert in_threads(waits, [0.1, 0.0, 0.05]) == [0.1, 0.0, 0.05]
    assert in_threads(str, []) == []
    assert begun(lambda: 7)() == 7


def test_what_fails_is_raised_where_it_is_waited_for() -> None:
    def one(number: int) -> int:
        if number:
            raise ValueError(number)
        return number

    with pytest.raises(ValueError, match="1"):
        in_threads(one, [0, 1, 2])
    with pytest.raises(ValueError, match="3"):
        begun(lambda: one(3))()


def test_without_a_thread_the_work_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuses)
    assert in_threads(str, [1, 2]) == ["1", "2"]
    assert begun(lambda: 7)() == 7
