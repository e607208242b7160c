"""NVIDIA: the real nvidia-ml-py over a driver library built from NVML's documentation, and
nvidia-smi's output as public captures have it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from localai.hardware.nvidia import nvidia_gpus, parse_nvidia_smi
from tests.hardware.captures import FOLDER, text

GIB = 1 << 30
MIB = 1 << 20

_ASK = """
import json, sys
from localai.output.documents.hardware import section_document
from localai.hardware.nvidia import nvidia_gpus
found = nvidia_gpus(128 << 30)
print(json.dumps([[section_document(gpu) for gpu in found.gpus], list(found.problems)]))
"""


@pytest.fixture(scope="session")
def driver_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a libnvidia-ml.so.1, compiled from nvml.c."""
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler here: apt-get install gcc")
    folder = tmp_path_factory.mktemp("driver")
    source = Path(__file__).with_name("nvml.c")
    target = str(folder / "libnvidia-ml.so.1")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", target, str(source)], check=True)
    return folder


def ask(driver: Path, **environ: str) -> tuple[list[dict[str, Any]], list[str]]:
    """What a process of its own finds with the made-up driver."""
    result = subprocess.run(
        [sys.executable, "-c", _ASK],
        env={**os.environ, "LD_LIBRARY_PATH": str(driver), **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    gpus, problems = json.loads(result.stdout)
    return gpus, problems


def test_a_card_as_nvml_describes_it(driver_folder: Path) -> None:
    [gpu], problems = ask(driver_folder)
    assert problems == []
    assert gpu["name"]["value"] == "NVIDIA GeForce RTX 4090"
    assert gpu["memory_total_bytes"]["value"] == 24564 * MIB
    assert gpu["memory_free_bytes"]["value"] == 20000 * MIB
    assert gpu["unified"]["value"] is False
    assert gpu["driver"]["value"] == "580.159.03"
    assert gpu["compute_capability"]["value"] == "8.9"
    assert gpu["usable_by"]["value"] == ["CUDA 13.0"]
    assert gpu["memory_bandwidth"]["value"] == pytest.approx(1008e9, rel=0.001)


def test_a_driver_that_has_no_figure_means_main_memory(driver_folder: Path) -> None:
    [gpu], problems = ask(driver_folder, NVML_UNIFIED="1")
    assert problems == []
    assert gpu["unified"]["value"] is True
    assert gpu["memory_total_bytes"] == {
        "value": 128 * GIB,
        "source": "main memory: the driver has no separate figure for this GPU",
        "confidence": "inferred",
    }
    assert gpu["memory_free_bytes"]["value"] is None
    assert gpu["memory_bandwidth"]["value"] is None


@pytest.mark.parametrize(
    ("code", "words"), [("9", "Driver Not Loaded"), ("18", "version mismatch")]
)
def test_a_driver_that_does_not_answer_is_a_problem(
    driver_folder: Path, code: str, words: str
) -> None:
    gpus, [problem] = ask(driver_folder, NVML_INIT=code)
    assert gpus == []
    assert problem.startswith("NVIDIA's driver does not answer: ")
    assert words in problem


def test_nvidia_smi_is_asked_where_there_is_no_nvml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, "nvidia-smi-h200.csv", 0)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    [gpu] = nvidia_gpus(128 * GIB).gpus
    assert gpu.name.value == "NVIDIA H200"
    assert gpu.memory_total_bytes.value == 143771 * MIB
    assert gpu.usable_by.value == ("CUDA",)


def test_a_card_of_a_data_centre_has_its_bandwidth_by_its_name() -> None:
    [gpu] = parse_nvidia_smi(text("nvidia-smi-h100.csv"), 128 * GIB)
    assert gpu.memory_free_bytes.value == 81079 * MIB
    assert gpu.memory_bandwidth.value == 3350e9
    assert gpu.driver.value == "580.159.04"


def test_an_old_driver_is_asked_for_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "nvidia-smi"
    script.write_text(
        "#!/bin/sh\n"
        f'case "$1" in *compute_cap*) cat {FOLDER}/nvidia-smi-old-driver.txt; exit 2;; esac\n'
        'echo "Tesla K80, 11441, 11000, 418.226.00"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    [gpu] = nvidia_gpus(None).gpus
    assert gpu.driver.value == "418.226.00"
    assert gpu.compute_capability.value is None


def test_a_tool_without_its_driver_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, "nvidia-smi-no-driver.txt", 9)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    [problem] = nvidia_gpus(None).problems
    assert "couldn't communicate with the NVIDIA driver" in problem


def test_a_machine_without_nvidia_has_none_and_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = nvidia_gpus(None)
    assert not found.gpus
    assert not found.problems


def test_a_unified_chip_in_nvidia_smis_words() -> None:
    [gpu] = parse_nvidia_smi(text("nvidia-smi-gb10.csv"), 127600748 << 10)
    assert gpu.unified.value is True
    assert gpu.memory_total_bytes.value == 127600748 << 10


def test_lines_of_another_shape_are_passed_over() -> None:
    csv = "WARNING: infoROM is corrupted at gpu 0000:01:00.0\n" + text("nvidia-smi-rtx-4090.csv")
    [gpu] = parse_nvidia_smi(csv, None)
    assert gpu.memory_free_bytes.value == 20000 * MIB


def tool(folder: Path, capture: str, status: int) -> None:
    script = folder / "nvidia-smi"
    script.write_text(f"#!/bin/sh\ncat {FOLDER / capture}\nexit {status}\n")
    script.chmod(0o755)
