"""Several requests at once, held against a server with a known schedule."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest

from localai.bench.cell import Cell
from localai.bench.figures import first_token_spread, goodput
from localai.bench.knee import knee
from localai.bench.plan import Objectives, Test, shape_of
from localai.bench.recording import Sample
from localai.bench.values import counts, objectives, rates
from localai.errors import InvalidInput
from localai.output.bench import show_run
from localai.output.output import Output
from tests.bench.test_comparison import run
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


def users(count: int, *rates: float) -> Cell:
    """A row of so many users: what they got together in each repetition, six times if once."""
    samples = [
        Sample(0, decode_tokens=100, decode_s=100 / each, throughput_tokens=each, throughput_s=1.0)
        for each in (rates * 6 if rates[1:] == () else rates)
    ]
    return replace(cell(*samples, users=count), test=Test(128, 64, concurrency=count), is_warm=True)


@pytest.mark.parametrize(
    ("totals", "at", "of", "change"),
    [
        pytest.param({1: 100, 2: 160, 4: 200, 8: 206}, 4, 8, 0.03, id="levels off"),
        pytest.param({1: 100, 2: 102, 4: 136, 8: 160}, None, 8, 0.176, id="a small first step"),
        pytest.param({1: 100, 2: 102, 4: 136, 8: 140, 16: 141}, 4, 16, 0.037, id="and then"),
        pytest.param({1: 100, 2: 200, 4: 400}, None, 4, 1.0, id="still rising"),
        pytest.param({1: 100, 2: 141, 4: 200}, None, 4, 0.418, id="as the square root"),
        pytest.param({1: 100, 2: 108, 4: 117, 8: 126}, 1, 8, 0.26, id="8% for each doubling"),
        pytest.param({1: 100, 2: 101, 4: 99}, 1, 2, 0.01, id="flat"),
        pytest.param({1: 100, 2: 80, 4: 60}, 1, 2, -0.2, id="falling"),
        pytest.param({1: 100, 2: 190, 4: 150, 8: 140}, 2, 4, -0.21, id="falling at the end"),
        pytest.param({4: 100, 6: 105}, 4, 6, 0.05, id="half as many more"),
        pytest.param({4: 100, 6: 107}, None, 6, 0.07, id="half as many more, who gain"),
    ],
)
def test_the_knee_is_where_no_larger_number_brings_a_tenth_a_doubling(
    totals: dict[int, float], at: int | None, of: int, change: float
) -> None:
    found = knee([users(count, total) for count, total in reversed(totals.items())])
    assert found is not None
    assert (found.at and found.at.test.concurrency, found.of.test.concurrency) == (at, of)
    assert found.change == pytest.approx(change, abs=0.006)


def test_rows_that_are_not_quiet_have_no_knee() -> None:
    noisy = users(4, 150, 230, 180, 260, 140, 210)
    assert knee([users(1, 100), users(2, 160), noisy]) is None
    assert knee([users(1, 100)]) is None
    failed = Cell("m", "p", "e", Test(128, 64, concurrency=4), failed="no memory")
    assert knee([users(1, 100), users(2, 160), failed]) is None


def test_a_knee_is_said_for_each_setting(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        replace(users(count, rate * total), settings={"threads": threads})
        for threads, rate in ((1, 1), (2, 3))
        for count, total in ((1, 100), (2, 160 + 40 * threads), (4, 210 + 100 * threads))
    ]
    show_run(Output("bench"), run(*rows), beside=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "m pp128 tg64, threads 1: more users still get more together (4 at a time +55%)" in said
    assert "m pp128 tg64, threads 2: more users still get more together (4 at a time +71%)" in said


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
