"""What is recorded of one answer, held against what a server with a known schedule did."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from localai.bench.plan import Test
from localai.bench.prompts import Prompts
from localai.bench.recording import Sample, record
from localai.bench.subject import Subject, subjects
from localai.config import load
from localai.paths import locate
from localai.providers.pool import ProviderPool
from tests.support.clock import slowdown
from tests.support.paced_server import PacedServer


@pytest.fixture
def subject(paced: PacedServer) -> Iterator[Subject]:
    paths = locate()
    with ProviderPool(paths) as pool:
        (found,) = subjects(["farm/paced"], [], load(paths), pool)
        yield found


def ask(subject: Subject, test: Test) -> Sample:
    prompts = Prompts(subject, test, None, random.Random(), None, False)
    prompts.fit()
    if (prefix := prompts.prefix()) is not None:
        record(subject.selected.provider, prefix, 0)
    return record(subject.selected.provider, prompts.next(), 0).sample


@contextmanager
def near() -> Iterator[float]:
    """Seconds by which stamps of two threads of one interpreter may differ now."""
    yield 0.02 * slowdown()


@pytest.mark.clock
def test_times_and_tokens_are_those_of_the_schedule(paced: PacedServer, subject: Subject) -> None:
    paced.set(first_s=0.05, prefill_s_per_token=0.0005, gap_s=0.01, role_chunk=True)
    # What else the machine does only adds: the answer that it added least to counts.
    answers = [(ask(subject, Test(64, 24)), paced.sent[-1]) for _ in range(3)]
    sample, sent = min(
        answers,
        key=lambda each: (each[0].first_token_s or 1.0) - (each[1].pieces[0] - each[1].arrived),
    )
    assert (sample.input_tokens, sample.output_tokens) == (64, 24)
    assert (sample.prefill_tokens, sample.cached_tokens) == (64, 0)
    # The first token belongs to the prefill.
    assert sample.decode_tokens == 23
    assert len(sample.gaps_s) == 23
    with near() as tolerance:
        assert sample.decode_s == pytest.approx(sent.pieces[-1] - sent.pieces[0], abs=tolerance)
        # Never the chunk with the role, which left at once: 50 ms and half of one for each token.
        waited = sent.pieces[0] - sent.arrived
        assert waited >= 0.05 + 64 * 0.0005
        assert sample.first_token_s == pytest.approx(waited, abs=tolerance)
    assert sample.server_decode_s is None


def test_a_piece_may_hold_several_tokens_and_a_packet_several_pieces(
    paced: PacedServer, subject: Subject
) -> None:
    paced.set(tokens_per_piece=4, pieces_per_packet=2)
    sample = ask(subject, Test(64, 40))
    assert sample.decode_tokens == 39
    assert len(sample.gaps_s) == 9


@pytest.mark.clock
def test_reasoning_is_a_token_and_not_visible(paced: PacedServer, subject: Subject) -> None:
    paced.set(reasoning_tokens=8, gap_s=0.02)
    sample = ask(subject, Test(64, 24))
    assert sample.first_token_s is not None
    assert sample.first_visible_s is not None
    assert sample.first_visible_s > sample.first_token_s + 0.1


def test_the_servers_clock_stands_apart(paced: PacedServer, subject: Subject) -> None:
    paced.set(says_times=True, prefill_s_per_token=0.001, gap_s=0.01)
    sample = ask(subject, Test(64, 24))
    assert sample.server_prefill_tokens == 64
    assert sample.server_prefill_s == pytest.approx(0.064)
    assert sample.server_decode_tokens == 23
    assert sample.server_decode_s == pytest.approx(0.23)
    assert sample.server_decode_tokens_per_s == pytest.approx(100)


@pytest.mark.clock
def test_a_stall_is_a_gap(paced: PacedServer, subject: Subject) -> None:
    paced.set(stall=(10, 0.5), gap_s=0.001)
    sample = ask(subject, Test(64, 24))
    assert max(sample.gaps_s) > 0.4
    assert sample.gaps_s.index(max(sample.gaps_s)) == 9


def test_fewer_than_eight_tokens_have_no_rate(paced: PacedServer, subject: Subject) -> None:
    paced.set(ends_early_at=8)
    sample = ask(subject, Test(64, 24))
    assert (sample.output_tokens, sample.decode_tokens_per_s) == (8, None)
    assert sample.finish_reason == "stop"


def test_of_a_depth_only_what_comes_after_it_is_computed(
    paced: PacedServer, subject: Subject
) -> None:
    paced.set(caches=True)
    sample = ask(subject, Test(64, 24, depth_tokens=200))
    assert sample.input_tokens == pytest.approx(264, abs=2)
    # The template's own words at the end of the depth are computed again.
    assert sample.prefill_tokens == pytest.approx(64, abs=8)


def test_what_a_server_does_not_say_is_unknown(paced: PacedServer, subject: Subject) -> None:
    paced.set(says_cached=False)
    assert ask(subject, Test(64, 24)).cached_tokens is None


def test_a_server_that_is_gone_is_a_sample_that_failed(
    paced: PacedServer, subject: Subject
) -> None:
    prompts = Prompts(subject, Test(64, 24), None, random.Random(), None, False)
    paced.__exit__()
    sample = record(subject.selected.provider, prompts.next(), 0).sample
    assert sample.failed is not None
    assert sample.decode_tokens_per_s is None
