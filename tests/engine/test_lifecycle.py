"""The embedded engine's worker: shared, found again, replaced, and gone when nobody needs it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from localai.engine import lifecycle, starting
from localai.engine.lifecycle import Lease, acquire, is_warm, stop, workers
from localai.engine.worker_files import WorkerSpec, files_for
from localai.errors import InsufficientResources, Unreachable
from localai.net.http import call
from localai.paths import Paths
from localai.stores.starter import starter_path
from tests.support.clock import becomes, within


@pytest.fixture
def spec(home_with_starter: Paths) -> WorkerSpec:
    paths = home_with_starter
    starter, cache = str(starter_path(paths)), str(paths.cache_dir)
    return WorkerSpec("llamacpp", starter, 512, slots=2, cache_dir=cache)


def _use(paths: Paths, spec: WorkerSpec, keep_alive_s: float = 60) -> Lease:
    with acquire(paths, spec, keep_alive_s=keep_alive_s, available_bytes=lambda: None) as lease:
        assert call(lease.files.socket, "GET", "/health")["status"] == "ok"
        return lease


def _until(condition: Callable[[], bool], within_s: float = 20) -> None:
    assert becomes(condition, within_s), "it did not happen in time"


def test_a_second_use_finds_the_worker_warm(home_with_starter: Paths, spec: WorkerSpec) -> None:
    assert not is_warm(home_with_starter, spec)
    first = _use(home_with_starter, spec)
    assert is_warm(home_with_starter, spec)
    assert _use(home_with_starter, spec).info.pid == first.info.pid


def test_a_folder_called_localai_where_one_stands_is_not_run(
    home_with_starter: Paths, spec: WorkerSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "localai").mkdir()
    (tmp_path / "localai" / "__init__.py").write_text("raise SystemExit('this is another localai')")
    monkeypatch.chdir(tmp_path)
    _use(home_with_starter, spec)


def test_the_worker_listens_on_a_private_socket_and_on_no_port(
    home_with_starter: Paths, spec: WorkerSpec
) -> None:
    lease = _use(home_with_starter, spec)
    assert stat.S_IMODE(lease.files.directory.stat().st_mode) == 0o700
    assert stat.S_ISSOCK(lease.files.socket.stat().st_mode)
    assert stat.S_IMODE(lease.files.log.stat().st_mode) == 0o600
    connections = psutil.Process(lease.info.pid).net_connections(kind="inet")
    assert connections == []


def test_the_kernel_keeps_the_worker_from_the_network(
    home_with_starter: Paths, spec: WorkerSpec
) -> None:
    info = _use(home_with_starter, spec).info
    assert info.network_denied
    own = Path("/proc/self/ns/net").readlink()
    status = Path(f"/proc/{info.pid}/status").read_text()
    filtered = "Seccomp:\t2" in status
    assert Path(f"/proc/{info.pid}/ns/net").readlink() != own or filtered


@pytest.mark.parametrize(
    ("variable", "value", "spins"),
    [
        ("UNRELATED", "1", "2000"),
        ("GOMP_SPINCOUNT", "7", "7"),
        ("OMP_WAIT_POLICY", "passive", None),
    ],
)
def test_its_threads_wait_briefly_unless_the_user_says_how(
    home_with_starter: Paths,
    spec: WorkerSpec,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    spins: str | None,
) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv(variable, value)
    environment = psutil.Process(_use(home_with_starter, spec).info.pid).environ()
    assert environment.get("GOMP_SPINCOUNT") == spins


def test_two_commands_at_once_share_one_worker(home_with_starter: Paths, spec: WorkerSpec) -> None:
    pids: list[int] = []
    threads = [
        threading.Thread(target=lambda: pids.append(_use(home_with_starter, spec).info.pid))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 3
    assert len(set(pids)) == 1


def test_an_idle_worker_leaves_and_takes_its_traces_along(
    home_with_starter: Paths, spec: WorkerSpec
) -> None:
    lease = _use(home_with_starter, spec, keep_alive_s=0)
    _until(lambda: not psutil.pid_exists(lease.info.pid) or _is_zombie(lease.info.pid))
    assert not lease.files.socket.exists()
    assert workers(home_with_starter) == []


def test_a_worker_whose_last_use_lies_in_the_future_leaves_too(
    home_with_starter: Paths, spec: WorkerSpec
) -> None:
    lease = _use(home_with_starter, spec, keep_alive_s=2)
    tomorrow = time.time() + 86_400
    os.utime(lease.files.lease, (tomorrow, tomorrow))
    _until(lambda: workers(home_with_starter) == [], 30)


@pytest.mark.clock
def test_an_idle_worker_stays_until_its_keep_alive_is_over(
    home_with_starter: Paths, spec: WorkerSpec
) -> None:
    keep_alive_s = 6.0
    lease = _use(home_with_starter, spec, keep_alive_s=keep_alive_s)
    begun = time.monotonic()
    while True:
        is_there = is_warm(home_with_starter, spec) and not _is_zombie(lease.info.pid)
        if time.monotonic() - begun > keep_alive_s - 1:
            break
        assert is_there, f"gone after {time.monotonic() - begun:.1f} s"
        time.sleep(0.2)
    _until(lambda: not is_warm(home_with_starter, spec), 20)


def test_users_share_the_lease_and_do_not_wait_for_each_other(
    home_with_starter: Paths, spec: WorkerSpec
) -> None:
    arrived: list[int] = []

    def use() -> None:
        arrived.append(_use(home_with_starter, spec).info.pid)

    with acquire(home_with_starter, spec, keep_alive_s=60, available_bytes=lambda: None) as lease:
        others = [threading.Thread(target=use, daemon=True) for _ in range(2)]
        for other in others:
            other.start()
        _until(lambda: len(arrived) == 2, 20)
        assert arrived == [lease.info.pid] * 2


def test_a_worker_in_use_stays_however_short_its_keep_alive(
    home_with_starter: Paths, spec: WorkerSpec
) -> None:
    with acquire(home_with_starter, spec, keep_alive_s=0, available_bytes=lambda: None) as lease:
        time.sleep(2)
        assert call(lease.files.socket, "GET", "/health")["status"] == "ok"


def test_a_killed_worker_is_replaced_and_its_stale_socket_is_no_obstacle(
    home_with_starter: Paths, spec: WorkerSpec
) -> None:
    first = _use(home_with_starter, spec)
    os.kill(first.info.pid, signal.SIGKILL)
    _until(lambda: not is_warm(home_with_starter, spec))
    assert first.files.socket.exists()
    assert _use(home_with_starter, spec).info.pid != first.info.pid


def test_a_worker_that_crashes_writes_its_memory_nowhere(
    home_with_starter: Paths, spec: WorkerSpec
) -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        lease = _use(home_with_starter, spec)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    os.kill(lease.info.pid, signal.SIGSEGV)
    _, status = os.waitpid(lease.info.pid, 0)
    assert os.WTERMSIG(status) == signal.SIGSEGV
    assert not os.WCOREDUMP(status)
    assert not list(lease.files.directory.glob("core*"))
    assert "Segmentation fault" in lease.last_words()


@pytest.mark.parametrize("way", ["renamed over", "written over"])
def test_a_model_that_was_replaced_does_not_answer_under_its_old_name(
    home_with_starter: Paths, spec: WorkerSpec, tmp_path: Path, way: str
) -> None:
    model = tmp_path / "model.gguf"
    shutil.copyfile(spec.model_path, model)
    of_model = replace(spec, model_path=str(model))
    first = _use(home_with_starter, of_model)
    assert is_warm(home_with_starter, of_model)
    if way == "renamed over":
        shutil.copyfile(spec.model_path, tmp_path / "new.gguf")
        (tmp_path / "new.gguf").rename(model)
    else:
        with model.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\0")
    assert not is_warm(home_with_starter, of_model)
    second = _use(home_with_starter, of_model)
    assert second.info.pid != first.info.pid
    assert [info.pid for _, info in workers(home_with_starter)] == [second.info.pid]


def test_a_larger_context_replaces_the_worker_and_a_smaller_one_does_not(
    home_with_starter: Paths, spec: WorkerSpec
) -> None:
    first = _use(home_with_starter, spec)
    larger = WorkerSpec("llamacpp", spec.model_path, 1024, slots=2)
    second = _use(home_with_starter, larger)
    assert second.info.pid != first.info.pid
    assert second.info.context_tokens == 1024
    assert _use(home_with_starter, spec).info.pid == second.info.pid


def test_more_slots_replace_the_worker_and_keep_the_context_that_others_need(
    home_with_starter: Paths, spec: WorkerSpec
) -> None:
    large = _use(home_with_starter, replace(spec, context_tokens=1024))
    wide = _use(home_with_starter, replace(spec, slots=4))
    assert wide.info.pid != large.info.pid
    assert (wide.info.spec.slots, wide.info.context_tokens) == (4, 1024)
    assert _use(home_with_starter, spec).info.pid == wide.info.pid


@pytest.mark.clock
def test_a_stream_of_users_does_not_keep_a_larger_worker_waiting(
    home_with_starter: Paths, spec: WorkerSpec
) -> None:
    ended = threading.Event()

    def use_again_and_again() -> None:
        while not ended.is_set():
            with acquire(home_with_starter, spec, keep_alive_s=60, available_bytes=lambda: None):
                time.sleep(0.2)

    threads = [threading.Thread(target=use_again_and_again) for _ in range(4)]
    for number, thread in enumerate(threads):
        thread.start()
        # Out of step, so that the lease is never free by itself.
        time.sleep(0.05 * number)
    try:
        with within(15):
            larger = _use(home_with_starter, replace(spec, context_tokens=1024))
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert larger.info.context_tokens == 1024


def test_what_does_not_fit_is_refused_with_the_numbers_before_it_is_loaded(
    home_with_starter: Paths, spec: WorkerSpec, smollm2_path: Path
) -> None:
    spec = replace(spec, model_path=str(smollm2_path))
    with (
        pytest.raises(InsufficientResources, match=r"needs [1-9]\d\d MB .*1\.0 MB is available"),
        acquire(home_with_starter, spec, keep_alive_s=60, available_bytes=lambda: 1_000_000),
    ):
        pass
    assert workers(home_with_starter) == []
    assert not is_warm(home_with_starter, spec)
    with acquire(
        home_with_starter,
        spec,
        keep_alive_s=60,
        available_bytes=lambda: 1_000_000,
        force=True,
    ) as lease:
        assert call(lease.files.socket, "GET", "/health")["status"] == "ok"


def test_a_file_the_engine_cannot_load_is_an_error_with_its_last_words(
    home_with_starter: Paths, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.gguf"
    shutil.copyfile(starter_path(home_with_starter), broken)
    os.truncate(broken, 3_000_000)
    spec = WorkerSpec("llamacpp", str(broken), 512)
    with pytest.raises(Unreachable) as error:
        _use(home_with_starter, spec)
    assert "broken.gguf" in error.value.message
    assert str(files_for(home_with_starter, "llamacpp", str(broken)).log) in (
        error.value.hint or ""
    )
    assert len(error.value.message) < 600


def test_a_stopped_worker_is_gone_at_once(home_with_starter: Paths, spec: WorkerSpec) -> None:
    lease = _use(home_with_starter, spec)
    stop(lease.files, lease.info)
    assert workers(home_with_starter) == []
    with pytest.raises(OSError, match="No such file"), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(lease.files.socket))


def test_a_command_killed_while_the_model_loads_leaves_nothing_that_blocks(
    home_with_starter: Paths, spec: WorkerSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(starting, "_wait_until_ready", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _use(home_with_starter, spec)
    assert workers(home_with_starter) == []
    _use(home_with_starter, spec)


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_warm_worker_that_has_a_network_is_not_used_under_an_air_gap(
    home_with_starter: Paths, spec: WorkerSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_one = _use(home_with_starter, spec)
    document = json.loads(open_one.files.info.read_bytes())
    open_one.files.info.write_text(json.dumps({**document, "network_denied": False}))
    assert is_warm(home_with_starter, spec)
    monkeypatch.setattr(lifecycle, "is_air_gapped", lambda: True)
    assert not is_warm(home_with_starter, spec)
    denied = _use(home_with_starter, spec)
    assert denied.info.pid != open_one.info.pid
    assert denied.info.network_denied
