"""Files of the kernel that hold what no kernel should write: each costs only its own fact."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.hardware.cgroup import cpu_quota, memory_limit
from localai.hardware.cpu import linux_cpu
from localai.hardware.drm import drm_gpus
from localai.hardware.energy import energy_meter
from localai.hardware.power import linux_power
from tests.hardware.captures import tree
from tests.support.clock import within

# `²` is a digit to Python and no number, and 5,000 digits are a number that it does not read.
ODD = ("", "-1", "²", "9" * 5000, "nan\0[")


def _everything(root: Path) -> None:
    linux_cpu(root, live=False)
    linux_power(root)
    drm_gpus(root)
    memory_limit(root)
    cpu_quota(root)
    with energy_meter(root) as meter:
        meter.read()


@pytest.mark.clock
@pytest.mark.parametrize(
    "name", ["laptop-hybrid", "big-little", "strix-halo", "container-cgroup2", "container-cgroup1"]
)
def test_any_file_may_hold_anything(name: str, tmp_path: Path) -> None:
    root = tree(name, tmp_path)
    for file in [each for each in root.rglob("*") if each.is_file()]:
        before = file.read_text()
        for content in ODD:
            file.write_text(content)
            with within(10):
                _everything(root)
        file.write_text(before)


def test_a_count_without_a_number_costs_no_other_fact(tmp_path: Path) -> None:
    root = tree("laptop-hybrid", tmp_path)
    (root / "sys/devices/cpu_core/cpus").write_text("0-3,x,99999999999,²\n")
    found = linux_cpu(root, live=False)
    assert found.model.value == "12th Gen Intel(R) Core(TM) i5-1240P"
    assert found.performance_cores.value == 2
