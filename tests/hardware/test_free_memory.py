"""How much memory a model may take: on a Mac what Metal allows, not what is free at the moment."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from localai.engine.llamacpp.log import card_memory_bytes, host_memory, main_memory_bytes
from localai.hardware import memory, readers
from localai.hardware.facts import Fact
from localai.hardware.memory import free_memory, live_memory
from localai.hardware.readers import ProgramOutcome

GIB = 1 << 30


@pytest.fixture
def used_8gb_mac(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A Mac with 8 GB of which 2 are free, and what sysctl says beside its memory."""

    def become(more: str = "") -> None:
        there = replace(live_memory(), available_bytes=Fact(2 * GIB, "test"))
        monkeypatch.setattr(memory, "live_memory", lambda: there)
        monkeypatch.setattr(sys, "platform", "darwin")
        monkeypatch.setattr(platform, "machine", lambda: "arm64")
        said = ProgramOutcome("exited", 0, f"hw.memsize: {8 * GIB}\n{more}")
        monkeypatch.setattr(readers, "ask_program", lambda *_: said)

    return become


def test_a_used_mac_loads_what_metal_allows_and_knows_what_was_free(
    used_8gb_mac: Callable[[str], None],
) -> None:
    used_8gb_mac("")
    found = free_memory()
    assert found is not None
    assert found.free_bytes == 2 * GIB
    # Two thirds, as llama.cpp's log says on such a machine: 5,461 MiB.
    assert found.most_bytes >> 20 == 5461


def test_a_limit_that_the_user_set_is_the_limit(used_8gb_mac: Callable[[str], None]) -> None:
    used_8gb_mac("iogpu.wired_limit_mb: 7000\n")
    found = free_memory()
    assert found is not None and found.most_bytes == 7000 << 20


def test_elsewhere_it_is_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    there = replace(live_memory(), available_bytes=Fact(3 * GIB, "test"))
    monkeypatch.setattr(memory, "live_memory", lambda: there)
    monkeypatch.setattr(sys, "platform", "linux")
    found = free_memory()
    assert found is not None and found.free_bytes == found.most_bytes == 3 * GIB
    unknown = replace(there, available_bytes=Fact.unknown("test"))
    monkeypatch.setattr(memory, "live_memory", lambda: unknown)
    assert free_memory() is None


_LOG = """\
0.1 I common_memory_breakdown_print: | memory breakdown [MiB] | total  free  self  model  context  compute  unaccounted |
0.1 I common_memory_breakdown_print: |   - MTL0 (Apple M2)    |  5461 = 5000 + (2600 =  2300 +     200 +     100) + 0 |
0.1 I common_memory_breakdown_print: |   - Host               |                  320 =   300 +       0 +      20     |
0.1 I common_fit_params: fitting params to free memory took 0.10 seconds
"""  # noqa: E501


def test_what_metal_takes_is_main_memory_too() -> None:
    assert main_memory_bytes(_LOG) == (2600 + 320) << 20
    host = host_memory(_LOG)
    assert host is not None and host.total_bytes == 320 << 20
    assert main_memory_bytes(_LOG.replace("MTL0 (Apple M2) ", "CUDA0 (RTX 3060)")) == 320 << 20
    assert main_memory_bytes("loading") is None


def test_what_a_card_takes_is_its_own() -> None:
    assert card_memory_bytes(_LOG) == 0
    assert card_memory_bytes(_LOG.replace("MTL0 (Apple M2) ", "CUDA0 (RTX 3060)")) == 2600 << 20
    assert card_memory_bytes("loading") is None
