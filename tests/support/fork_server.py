"""A process that has imported localai and forks for each command line: no start of an interpreter.

Most tests run a command to its end, or at a terminal, and of a quick one's processor time most is
the interpreter's start and the imports. A fork has what any process has of its own: process id,
streams, environment, current folder, signals, exit code, exit handlers. It differs from
`python -m localai` in this:

- The modules of localai and those of `_WITH_THEM` are there before the command asks for them. So
  these are not noticed: an import that is missing or comes too early, a circle of imports, and
  what a module reads while it is imported. No SDK of a provider or hub is there, and nothing of
  localai has run yet: the guard, the streams and the signals are set up by the command itself.
- It ends without the interpreter's last work: what a module still holds is not destroyed. That is
  two thirds of a quick command's time, because each page that was shared would be copied for it.
- The hash seed and the interpreter's options are those of the server.
- /proc says the server's environment and command line of it.

What is about these things has real processes: `pytest.mark.real_process`. All tests have them under
LOCALAI_TEST_REAL_PROCESSES=1, and a release is tested so.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from io import FileIO
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

REPOSITORY = Path(__file__).parents[2]
REAL_PROCESSES = "LOCALAI_TEST_REAL_PROCESSES"
_WITH_THEM = (
    *("markdown_it", "platformdirs", "psutil", "pygments", "rich.console", "rich.table"),
    *("prompt_toolkit.auto_suggest", "prompt_toolkit.shortcuts"),
    *("tests.support.cast", "tests.support.clouds", "tests.support.robot"),
)
_ONLY_AT_START = ("PYTHON", "LC_", "LD_", "DYLD_", "LANG", "MALLOC_", "TZ")
"""How the variables begin that Python or the C library read when a process starts."""
_LONGEST_ARGUMENT = 100_000
_PIECE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class _Request:
    """A command line, and what it runs in."""

    arguments: list[str]
    environment: dict[str, str]
    folder: str
    at_terminal: bool = False
    module: str = "localai"


class Fork:
    """A command that runs: its process id, and the socket on which the server says how it ended."""

    def __init__(self, pid: int, answer: socket.socket) -> None:
        self.pid = pid
        self._answer = answer
        self._code: int | None = None

    def exit_code(self, timeout_s: float) -> int | None:
        """The exit code, or minus the signal, once it has ended; None after that time."""
        if self._code is None:
            self._answer.settimeout(max(0.001, timeout_s))
            with suppress(TimeoutError):
                self._code = int(self._answer.recv(64))
        return self._code

    def close(self) -> None:
        """Hear no more of it."""
        self._answer.close()


class ForkServer:
    """The client's side. The server starts with the first command and ends with `close`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**environment, "PYTHONPATH": str(REPOSITORY)}
        self._control: socket.socket | None = None

    def can_run(
        self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> bool:
        """Whether a fork does the same as a process would: not if that could not be started, or
        if it differed from the server by a variable that is read at the start."""
        return (
            hasattr(os, "pidfd_open")
            and REAL_PROCESSES not in os.environ
            and folder.is_dir()
            and not any("\0" in each or len(each) > _LONGEST_ARGUMENT for each in arguments)
            and _read_at_start(environment) == _read_at_start(self._environment)
        )

    def run(
        self,
        arguments: Sequence[str],
        *,
        input: bytes | None,
        env: Mapping[str, str],
        cwd: Path,
        timeout_s: float,
        module: str = "localai",
    ) -> subprocess.CompletedProcess[bytes]:
        """As subprocess.run does it with `python -m MODULE ARGUMENTS`: the result once the process
        has ended and its output is closed. Raises TimeoutExpired."""
        with ExitStack() as opened:
            stdin, typed = _pipe(opened)
            written, stdout = _pipe(opened)
            said, stderr = _pipe(opened)
            if input is None:
                stdin = opened.enter_context(FileIO(os.devnull))
            request = _Request([*arguments], {**env}, str(cwd), module=module)
            fork = opened.enter_context(closing(self._fork(request, (stdin, stdout, stderr))))
            command, deadline = ["localai", *arguments], time.monotonic() + timeout_s
            outputs = _communicate(typed, input or b"", [written, said], deadline)
            code = fork.exit_code(deadline - time.monotonic())
            if code is None:
                os.kill(fork.pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(command, timeout_s, *outputs)
            return subprocess.CompletedProcess(command, code, *outputs)

    def run_at(
        self, terminal: FileIO, arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path
    ) -> Fork:
        """Begin the command at `terminal`, which is closed here."""
        request = _Request([*arguments], {**env}, str(cwd), at_terminal=True)
        return self._fork(request, (terminal, terminal, terminal))

    def _fork(self, asked: _Request, streams: tuple[FileIO, FileIO, FileIO]) -> Fork:
        """Begin what is asked for with `streams`, which are closed here."""
        # Of messages: the process id and the exit code may come at once.
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        with ExitStack() as passed:
            request = passed.enter_context(FileIO(os.memfd_create("request"), "w"))
            request.write(json.dumps(asdict(asked)).encode())
            passed.enter_context(theirs)
            files = [each.fileno() for each in (request, *streams)]
            socket.send_fds(self._started(), [b"r"], [*files, theirs.fileno()])
            for each in streams:
                each.close()
        return Fork(int(ours.recv(64)), ours)

    def close(self) -> None:
        """End the server; commands that run go on."""
        if self._control is not None:
            self._control.close()

    def _started(self) -> socket.socket:
        if self._control is None:
            self._control, theirs = socket.socketpair()
            with theirs:
                subprocess.Popen(
                    [sys.executable, "-m", "tests.support.fork_server"],
                    env=self._environment,
                    cwd=REPOSITORY,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                )
        return self._control


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    """What is read only when a process starts; of PYTHONPATH, which is sys.path and no more, only
    that it ends with this repository."""
    read = {name: value for name, value in environment.items() if name.startswith(_ONLY_AT_START)}
    if read.get("PYTHONPATH", "").split(":")[-1] == str(REPOSITORY):
        read["PYTHONPATH"] = "ends with this repository"
    return read


def _pipe(opened: ExitStack) -> tuple[FileIO, FileIO]:
    """A new pipe's ends, the one to read from first."""
    read, write = os.pipe()
    return opened.enter_context(FileIO(read, "r")), opened.enter_context(FileIO(write, "w"))


def _communicate(
    typed: FileIO, text: bytes, outputs: Sequence[FileIO], deadline: float
) -> list[bytes]:
    """Write `text` to `typed`, and what `outputs` say until they are closed or time is over."""
    os.set_blocking(typed.fileno(), False)
    left, pieces = memoryview(text), {each.fileno(): list[bytes]() for each in outputs}
    poll = select.poll()
    for each in (typed, *outputs):
        poll.register(each, select.POLLOUT if each is typed else select.POLLIN)
    is_open = {typed.fileno(), *pieces}
    while is_open and (left_s := deadline - time.monotonic()) > 0:
        for file, _ in poll.poll(1000 * left_s):
            if file not in pieces:
                with suppress(BrokenPipeError):
                    left = left[typed.write(left[:_PIECE_BYTES]) or 0 :] if left else left
                    if left:
                        continue
                typed.close()
            elif piece := os.read(file, _PIECE_BYTES):
                pieces[file].append(piece)
                continue
            poll.unregister(file)
            is_open.discard(file)
    return [b"".join(each) for each in pieces.values()]


def _serve(control: socket.socket) -> _Request:
    """Fork for each request that `control` brings. Returns in the forks alone."""
    poll = select.poll()
    poll.register(control, select.POLLIN)
    running: dict[int, tuple[int, int]] = {}
    while True:
        for file, _ in poll.poll():
            if file in running:
                poll.unregister(file)
                pid, answer = running.pop(file)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                _say(answer, code)
                os.close(answer)
                os.close(file)
                continue
            message, files, _, _ = socket.recv_fds(control, 1, 5)
            if not message:
                os._exit(0)
            pid = os.fork()
            if pid == 0:
                control.close()
                return _become(files)
            *theirs, answer = files
            for each in theirs:
                os.close(each)
            _say(answer, pid)
            running[process := os.pidfd_open(pid)] = pid, answer
            poll.register(process, select.POLLIN)


def _say(answer: int, number: int) -> None:
    """Write it; whoever asked may have left."""
    with suppress(OSError):
        os.write(answer, b"%d" % number)


def _become(files: list[int]) -> _Request:
    """Take the streams, the environment and the folder of the request in `files`."""
    request, *streams, _ = files
    asked = _Request(**json.loads(os.pread(request, os.fstat(request).st_size, 0)))
    for number, each in enumerate(streams):
        os.dup2(each, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    if asked.at_terminal:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = _stream(number, getattr(sys, name))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    own = len(os.environ["PYTHONPATH"].split(":"))
    os.environ.clear()
    os.environ.update(asked.environment)
    os.chdir(asked.folder)
    # As `python -m` has it: the current folder, PYTHONPATH, the installation.
    theirs = asked.environment["PYTHONPATH"].split(":")
    sys.path[:] = [str(Path.cwd()), *theirs, *sys.path[1 + own :]]
    return asked


def _stream(number: int, like: Any) -> TextIO:
    """A stream as the interpreter makes it when it starts, on what `number` is now."""
    raw = FileIO(number, "w" if number else "r", closefd=False)
    stream: Any = io.TextIOWrapper(
        io.BufferedWriter(raw) if number else io.BufferedReader(raw),
        encoding=like.encoding,
        errors=like.errors,
        newline="\n",
        line_buffering=number == 2 or os.isatty(number),
    )
    stream.mode = "w" if number else "r"
    return cast(TextIO, stream)


def _import_all() -> None:
    """Import what the docstring of this module says."""
    import localai

    for module in pkgutil.walk_packages(localai.__path__, "localai."):
        # The modules of the MLX worker run in another environment.
        if not module.name.startswith("localai.engine.mlx.") and "__main__" not in module.name:
            import_module(module.name)
    for name in _WITH_THEM:
        import_module(name)


def main() -> None:
    """Serve on standard input; in the forks, run their command lines."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=os.dup(0))
    _import_all()
    gc.collect()
    gc.freeze()
    asked = _serve(control)
    sys.argv[1:] = asked.arguments
    try:
        runpy.run_module(asked.module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if not isinstance(ended.code, int):
            raise
        code = ended.code
    _end(code)


def _end(code: int) -> NoReturn:
    """End this process as the interpreter does: after its threads, with the exit handlers."""
    threading._shutdown()  # type: ignore[attr-defined]
    gc.collect()
    atexit._run_exitfuncs()
    # A stream that cannot be written any more is the interpreter's to tell.
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
