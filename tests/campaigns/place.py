"""What the campaigns share: a home with the starter in it, commands run there, and what must hold
afterwards, whatever was done to them."""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import os
import pty
import select
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.servers.resources import RESOURCES
from tests.support.processes import bare_environment

REPOSITORY = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "localai")
_PR_SET_CHILD_SUBREAPER = 36
BUG = b"this is a bug in localai"


@dataclass
class Place:
    """A user's folders, and how to run commands in them."""

    home: Path
    work: Path
    environment: dict[str, str]

    def run(
        self,
        *arguments: str | Path,
        timeout_s: float = 180,
        env: Mapping[str, str] | None = None,
        within: tuple[str, ...] = (),
        keys: bytes = b"",
    ) -> subprocess.CompletedProcess[bytes]:
        """The command run to its end. Raises TimeoutExpired: a hang. With `keys` it runs on a
        terminal, where somebody presses them again and again, and what it says is lost."""
        if keys:
            process = self.start(*arguments, keys=keys)
            try:
                code = process.wait(timeout_s)
            finally:
                process.kill()
            return subprocess.CompletedProcess(arguments, code, b"", b"")
        return subprocess.run(
            [*within, *COMMAND, *arguments],
            env={**self.environment, **(env or {})},
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )

    def start(self, *arguments: str | Path, keys: bytes = b"") -> subprocess.Popen[bytes]:
        """The command, running, in a process group of its own; with `keys` on a terminal that is
        its own. What it says on stderr without one is `said`."""
        ours, its = pty.openpty() if keys else (-1, subprocess.DEVNULL)
        with self._said.open("wb") as said:
            process = subprocess.Popen(
                [*COMMAND, *arguments],
                env=self.environment,
                cwd=self.work,
                stdin=its,
                stdout=its,
                stderr=its if keys else said,
                start_new_session=True,
                preexec_fn=_take_terminal if keys else None,  # noqa: PLW1509 - one system call
            )
        if keys:
            os.close(its)
            threading.Thread(target=_press, args=(process, ours, keys), daemon=True).start()
        return process

    @property
    def said(self) -> bytes:
        """What the command that was started last has said on stderr."""
        return self._said.read_bytes()

    @property
    def _said(self) -> Path:
        return self.work.parent / "said"

    def processes(self) -> list[psutil.Process]:
        """Every living process that carries this home or stems from this one."""
        ours = {each.pid for each in psutil.Process().children(recursive=True)}
        return [
            each
            for each in psutil.process_iter()
            if (each.pid in ours and _lives(each)) or self._owns(each)
        ]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("LOCALAI_HOME") == str(self.home) and _lives(process)
        except psutil.Error:
            return False


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _take_terminal() -> None:
    """Make the terminal on stdin the one from which Ctrl-C comes."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _press(process: subprocess.Popen[bytes], terminal: int, keys: bytes) -> None:
    """Press the keys one after the other, and read what is shown, until the command has ended."""
    each = itertools.cycle(keys[at : at + 1] for at in range(len(keys)))
    with suppress(OSError):
        while process.poll() is None:
            while select.select([terminal], [], [], 0.3)[0]:
                os.read(terminal, 1 << 16)
            os.write(terminal, next(each))
    os.close(terminal)


@contextmanager
def place(home: Path | None = None) -> Iterator[Place]:
    """A place with the starter, whose processes are ended and whose folders are removed. Whatever
    outlives the command that started it becomes a child of this process, and so is found."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    root = Path(tempfile.mkdtemp(prefix="campaign-"))
    home = home or root / "home"
    work, user = root / "work", root / "user"
    work.mkdir()
    user.mkdir()
    link_starter(home)
    environment = bare_environment(user) | {
        "LOCALAI_HOME": str(home),
        "LOCALAI_ENGINE_CONTEXT": "1024",
        "PYTHONPATH": str(REPOSITORY),
    }
    made = Place(home, work, environment)
    try:
        yield made
    finally:
        for process in made.processes():
            process.kill()
        shutil.rmtree(root, ignore_errors=True)


def link_starter(home: Path) -> None:
    """Put the starter among the models of that home, if it is not there."""
    found = RESOURCES["smollm2"].find()
    assert found is not None, "python -m tests.servers get smollm2"
    models = home / "data" / "models"
    models.mkdir(parents=True, exist_ok=True, mode=0o700)
    link = models / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if not link.is_symlink():
        link.symlink_to(found)


@dataclass
class Tally:
    """What was tried, and every fault that was found."""

    tried: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def fault(self, text: str) -> None:
        """Count a fault, and say it at once."""
        self.faults.append(text)
        print(f"FAULT: {text}", flush=True)

    def check(self, holds: bool, text: str) -> None:
        """A fault unless it holds."""
        if not holds:
            self.fault(text)

    def end(self) -> int:
        """Say the counts; the exit code."""
        for name, count in sorted(self.tried.items()):
            print(f"{count:6} {name}")
        minutes = (time.monotonic() - self.began) / 60
        print(f"{self.tried.total()} tried in {minutes:.0f} min, {len(self.faults)} faults")
        return 1 if self.faults else 0


def check_database(tally: Tally, at: Place, what: str) -> None:
    """The database is whole, and its index knows what its tables do."""
    file = at.home / "data" / "localai.db"
    if not file.exists():
        return
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=20) as database:
        (said,) = database.execute("PRAGMA integrity_check").fetchone()
        tally.check(said == "ok", f"{what}: the database is damaged: {said}")


def check_ended(tally: Tally, at: Place, what: str, within_s: float = 10) -> None:
    """No process of ours is left but loaded workers, which leave by themselves. To be called
    while no command runs."""
    deadline = time.monotonic() + within_s
    _bury()
    while strays := [each for each in at.processes() if not _is_loaded_worker(each)]:
        if time.monotonic() > deadline:
            tally.fault(f"{what}: left behind: {[_words(each) for each in strays]}")
            for stray in strays:
                stray.kill()
            return
        time.sleep(0.2)


def _bury() -> None:
    """Wait for the dead whose parents are gone."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _is_loaded_worker(process: psutil.Process) -> bool:
    words = _words(process)
    if "localai.engine" not in " ".join(words) or ".worker" not in " ".join(words):
        return False
    info = Path(words[-1]) / "worker.json"
    return info.exists() and b'"is_loading": false' in info.read_bytes()


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def check_said(
    tally: Tally, done: subprocess.CompletedProcess[bytes], what: str, *codes: int
) -> None:
    """The exit code is one of `codes`, and nothing calls itself a bug."""
    said = (done.stderr + done.stdout)[-400:].decode(errors="replace")
    if done.returncode not in codes:
        tally.fault(f"{what}: exit code {done.returncode}: {said}")
    elif BUG in done.stderr + done.stdout or b"Traceback" in done.stderr:
        tally.fault(f"{what}: {said}")


def is_root() -> bool:
    """Whether this process may mount and change users."""
    return os.getuid() == 0
