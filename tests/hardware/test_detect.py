"""This very machine, and the machines that stand in for it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from localai.errors import InvalidInput, NotFound
from localai.hardware import cpu
from localai.hardware.detect import detect
from localai.hardware.facts import Fact, Machine, from_json
from localai.hardware.nvidia import Found
from localai.hardware.profiles import load_profile, profile_names
from localai.output.documents.hardware import machine_document
from tests.support.clock import within

NVIDIA = load_profile("rtx-4090").gpus[0]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return detect(tmp_path_factory.mktemp("models") / "not" / "yet")


def test_this_machine_is_described(machine: Machine) -> None:
    assert machine.cpu.logical_cores.value == psutil.cpu_count()
    assert machine.memory.total_bytes.value == psutil.virtual_memory().total
    assert machine.host.architecture.value == platform.machine()
    assert machine.disk.free_bytes.value
    assert machine.memory_bandwidth.value is None


def test_every_fact_has_a_source_and_only_known_ones_a_confidence(machine: Machine) -> None:
    document = machine_document(machine)
    sections = [document[name] for name in ("host", "cpu", "memory", "power", "disk")]
    facts = [fact for section in sections + document["gpus"] for fact in section.values()]
    assert len(facts) > 25
    for fact in facts:
        assert fact["source"]
        assert (fact["value"] is None) == (fact["confidence"] is None)


def test_a_machine_survives_its_json_form(machine: Machine) -> None:
    assert from_json(json.loads(json.dumps(machine_document(machine))), "this") == machine


def test_what_is_remembered_of_the_bandwidth_is_taken_over(tmp_path: Path) -> None:
    remembered = Fact(5e10, "read by 2 threads, 2026-11-22", "measured")
    assert detect(tmp_path, memory_bandwidth=remembered).memory_bandwidth is remembered


def test_one_detection_that_fails_costs_only_its_own_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("no cores")

    for name in ("linux_cpu", "portable_cpu"):
        monkeypatch.setattr(cpu, name, broken)
    monkeypatch.setattr("localai.hardware.apple.apple_cpu", lambda _: broken())
    machine = detect(tmp_path)
    assert machine.cpu.model.value is None
    assert machine.cpu.model.source == ("CPU could not be detected: ZeroDivisionError: no cores")
    assert machine.problems[-1] == machine.cpu.model.source
    assert machine.memory.total_bytes.value


@pytest.mark.clock
def test_detection_is_quick(tmp_path: Path) -> None:
    detect(tmp_path)
    with within(0.4):
        detect(tmp_path)


def test_detection_works_behind_the_guard(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from localai.privacy import guard; guard.install(); "
        "from localai.hardware.detect import detect; "
        f"machine = detect(Path({str(tmp_path)!r})); print(machine.problems)"
    )
    fake = tmp_path / "nvidia-smi"
    fake.write_text("#!/bin/sh\necho 'No devices were found'\nexit 6\n")
    fake.chmod(0o755)
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "()"


@pytest.mark.parametrize("name", ["m3-max-64gb", "m2-8gb", "rtx-4090", "laptop-16gb"])
def test_a_bundled_profile_is_a_whole_machine(name: str) -> None:
    assert name in profile_names()
    machine = load_profile(name)
    total, limit = machine.memory.total_bytes.value, machine.memory.limit_bytes.value
    available = machine.memory.available_bytes.value
    assert total is not None and limit is not None and available is not None
    assert available < limit <= total
    assert machine.cpu.model.value
    assert machine.memory_bandwidth.value
    for gpu in machine.gpus:
        assert gpu.memory_total_bytes.value
        assert gpu.memory_bandwidth.value


def test_a_file_that_hardware_wrote_stands_in(tmp_path: Path, machine: Machine) -> None:
    wrapped = tmp_path / "wrapped.json"
    document = {"schema": "localai.hardware/1", "machine": machine_document(machine)}
    wrapped.write_text(json.dumps(document))
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps(machine_document(machine)))
    assert load_profile(str(wrapped)) == load_profile(str(bare)) == machine


def test_an_unknown_profile_names_those_there_are() -> None:
    with pytest.raises(NotFound) as caught:
        load_profile("cray-1")
    assert caught.value.hint is not None
    assert "m2-8gb" in caught.value.hint


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "[]",
        "{}",
        '{"memory": 1}',
        '{"memory": {"total_bytes": 64}}',
        '{"memory": {"total_bytes": {"value": "64 GB"}}}',
        '{"memory": {"total_bytes": {"value": -1}}}',
        '{"memory": {"total_bytes": {"value": NaN}}}',
        '{"memory": {"total_bytes": {"value": true}}}',
        '{"memory": {"total_bytes": {"value": 1, "confidence": "sure"}}}',
        '{"memory": {"colour": {"value": 1}}}',
        '{"memory": {}, "gpus": {}}',
        "[" * 100_000,
    ],
)
def test_a_file_that_is_no_machine_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_text(content)
    with pytest.raises(InvalidInput, match=r"profile\.json"):
        load_profile(str(path))


@pytest.mark.skipif(sys.platform != "linux", reason="sysfs is Linux's")
@pytest.mark.parametrize(
    ("from_nvidia", "is_known"),
    [
        (Found(), False),
        (Found(gpus=(NVIDIA,)), True),
        (Found(problems=("its driver hangs",)), True),
        (Found(gpus=(NVIDIA,), problems=("one of two is lost",)), True),
    ],
)
def test_a_card_is_described_once(
    from_nvidia: Found, is_known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def drm_gpus(*, nvidia_known: bool) -> Found:
        asked.append(nvidia_known)
        return Found(problems=("from sysfs",))

    monkeypatch.setattr("localai.hardware.detect.nvidia_gpus", lambda _: from_nvidia)
    monkeypatch.setattr("localai.hardware.drm.drm_gpus", drm_gpus)
    machine = detect(tmp_path)
    assert asked == [is_known]
    assert machine.gpus == from_nvidia.gpus
    assert machine.problems == (*from_nvidia.problems, "from sysfs")
