"""The steps in which a prompt is read: short on a CPU, so that it is said how far it is, and a stop
is noticed."""

from __future__ import annotations

from contextlib import closing

import pytest

from localai.config import load
from localai.engine.llamacpp.steps import Steps, steps
from localai.engine.worker_files import WorkerSpec
from localai.events import Done, Event, Loading
from localai.paths import Paths
from localai.providers.llamacpp import LlamaCpp
from localai.types import ChatRequest, Message, Options


@pytest.mark.parametrize(
    ("set_by_the_user", "on_cpu", "expected"),
    [
        ({}, True, Steps(256, 256)),
        ({}, False, Steps(2048, 512)),
        ({"projector_path": "p.gguf"}, True, Steps(2048, 512)),
        ({"micro_batch": 1024}, True, Steps(1024, 1024)),
        ({"micro_batch": 4096}, False, Steps(4096, 4096)),
        ({"batch": 64}, True, Steps(64, 64)),
        ({"batch": 64}, False, Steps(64, 64)),
        ({"batch": 1024, "micro_batch": 128}, True, Steps(1024, 128)),
    ],
)
def test_a_step_is_short_on_a_cpu_unless_the_user_or_a_picture_needs_another(
    set_by_the_user: dict[str, object], on_cpu: bool, expected: Steps
) -> None:
    spec = WorkerSpec("llamacpp", "m.gguf", 4096, **set_by_the_user)  # type: ignore[arg-type]
    assert steps(spec, on_cpu=on_cpu) == expected


@pytest.fixture
def provider(home_with_starter: Paths) -> LlamaCpp:
    return LlamaCpp(load(home_with_starter), home_with_starter)


def test_a_long_prompt_says_how_far_it_is_and_the_next_one_what_it_waits_for(
    provider: LlamaCpp,
) -> None:
    model = provider.resolve("starter")
    long = " ".join(f"Item {number} is on the list." for number in range(120))
    request = ChatRequest(
        model, (Message("user", long),), Options(max_tokens=1), context_tokens=4096
    )
    shares = []
    with closing(provider.stream(request)) as events:
        for event in events:
            if isinstance(event, Loading) and event.fraction is not None:
                shares.append(event.fraction)
            if len(shares) == 3:
                break
    assert shares[0] == 0
    assert 0 < shares[1] < shares[2] < 1, "in steps, and not all at once"
    short = ChatRequest(model, (Message("user", "Hi"),), Options(max_tokens=1), context_tokens=4096)
    after: list[Event] = list(provider.stream(short))
    assert isinstance(after[-1], Done)
    said = [event.message for event in after if isinstance(event, Loading)]
    assert said[0] == "what was stopped still computes"
    assert "reading the prompt" in said[1:], "and then what it does"
    again = [event.message for event in provider.stream(short) if isinstance(event, Loading)]
    assert "what was stopped still computes" not in again
