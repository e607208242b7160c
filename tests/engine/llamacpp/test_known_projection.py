"""A model that was loaded before is loaded without asking the engine again what it takes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from localai.engine.lifecycle import Lease, acquire, stop
from localai.engine.llamacpp.known_projection import KnownProjection
from localai.engine.llamacpp.log import DeviceShare, host_memory, last_table, log_of_table
from localai.engine.worker_files import WorkerInfo, WorkerSpec
from localai.errors import InsufficientResources
from localai.paths import Paths
from localai.stores.starter import starter_path

MIB = 1 << 20
_FITTED = "getting device memory data for initial parameters"


@pytest.fixture
def found_out(tmp_path: Path) -> Path:
    """Nothing was loaded before."""
    return tmp_path


@pytest.fixture
def starter_weights(smollm2_path: Path) -> Path:
    return smollm2_path


def spec_of(paths: Paths, context_tokens: int = 512) -> WorkerSpec:
    return WorkerSpec(
        "llamacpp", str(starter_path(paths)), context_tokens, cache_dir=str(paths.cache_dir)
    )


def started(paths: Paths, spec: WorkerSpec, available: int | None = None) -> tuple[Lease, str]:
    """A worker that was started and has left again, and its log."""
    with acquire(paths, spec, keep_alive_s=60, available_bytes=lambda: available) as lease:
        log = lease.files.log_tail()
    stop(lease.files, lease.info)
    return lease, log


def test_it_is_fitted_once_and_says_the_same_afterwards(home_with_starter: Paths) -> None:
    first, log = started(home_with_starter, spec_of(home_with_starter))
    assert _FITTED in log
    second, again = started(home_with_starter, spec_of(home_with_starter))
    assert _FITTED not in again
    assert last_table(again) == last_table(log)
    assert second.info.memory_bytes == first.info.memory_bytes
    assert 90 * MIB < (second.info.memory_bytes or 0) < 300 * MIB
    # A chat template takes no memory.
    other = replace(spec_of(home_with_starter), chat_template="{{ messages[-1]['content'] }}")
    _, templated = started(home_with_starter, other)
    assert _FITTED not in templated
    assert last_table(templated) == last_table(log)


def test_another_context_another_file_or_a_damaged_memory_of_it_is_fitted(
    home_with_starter: Paths, smollm2_path: Path
) -> None:
    paths = home_with_starter
    spec = spec_of(paths)
    started(paths, spec)
    assert _FITTED in started(paths, replace(spec, context_tokens=768))[1]
    # The same name, another file.
    starter = starter_path(paths)
    starter.unlink()
    starter.write_bytes(smollm2_path.read_bytes())
    assert _FITTED in started(paths, spec)[1]
    [file] = paths.cache_dir.glob("projections.json")
    document = json.loads(file.read_text())
    document["entries"] = {key: [["Host", "much"]] for key in document["entries"]}
    file.write_text(json.dumps(document))
    assert _FITTED in started(paths, spec)[1]


def test_what_is_known_not_to_fit_is_refused_as_before(home_with_starter: Paths) -> None:
    paths = home_with_starter
    started(paths, spec_of(paths))
    with pytest.raises(InsufficientResources, match=r"needs 1\d\d MB of memory"):
        started(paths, spec_of(paths), available=50 * MIB)


def test_the_lines_are_read_as_the_engine_s() -> None:
    shares = (
        DeviceShare("Host", 92 * MIB, 90 * MIB, 46 * MIB),
        DeviceShare("CPU_REPACK", 8 * MIB, 0, 0),
    )
    log = "0.1 I loading\n" + log_of_table(shares) + "0.2 I loaded\n"
    assert last_table(log) == shares
    assert host_memory(log) == DeviceShare("Host", 100 * MIB, 90 * MIB, 46 * MIB)


def test_what_a_card_has_free_is_asked_anew(tmp_path: Path) -> None:
    spec = WorkerSpec("llamacpp", "/m.gguf", 512, cache_dir=str(tmp_path))
    info = WorkerInfo(
        pid=1,
        spec=spec,
        model_identity="m",
        context_tokens=512,
        engine="e 1",
        network_denied=True,
        denial="",
        started_at=0.0,
    )
    log = log_of_table([DeviceShare("Host", MIB, MIB, MIB)])
    cpu, card = ({"type": SimpleNamespace(name=f"DEVICE_TYPE_{kind}")} for kind in ("CPU", "GPU"))
    for devices, known in (([cpu], log), ([cpu, card], None)):
        KnownProjection(info, devices).remember(log)
        assert KnownProjection(info, devices).log_text() == known
