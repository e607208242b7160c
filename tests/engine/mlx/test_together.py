"""Answers that the MLX worker computes together: a model of chance, asked by several at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from localai.engine.lifecycle import Lease, acquire, stop, workers
from localai.engine.worker_files import WorkerSpec
from localai.net.http import call
from localai.paths import locate
from tests.support.clock import becomes
from tests.support.mlx import ask, chunks, make_tiny_model

ROOM_TOKENS = 1100
LONG_TOKENS = 100
QUESTIONS = [
    {"role": "user", "content": "Name a town."},
    {"role": "user", "content": "Which way is the sea? " * 45},
    {"role": "user", "content": "What is the time, please? " * 6},
]


@pytest.fixture(scope="module", params=["llama", "window"])
def lease(
    tmp_path_factory: pytest.TempPathFactory,
    mlx_python: Path,
    mlx_model_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Lease]:
    """A worker of a model whose caches grow, and of one whose caches are windows."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    config = {"sliding_window": 96, "layer_types": ["sliding_attention", "full_attention"]}
    make_tiny_model(folder, mlx_model_path, **(config if request.param == "window" else {}))
    paths = locate({"LOCALAI_HOME": str(tmp_path_factory.mktemp("home"))})
    spec = WorkerSpec("mlx", str(folder), ROOM_TOKENS, kv_dir=str(paths.kv_dir))
    with acquire(
        paths,
        spec,
        keep_alive_s=60,
        available_bytes=lambda: None,
        interpreter=str(mlx_python),
    ) as lease:
        yield lease
    for files, info in workers(paths):
        stop(files, info)


def _together(lease: Lease, *bodies: dict[str, Any]) -> tuple[list[str], list[int]]:
    """The texts of the answers, and the numbers of the answers in the order of their chunks. The
    next is asked once the one before has begun."""
    order: list[int] = []

    def gather(number: int, body: dict[str, Any], begun: threading.Event) -> str:
        text = ""
        try:
            for chunk in chunks(lease.files.socket, **body):
                for choice in chunk["choices"]:
                    text += choice["delta"].get("content", "")
                    order.append(number)
                begun.set()
        finally:
            begun.set()
        return text

    with ThreadPoolExecutor(len(bodies)) as pool:
        jobs = []
        for number, body in enumerate(bodies):
            begun = threading.Event()
            jobs.append(pool.submit(gather, number, body, begun))
            assert begun.wait(60)
        return [job.result() for job in jobs], order


def _asked(
    question: dict[str, str], max_tokens: int = LONG_TOKENS, **options: Any
) -> dict[str, Any]:
    # The likeliest token of chance ends no answer.
    return {"messages": [question], "max_tokens": max_tokens, **options}


def _alone(lease: Lease, body: dict[str, Any]) -> str:
    [text], _ = _together(lease, body)
    return text


def test_answers_are_computed_together_and_are_those_that_each_is_alone(lease: Lease) -> None:
    bodies = [_asked(QUESTIONS[0], 400), _asked(QUESTIONS[1], 40), _asked(QUESTIONS[2], 60)]
    expected = [_alone(lease, body) for body in bodies]
    assert len(set(expected)) == 3
    texts, order = _together(lease, *bodies)
    assert texts == expected
    end_of_first = len(order) - 1 - order[::-1].index(0)
    assert order.index(2) < end_of_first, "the third waited for the first"
    assert order.count(0) > 60


def test_a_seed_repeats_an_answer_whoever_is_computed_beside_it(lease: Lease) -> None:
    seeded = _asked(QUESTIONS[0], 30, seed=7, temperature=1.2, repeat_penalty=1.3, top_k=5)
    other = _asked(QUESTIONS[2], 60, seed=8, temperature=1.2)
    expected = _alone(lease, seeded)
    assert expected != _alone(lease, {**seeded, "seed": 8})
    texts, _ = _together(lease, other, seeded, _asked(QUESTIONS[1], 30))
    assert texts[1] == expected


def test_who_finds_no_room_beside_the_others_waits_and_goes_on_later(lease: Lease) -> None:
    """Each cache is as long as the longest: three of 400 tokens have no room, and two have."""
    bodies = [_asked(question) for question in QUESTIONS]
    expected = [_alone(lease, body) for body in bodies]
    texts, _ = _together(lease, *bodies)
    assert texts == expected


def test_one_that_leaves_ends_none_of_the_others(lease: Lease) -> None:
    expected = _alone(lease, _asked(QUESTIONS[2]))
    leaving = chunks(lease.files.socket, **_asked(QUESTIONS[1], 1000, return_progress=True))
    next(leaving)
    with ThreadPoolExecutor(1) as pool:
        staying = pool.submit(ask, lease.files.socket, **_asked(QUESTIONS[2]))
        for _ in range(20):
            next(leaving)
        leaving.close()
        assert staying.result()[0] == expected
    assert becomes(lambda: not call(lease.files.socket, "GET", "/slots")[0]["is_processing"], 15)


def test_tokens_are_counted_while_an_answer_is_computed(lease: Lease) -> None:
    answering = chunks(lease.files.socket, **_asked(QUESTIONS[0], 1000))
    next(answering)
    counted = call(lease.files.socket, "POST", "/tokenize", {"content": "Name a town."})["tokens"]
    assert len(counted) == 4
    assert call(lease.files.socket, "GET", "/slots")[0]["is_processing"]
    answering.close()


def test_a_cache_of_one_who_left_is_lent_to_one_alone(lease: Lease) -> None:
    """Whoever left alone, and was computed further, gave its cache back twice."""
    # So short that two such caches have room, and so much of it prompt that the next takes it over.
    body = _asked(QUESTIONS[1], 240)
    leaving = chunks(lease.files.socket, **body)
    for _ in range(5):
        next(leaving)
    leaving.close()
    assert becomes(lambda: not call(lease.files.socket, "GET", "/slots")[0]["is_processing"], 15)
    expected = _alone(lease, {**body, "max_tokens": 60})
    texts, _ = _together(lease, *[{**body, "max_tokens": 60}] * 2)
    assert texts == [expected, expected]


def test_what_was_computed_together_is_not_computed_again(lease: Lease) -> None:
    # Within the window: what has outgrown it cannot be shortened by the last token.
    names = ("Name a river.", "Name a sea.")
    bodies = [_asked({"role": "user", "content": name}, 20) for name in names]
    _together(lease, *bodies)
    for body in bodies:
        *_, end = chunks(lease.files.socket, **body)
        assert end["timings"]["prompt_n"] == 1
