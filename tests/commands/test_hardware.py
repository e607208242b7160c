"""`localai hardware`: what a machine is, remembered, and stood in for by another one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from localai.hardware.detect import detect
from localai.hardware.facts import Fact
from localai.hardware.profiles import load_profile, profile_names
from localai.hardware.this_machine import this_machine
from localai.paths import locate
from tests.support.clock import within
from tests.support.command import RunLocalai
from tests.support.terminal import Terminal


def test_every_fact_comes_with_its_source_and_the_file_stands_in_for_the_machine(
    localai_home: Path, run_localai: RunLocalai, tmp_path: Path
) -> None:
    first = run_localai("hardware", "--json")
    document = json.loads(first.stdout)
    assert document["schema"] == "localai.hardware/1" and document["profile"] is None
    machine = document["machine"]
    assert machine["memory"]["total_bytes"]["value"] > 1 << 28
    assert machine["memory_bandwidth"]["confidence"] == "measured"
    for section in ("host", "cpu", "memory", "power", "disk"):
        for name, fact in machine[section].items():
            assert fact["source"], f"{section}.{name}"
            assert (fact["confidence"] is None) == (fact["value"] is None), f"{section}.{name}"
    file = tmp_path / "there.json"
    file.write_bytes(first.stdout)
    again = json.loads(run_localai("hardware", "--profile", str(file), "--json").stdout)
    assert again["machine"] == machine


@pytest.mark.clock
def test_bandwidth_is_measured_once_and_on_demand(
    localai_home: Path, run_localai: RunLocalai
) -> None:
    first = run_localai("hardware")
    assert b"measuring memory bandwidth" in first.stderr
    remembered = localai_home / "cache/bandwidth.json"
    document = json.loads(remembered.read_bytes())
    [machine] = document["entries"]
    document["entries"][machine] = {"bytes_per_s": 123e9, "source": "a test", "busy": False}
    remembered.write_text(json.dumps(document))
    with within(2):
        second = run_localai("hardware")
    assert b"measuring" not in second.stderr
    assert b"123 GB/s" in second.stdout
    again = run_localai("hardware", "--measure")
    counts = b"123 GB/s before: it counts from here on" in again.stderr
    assert counts is (b"123 GB/s" not in again.stdout)
    assert counts or b"123 GB/s before, which still counts" in again.stderr


def test_what_is_remembered_of_another_machine_does_not_count(
    localai_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from localai.hardware import this_machine as module

    paths = locate()
    monkeypatch.setattr(module, "_measure", lambda machine: module._Known(5e9, "a test", False))
    assert this_machine(paths).memory_bandwidth.value == 5e9
    real = detect

    def with_more_cores(folder: Path) -> object:
        found = real(folder)
        return replace(found, cpu=replace(found.cpu, usable_cores=Fact(999.0, "a test")))

    monkeypatch.setattr(module, "detect", with_more_cores)
    assert this_machine(paths, "never").memory_bandwidth.value is None


def test_what_was_measured_on_a_busy_machine_is_measured_again_once_it_is_quiet(
    localai_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from localai.hardware import this_machine as module

    paths = locate()
    rates = iter([module._Known(4e9, "busy", True), module._Known(9e9, "quiet", False)])
    monkeypatch.setattr(module, "_measure", lambda machine: next(rates))
    monkeypatch.setattr(module, "_busy_percent", lambda: 90.0)
    assert this_machine(paths).memory_bandwidth.value == 4e9
    assert this_machine(paths).memory_bandwidth.value == 4e9
    monkeypatch.setattr(module, "_busy_percent", lambda: 1.0)
    assert this_machine(paths, "never").memory_bandwidth.value == 4e9
    assert this_machine(paths).memory_bandwidth.value == 9e9
    assert this_machine(paths).memory_bandwidth.source == "quiet"


def test_a_worse_measurement_replaces_a_better_one_only_if_it_was_wanted_and_said(
    localai_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from localai.hardware import this_machine as module

    paths = locate()
    said: list[str] = []

    def measured(rate: float, *, busy: bool) -> float | None:
        source = "read by 2 threads" + (", while other programs took 90% of the CPU" * busy)
        found = module._Known(rate, source, busy)
        monkeypatch.setattr(module, "_measure", lambda machine: found)
        return this_machine(paths, "again", said.append).memory_bandwidth.value

    assert measured(9e9, busy=False) == 9e9
    assert measured(4e9, busy=True) == 9e9
    assert said[-1] == (
        "4 GB/s, less than 9 GB/s before, which still counts"
        " (measured while other programs took 90% of the CPU)"
    )
    assert measured(8e9, busy=False) == 8e9
    assert said[-1] == "8 GB/s, less than 9 GB/s before: it counts from here on"
    assert measured(10e9, busy=True) == 10e9


def test_a_prediction_says_that_its_bandwidth_was_measured_on_a_busy_machine(
    localai_home: Path, run_localai: RunLocalai
) -> None:
    paths = locate()
    this_machine(paths)
    remembered = localai_home / "cache/bandwidth.json"
    document = json.loads(remembered.read_bytes())
    [machine] = document["entries"]
    source = "read by 2 threads, 2026-01-01, while other programs took 90% of the CPU"
    entry = {"bytes_per_s": 1e9, "source": source, "busy": False}
    document["entries"][machine] = entry
    remembered.write_text(json.dumps(document))
    found = json.loads(run_localai("recommend", "--json").stdout)
    basis = found["recommendations"][0]["speed"]["basis"]
    assert "1 GB/s of memory, measured while other programs took 90% of the CPU" in basis


@pytest.mark.parametrize(
    "value", [None, {}, [], {"bytes_per_s": "x", "source": "y", "busy": False}]
)
def test_a_damaged_memory_is_measured_again(
    localai_home: Path, monkeypatch: pytest.MonkeyPatch, value: object
) -> None:
    from localai.hardware import this_machine as module

    monkeypatch.setattr(module, "_measure", lambda machine: module._Known(5e9, "a test", False))
    paths = locate()
    this_machine(paths)
    remembered = localai_home / "cache/bandwidth.json"
    document = json.loads(remembered.read_bytes())
    document["entries"] = dict.fromkeys(document["entries"], value)
    remembered.write_text(json.dumps(document))
    assert this_machine(paths, "never").memory_bandwidth.value is None
    found = this_machine(paths).memory_bandwidth
    assert (found.value, found.confidence) == (5e9, "measured")


@pytest.mark.parametrize("columns", [60, 80])
def test_a_machine_fits_the_terminal(
    localai_home: Path, pty: Callable[..., Terminal], columns: int
) -> None:
    terminal = pty("hardware", "--profile", "rtx-4090", columns=columns, rows=40)
    assert terminal.wait_exit() == 0
    lines = [line.rstrip() for line in terminal.screen.splitlines()]
    assert any("1,008 GB/s" in line for line in lines)
    # What a value rests on begins with its bracket: nothing was broken by the terminal itself.
    starts = ("CPU", "cores", "memory", "bandwidth", "GPU", "disk", "power", "system", " " * 11)
    assert all(line.startswith(starts) for line in lines if line), terminal.screen


def test_every_bundled_profile_can_be_shown(localai_home: Path, run_localai: RunLocalai) -> None:
    for name in profile_names():
        result = run_localai("hardware", "--profile", name)
        model = load_profile(name).cpu.model.value
        assert model is not None and model.encode() in result.stdout


def test_a_profile_that_is_none_is_an_error(
    localai_home: Path, run_localai: RunLocalai, tmp_path: Path
) -> None:
    nowhere = run_localai("hardware", "--profile", "nowhere")
    assert nowhere.returncode == 3 and b"m2-8gb" in nowhere.stderr
    file = tmp_path / "x.json"
    file.write_text("[]")
    assert run_localai("hardware", "--profile", str(file)).returncode == 2
    assert run_localai("hardware", "--measure", "--profile", "m2-8gb").returncode == 2
