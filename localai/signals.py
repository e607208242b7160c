"""Ending tidily when the system asks for it, and a computation that takes too long."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_ASKED_TO_END: Final = (signal.SIGTERM, signal.SIGHUP)


class _AskedToEnd(SystemExit):
    """Unwinds the command, so that what it has so far is kept."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


class _OutOfTime(BaseException):
    """No library may take it for an error of its own, and go on."""


@contextmanager
def end_tidily() -> Iterator[None]:
    """On SIGTERM and SIGHUP unwind the block as Ctrl-C does, and then end by the signal.

    A second signal ends the process at once. An ignored signal (`nohup`) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    default = [each for each in _ASKED_TO_END if signal.getsignal(each) is signal.SIG_DFL]
    for each in default:
        signal.signal(each, _end)
    try:
        yield
    except _AskedToEnd as asked:
        os.kill(os.getpid(), asked.number)
        raise
    finally:
        for each in default:
            signal.signal(each, signal.SIG_DFL)


def _end(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise _AskedToEnd(number)


@contextmanager
def ctrl_c_left_to_child() -> Iterator[None]:
    """Leave Ctrl-C to the program that has the terminal meanwhile, an editor or a pager.

    As git does: a terminal sends it to both; vim leaves a mode by it, and less stops searching.
    Taken here, it would kill that program: the text would be lost, and the terminal left without an
    echo. The program itself starts with the signal as usual.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def limited(processor_s: float) -> Iterator[None]:
    """Break the block off once this process has computed for so long, and raise TimeoutError.

    For patterns, schemas and PDFs that strangers write: the work can grow with a power of the text.
    Of the main thread only, for no other can be interrupted; Python's regular expressions look for
    signals while they search.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("only the main thread can be interrupted")

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _OutOfTime

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, processor_s)
    try:
        yield
    except _OutOfTime:
        raise TimeoutError from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
