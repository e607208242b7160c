"""As many threads as there are cores for them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import xllamacpp

from localai.config import load
from localai.engine.llamacpp.threads import threads
from localai.engine.llamacpp.worker import engine_parameters
from localai.engine.worker_files import WorkerSpec
from localai.hardware.allowed_cores import allowed_cores
from localai.paths import Paths
from localai.providers.llamacpp import LlamaCpp
from localai.types import ChatRequest, Message


def machine(root: Path, quota: str = "max 100000") -> Path:
    """Eight processors of four cores, in a group with that quota."""
    for cpu in range(8):
        file = root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        file.parent.mkdir(parents=True)
        file.write_text(f"{cpu % 4},{cpu % 4 + 4}\n")
    group = root / "sys/fs/cgroup/box"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text(f"{quota}\n")
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/box\n")
    return root


@pytest.mark.parametrize(
    ("mask", "quota", "expected"),
    [
        (range(8), "max 100000", None),
        ((0, 1, 2), "max 100000", 3),
        ((0, 4), "max 100000", 1),
        (range(8), "250000 100000", 2),
        (range(8), "50000 100000", 1),
        ((0, 1), "300000 100000", 2),
        (range(8), "1600000 100000", None),
    ],
)
def test_a_mask_and_a_quota_leave_fewer_cores(
    tmp_path: Path, mask: range, quota: str, expected: int | None
) -> None:
    assert allowed_cores(machine(tmp_path, quota), tuple(mask), 8) == expected


def test_what_is_set_holds_and_the_rest_fits_the_cores() -> None:
    spec = WorkerSpec("llamacpp", "m.gguf", 4096, cores=2)
    assert threads(spec) == (2, 2)
    assert threads(replace(spec, threads=8)) == (8, 8)
    assert threads(replace(spec, prefill_threads=4)) == (2, 4)
    assert threads(replace(spec, cores=None)) == (None, None)
    assert replace(spec, cores=1).engine_settings == spec.engine_settings, (
        "no other worker for another mask"
    )


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one processor is all there is")
def test_the_engine_is_told(home_with_starter: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    told: list[WorkerSpec] = []

    def acquire(_paths: Paths, spec: WorkerSpec, **_: object) -> None:
        told.append(spec)
        raise KeyboardInterrupt

    monkeypatch.setattr("localai.providers.worker_chat.acquire", acquire)
    provider = LlamaCpp(load(home_with_starter), home_with_starter)
    request = ChatRequest(provider.resolve("starter"), (Message("user", "hi"),))
    with pytest.raises(KeyboardInterrupt):
        provider.warm(request)
    assert told[0].cores == 1
    parameters = engine_parameters(xllamacpp, told[0], "socket")
    assert (parameters.cpuparams.n_threads, parameters.cpuparams_batch.n_threads) == (1, 1)
