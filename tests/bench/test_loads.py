"""Several requests at once, held against a server with a known schedule."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from localai.bench.cell import Cell
from localai.bench.figures import first_token_spread, goodput, knee
from localai.bench.plan import Objectives, Test, counts, objectives, rates, shape_of
from localai.bench.recording import Sample
from localai.errors import InvalidInput
from tests.support.clock import slowdown
from tests.support.command import RunLocalai
from tests.support.paced_server import PacedServer


@pytest.mark.clock
def test_users_who_ask_again_at_once(paced: PacedServer, run_localai: RunLocalai) -> None:
    paced.set(gap_s=0.02, first_s=0.1)
    result = run_localai(
        "bench", "farm/paced", "--quick", "-p", "32", "-n", "16", "-j", "4,1", "--json"
    )
    assert result.returncode == 0, result.stderr
    four, one = json.loads(result.stdout)["results"]
    assert [row["test"]["concurrency"] for row in (four, one)] == [4, 1]
    assert one["throughput_tokens_per_s"] is None
    # A server that serves all at once gives four users about four times what it gives one:
    # 16 tokens each in 0.1 + 15 * 0.02 seconds.
    together = four["throughput_tokens_per_s"]["value"]
    assert 4 * 16 / 0.4 / (1.5 * slowdown()) < together < 1.1 * 4 * 16 / 0.4
    in_flight = [body for body in paced.asked if body["max_tokens"] == 16]
    assert len(in_flight) >= 6 * (8 + 1), "two of each user, and one of the one, six times"


def test_requests_that_arrive_are_timed_from_when_they_should_have_begun(
    paced: PacedServer, run_localai: RunLocalai
) -> None:
    paced.set(first_s=0.2, gap_s=0.005)
    arguments = ("-p", "32", "-n", "16", "--rate", "4", "--slo", "ttft=10s,itl=1s")
    result = run_localai("bench", "farm/paced", "--quick", *arguments, "--json")
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)["results"]
    assert row["test"]["rate_per_s"] == 4
    assert row["goodput"] == 1
    assert row["time_to_first_token_s"]["value"] >= 0.2
    assert any(note.startswith("first token: median") for note in row["notes"])
    begins = [
        sent.arrived
        for sent, body in zip(paced.sent, paced.asked, strict=True)
        if body["max_tokens"] == 16
    ][-30:]
    assert min(b - a for a, b in pairwise(begins)) < 0.25
    assert (begins[-1] - begins[0]) / len(begins) == pytest.approx(0.25, rel=0.8)


def sample(first_s: float, gap_s: float = 0.01) -> Sample:
    return Sample(0, first_token_s=first_s, decode_tokens=10, decode_s=10 * gap_s)


def cell(*samples: Sample, users: int = 1, limit: Objectives = Objectives(2.0, 0.1)) -> Cell:  # noqa: B008
    test = Test(512, 128, concurrency=users, rate=2.0 if users == 1 else None)
    return Cell("m", "p", "e", test, samples=samples, objectives=limit)


def test_goodput_is_the_share_that_meets_all_objectives() -> None:
    assert goodput(cell(sample(1), sample(3), sample(1, 0.2), Sample(0, failed="no"))) == 0.25
    assert goodput(cell(sample(9, 0.2), limit=Objectives(first_token_s=10.0))) == 1
    assert goodput(cell(sample(1), limit=Objectives())) is None


def test_what_takes_as_long_as_it_may_is_good() -> None:
    def share(first_s: float, gap_s: float) -> float | None:
        limits = Objectives(first_token_s=2.0, gap_s=0.25)
        return goodput(cell(sample(first_s, gap_s), limit=limits))

    assert (share(2.0, 0.25), share(2.01, 0.25), share(2.0, 0.26)) == (1, 0, 0)
    # An answer of one token has no gap.
    one_token = Sample(0, first_token_s=1.0, decode_tokens=0, decode_s=0.0)
    assert goodput(cell(one_token, limit=Objectives(gap_s=0.25))) == 1


def test_a_spread_is_of_arrivals_alone() -> None:
    spread = first_token_spread(cell(*(sample(number / 10) for number in range(1, 12))))
    assert spread is not None
    assert spread.p50 == pytest.approx(0.6)
    assert spread.p99 is None
    assert first_token_spread(cell(sample(1), users=2)) is None


def test_the_knee_is_where_twice_as_many_bring_less_than_a_tenth() -> None:
    def row(users: int, rate: float) -> Cell:
        each = Sample(
            0, decode_tokens=100, decode_s=100 / rate, throughput_tokens=rate, throughput_s=1.0
        )
        return cell(*[each] * 6, users=users)

    found = knee([row(1, 100), row(2, 160), row(4, 200), row(8, 206)])
    assert found is not None
    assert found[0].test.concurrency == 4
    assert found[1] == pytest.approx(0.03)
    assert knee([row(1, 100), row(2, 160)]) is None


def test_what_is_typed_is_read_or_refused() -> None:
    assert counts("1,2, 8", "-j") == (1, 2, 8)
    assert rates("0.5,2", "--rate") == (0.5, 2.0)
    assert objectives("ttft=2s,itl=100ms") == Objectives(2.0, 0.1)
    assert shape_of("batch", quick=False, crowded=False).users == (1, 2, 4, 8)
    for wrong in (
        lambda: counts("0", "-j"),
        lambda: rates("-1", "--rate"),
        lambda: objectives("ttfb=1s"),
        lambda: objectives("ttft=soon"),
        lambda: shape_of("poetry", quick=False, crowded=False),
    ):
        with pytest.raises(InvalidInput):
            wrong()
