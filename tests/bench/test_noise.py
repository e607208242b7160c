"""What else the machine did: from /proc as Linux writes it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from localai.bench.anchor import has_moved
from localai.bench.noise import Noise, Reading, between, read
from localai.bench.processes import card_memory_bytes, cpu_s, memory_bytes, peak_memory_bytes
from localai.hardware import nvidia
from localai.statistics import Interval, median_interval


def machine(root: Path, *, busy: int, idle: int, steal: int = 0, swapped: int = 0) -> Path:
    """A /proc with counters in ticks of 10 ms; process 7 has the child 8."""
    for folder in ("proc/7", "proc/8", "proc/9", "proc/pressure"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "proc/stat").write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 {steal} 0 0\n")
    for pid, parent, ticks in ((7, 1, 100), (8, 7, 50), (9, 1, 999)):
        fields = f"S {parent} 0 0 0 0 0 0 0 0 0 {ticks} 0 0 0 20 0"
        (root / f"proc/{pid}/stat").write_text(f"{pid} (a (strange) name) {fields}\n")
        (root / f"proc/{pid}/status").write_text(
            f"Name:\tx\nVmHWM:\t{1000 * pid} kB\nVmRSS:\t{100 * pid} kB\n"
        )
    (root / "proc/vmstat").write_text(f"pswpin {swapped}\npswpout 0\n")
    (root / "proc/pressure/cpu").write_text("some avg10=0.00 total=5000000\n")
    return root


def test_a_process_counts_with_those_below_it(tmp_path: Path) -> None:
    root = machine(tmp_path, busy=0, idle=0)
    assert cpu_s(7, root) == pytest.approx(1.5)
    assert peak_memory_bytes(7, root) == 15_000 * 1024
    assert memory_bytes(7, root) == 1500 * 1024
    assert cpu_s(12, root) is None


def test_what_it_has_on_a_card_is_what_the_driver_says_of_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = machine(tmp_path, busy=0, idle=0)
    # A llama-server (8) below its worker (7), and another's program (9).
    monkeypatch.setattr(nvidia, "memory_by_process", lambda: {8: 5628 << 20, 9: 1 << 30})
    assert card_memory_bytes(7, root) == 5628 << 20
    monkeypatch.setattr(nvidia, "memory_by_process", dict)
    assert card_memory_bytes(7, root) is None


def test_others_are_what_neither_we_nor_the_engine_took(tmp_path: Path) -> None:
    before = read(7, machine(tmp_path, busy=1000, idle=1000))
    after = read(7, machine(tmp_path, busy=1150, idle=1050, steal=10, swapped=600))
    found = between(before, after)
    assert found.others == pytest.approx(1.5 / 2.1, abs=0.02)
    assert found.steal == pytest.approx(0.1 / 2.1)
    assert found.swapped_pages == 600
    assert found.reasons[0].startswith("others took 7")
    assert found.reasons[1:] == ("the hypervisor took 5% of the CPU", "memory was swapped")


def test_a_quiet_machine_disturbs_nothing(tmp_path: Path) -> None:
    before = read(7, machine(tmp_path, busy=1000, idle=1000))
    after = read(7, machine(tmp_path, busy=1003, idle=1200))
    assert between(before, after).reasons == ()


def test_what_cannot_be_read_is_unknown_and_disturbs_nothing(tmp_path: Path) -> None:
    nothing = Reading(0, None, None, None, 0, None, None, None, None)
    assert between(nothing, nothing) == Noise()
    before = read(None, machine(tmp_path, busy=1000, idle=1000))
    after = read(None, machine(tmp_path, busy=1900, idle=1000))
    assert between(before, after).others is None, "whose it was is not known"


def _anchors(source: random.Random, noise: float, *speeds: float) -> list[Interval]:
    """Anchors of a machine whose speed differs by `noise` from window to window."""
    return [
        median_interval([source.gauss(speed, noise * speed) for _ in range(12)]) for speed in speeds
    ]


def test_a_machine_has_moved_if_it_is_slower_by_more_than_it_always_differs() -> None:
    source = random.Random(7)
    wavering = sum(has_moved(_anchors(source, 0.05, 100, 100, 100)) for _ in range(1000))
    assert wavering < 30, "of 1,000 runs, on a machine whose windows differ by 5%"
    assert all(has_moved(_anchors(source, 0.005, 100, 97, 95)) for _ in range(200))
    assert all(has_moved(_anchors(source, 0.02, 100, 90, 90)) for _ in range(200))
    assert not any(has_moved(_anchors(source, 0.001, 100, 99, 98)) for _ in range(200))
    assert not has_moved([])
