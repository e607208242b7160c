"""Memory bandwidth: quick, honest about what it is, and counted as STREAM counts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from localai.hardware.measured_bandwidth import measure_bandwidth
from tests.hardware.stream import CORES, Round, compile_stream, measure_round, ratios
from tests.support.clock import within


def test_it_counts_bytes_as_a_stream_compiled_on_the_spot_does(tmp_path: Path) -> None:
    # Half or twice as many bytes would be a wrong count. How close the two are on a quiet machine
    # is measured by benchmarks/bandwidth.py.
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler here: apt-get install gcc")
    stream = compile_stream(tmp_path)
    rounds: list[Round] = []
    for _ in range(30):
        # By one thread: several wait for one another, and beside other tests that takes long.
        rounds.append(measure_round(stream, 1))
        read, copy = ratios(rounds)
        if 0.6 < read < 1.6 and 0.6 < copy < 1.6:
            return
    pytest.fail(f"read and copy are {read:.2f} and {copy:.2f} of STREAM's")


@pytest.mark.clock
def test_it_takes_less_than_two_seconds_and_says_what_it_did() -> None:
    with within(2.0):
        found = measure_bandwidth(CORES)
    assert found.took_s > 0
    assert 1 <= found.read_threads <= CORES
    assert 1e9 < found.read_bytes_per_s < 5e12
    assert found.buffer_bytes >= 256 << 20
    fact = found.fact()
    assert fact.confidence == "measured"
    assert fact.value == found.read_bytes_per_s
    assert fact.source.startswith(f"read by {found.read_threads} thread")


def test_a_machine_short_of_memory_is_spared() -> None:
    found = measure_bandwidth(1, cache_bytes=1 << 30, available_bytes=512 << 20)
    assert found.buffer_bytes <= 64 << 20
