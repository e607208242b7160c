"""A system that starts no further thread: that is said, and not what comes of it."""

from __future__ import annotations

import threading

import pytest

from localai.compare import side_by_side


def test_the_reason_is_not_hidden_by_waiting_for_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(side_by_side, "lanes", lambda contestants: [contestants])
    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        next(side_by_side.SideBySide([], {}).run(0.1))
