"""Whether something became slower: what is an alarm, what is none, and what cannot be said."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from localai.bench.cell import Cell
from localai.bench.comparison import beside, compared
from localai.bench.noise import Noise
from localai.bench.plan import Test
from localai.bench.recording import Sample
from localai.bench.stored_runs import MachineNote, StoredRun

MACHINE = MachineNote(
    cpu="a CPU",
    cores=2,
    memory_bytes=1 << 34,
    bandwidth_bytes_per_s=5e10,
    gpus=(),
    system="Linux x86_64",
    kernel="6",
    virtual_machine=None,
    on_battery=False,
    governor=None,
    localai="1",
    python="3",
)


def samples(rates: Sequence[float]) -> tuple[Sample, ...]:
    return tuple(
        Sample(
            number,
            input_tokens=512,
            cached_tokens=0,
            prefill_tokens=512,
            output_tokens=128,
            first_token_s=2.0,
            decode_tokens=127,
            decode_s=127 / rate,
            finish_reason="length",
        )
        for number, rate in enumerate(rates)
    )


def cell(rates: Sequence[float], **changes: object) -> Cell:
    whole = Cell("m", "p", "e 1", Test(512, 128), digest="sha256:1", is_warm=True, warm_ups=3)
    return replace(whole, samples=samples(rates), **changes)  # type: ignore[arg-type]


def run(*cells: Cell, anchor: float | None = 100.0, machine: MachineNote = MACHINE) -> StoredRun:
    return StoredRun("abcdef", 0.0, 1.0, None, anchor, machine, None, cells)


def states(
    before: StoredRun, after: StoredRun, threshold: float = 0.03
) -> dict[str, tuple[str, str]]:
    return {
        each.metric.partition("_")[0]: (each.state, each.reason)
        for each in compared(before, after, threshold)
    }


BASE = [100.0, 101, 99, 100.5, 99.5, 100.2, 99.8, 100.1]


def test_a_loss_beyond_the_threshold_is_a_regression() -> None:
    found = compared(run(cell(BASE)), run(cell([0.9 * rate for rate in BASE])))
    decode = next(each for each in found if each.metric == "decode_tokens_per_s")
    assert decode.state == "regressed"
    assert decode.change is not None
    assert decode.change.value == pytest.approx(-0.1, abs=0.005)
    assert decode.change.high is not None
    assert decode.change.high < -0.09
    assert {each.metric: each.state for each in found}["prefill_tokens_per_s"] == "same"


def test_a_gain_is_an_improvement_and_a_small_loss_is_none() -> None:
    assert states(run(cell(BASE)), run(cell([1.2 * r for r in BASE])))["decode"][0] == "improved"
    assert states(run(cell(BASE)), run(cell([0.98 * r for r in BASE])))["decode"][0] == "same"
    assert states(run(cell(BASE)), run(cell(BASE)))["decode"] == ("same", "within 3%")


def test_a_noisy_run_is_no_baseline_and_no_verdict() -> None:
    busy = tuple(replace(each, noise=Noise(others=0.5)) for each in samples(BASE))
    noisy = replace(cell(BASE), samples=busy)
    slow = cell([0.5 * rate for rate in BASE])
    assert states(run(noisy), run(slow))["decode"] == ("inconclusive", "the earlier run was noisy")
    assert states(run(slow), run(noisy))["decode"] == ("inconclusive", "this run was noisy")


def test_a_slower_machine_is_not_a_slower_engine() -> None:
    slow = run(cell([0.9 * rate for rate in BASE]), anchor=88.0)
    state, reason = states(run(cell(BASE)), slow)["decode"]
    assert (state, reason) == ("inconclusive", "the machine itself is 12% slower now")


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (
            run(cell(BASE), machine=replace(MACHINE, cpu="another CPU")),
            "it was measured on another machine",
        ),
        (run(cell(BASE, digest="sha256:2")), "the model's file is another one"),
        (run(cell(BASE, settings={"threads": 4})), "other settings: threads"),
        (run(cell(BASE, test=Test(64, 128))), "it was not measured before"),
    ],
)
def test_what_was_not_measured_alike_is_not_compared(after: StoredRun, reason: str) -> None:
    assert states(run(cell(BASE)), after)["decode"] == ("incomparable", reason)


def test_another_build_of_the_engine_is_compared_and_named() -> None:
    state, reason = states(run(cell(BASE)), run(cell([0.9 * r for r in BASE], engine="e 2")))[
        "decode"
    ]
    assert state == "regressed"
    assert "e 1 before" in reason


def test_with_two_percent_of_noise_nothing_is_no_alarm_and_six_percent_is_found() -> None:
    source = random.Random(16)

    def measured(rate: float) -> StoredRun:
        return run(cell([source.gauss(rate, 0.02 * rate) for _ in range(10)]))

    def alarms(rate: float, runs: int) -> int:
        return sum(
            states(measured(100), measured(rate))["decode"][0] == "regressed" for _ in range(runs)
        )

    assert alarms(100, 200) <= 4, "2 of 50"
    assert alarms(94, 200) >= 190, "95%"


def test_rows_of_one_run_are_compared_pair_by_pair() -> None:
    # The machine loses a third of its speed meanwhile, for both.
    drift = [100, 95, 90, 85, 80, 75, 70, 66]
    one = cell(drift)
    two = cell([0.97 * rate for rate in drift], engine="f 1")
    (change,) = [found for _, _, name, found in beside([one, two]) if name.startswith("decode")]
    assert change.value == pytest.approx(-0.03, abs=0.001)
    assert change.high is not None
    assert change.high < -0.02


def test_rows_of_other_models_are_not_beside_each_other() -> None:
    assert list(beside([cell(BASE), cell(BASE, model="n", digest="sha256:2")])) == []
