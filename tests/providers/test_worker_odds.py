"""What a worker of llama.cpp is asked for the odds of tokens."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from localai.engine.lifecycle import Lease
from localai.providers.worker_odds import WorkerOdds

WHOLE, HALF = 97, 40303


def test_the_token_that_is_drawn_is_a_whole_character(monkeypatch: pytest.MonkeyPatch) -> None:
    """llama.cpp's server gives no `completion_probabilities` where it drew half a character, and
    without samplers it draws by chance."""

    def server(socket: Path, method: str, path: str, body: Any, *, timeout_s: float) -> Any:
        if path == "/tokenize":
            assert body["content"] == "a"
            return {"tokens": [WHOLE]}
        drawn = dict(body.get("logit_bias", [])).get(WHOLE, 0)
        if drawn < 100:
            return {"completion_probabilities": []}
        top = [
            {"id": HALF, "token": "\ufffd", "logprob": -0.1},
            {"id": WHOLE, "token": "a", "logprob": -2.5},
        ]
        return {"completion_probabilities": [{"top_logprobs": top}]}

    monkeypatch.setattr("localai.providers.worker_odds.call", server)
    lease = SimpleNamespace(files=SimpleNamespace(socket=Path("worker")))
    odds = WorkerOdds(cast("Lease", lease))
    assert odds.next([1, 2], 2).top[HALF] == ("\ufffd", -0.1)
