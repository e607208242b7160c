"""Runs an answer's code in a confined Python of its own, and says whether it did what was expected.

Nothing here is called unless the user has said `--run-code`. The code comes from a model, and its
test from a suite, whose author may be anybody. So both run only under `privacy.confinement`.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from localai.chat.answer_checks import first_code_block
from localai.compare import code_runner
from localai.compare.checks.check import Observation
from localai.compare.checks.program import Program
from localai.dataclass import dataclass
from localai.errors import PolicyRefused
from localai.privacy import guard
from localai.privacy.confinement import confined_command, unavailable
from localai.privacy.environment import child_environment
from localai.units import time_text

SECONDS = 10
"""The longest that an answer's code and its test may take together."""
MEMORY_BYTES = 1 << 30
_MOST_PRINTED = 1 << 20


def require_confinement() -> None:
    """Raise PolicyRefused if code cannot be confined on this machine."""
    why = unavailable()
    if why is not None:
        raise PolicyRefused(
            f"--run-code: {why}",
            hint='without it answers are asked and kept; what "runs" expects stays open',
        )


def confined_python() -> str:
    """The Python that runs the code, for the record."""
    from ctypes import CDLL

    from localai.privacy.landlock import landlock_version

    python = ".".join(map(str, sys.version_info[:3]))
    return f"Python {python} under Landlock {landlock_version(CDLL(None))}"


def code_of(text: str) -> str:
    """The code in an answer: its first code block, or else its whole text."""
    block = first_code_block(text)
    return text if block is None else block


def run_code(text: str, program: Program) -> Observation:
    """The observation from running the code in `text` as `program` says. Raises PolicyRefused if
    the code would not be confined; then nothing was run."""
    code = code_of(text)
    if not code.strip():
        return Observation(False, "no code")
    ended = _run({"code": code, "test": program.test}, program.input)
    if ended.failed is not None:
        return Observation(False, ended.failed)
    if program.prints is not None and _lines(ended.printed) != _lines(program.prints):
        return Observation(False, f"printed: {ended.printed.strip() or 'nothing'}")
    return Observation(True, f"ran in {time_text(ended.seconds, 2)}")


@dataclass(frozen=True, slots=True)
class _Ended:
    """The end of a program: the reason of its failure or None, its output, its time in seconds."""

    failed: str | None
    printed: str
    seconds: float


def _run(job: dict[str, str], given: str) -> _Ended:
    source = Path(code_runner.__file__).read_text(encoding="utf-8")
    report, report_end = os.pipe()
    with (
        _file(json.dumps(job)) as job_file,
        _file(given) as stdin,
        os.fdopen(report, "rb") as reports,
    ):
        descriptors = [job_file.fileno(), report_end]
        interpreter = os.path.realpath(sys.executable)
        inner = [interpreter, "-I", "-S", "-B", "-c", source, *map(str, descriptors)]
        began = time.monotonic()
        try:
            with guard.child("an answer's code, confined"):
                process = subprocess.Popen(
                    confined_command(SECONDS, MEMORY_BYTES, inner),
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=child_environment("engine"),
                    pass_fds=descriptors,
                )
        finally:
            os.close(report_end)
        assert process.stdout is not None and process.stderr is not None
        try:
            streams = (process.stdout, process.stderr, reports)
            printed, errors, reported, broke = _collect(streams, began + SECONDS)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()
    lines = _reports(reported)
    if {"began": True} not in lines[:1]:
        raise PolicyRefused(
            "--run-code: code cannot be confined here:"
            f" {errors.decode(errors='replace').strip() or _end_of(process.returncode)}"
        )
    return _Ended(
        broke or _failure(lines[1:], process.returncode),
        printed.decode(errors="replace"),
        time.monotonic() - began,
    )


def _file(text: str) -> IO[bytes]:
    """An open file with the text, which no other process can open, positioned at its beginning."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  whoever asked closes it
    file.write(text.encode(errors="surrogatepass"))
    file.flush()
    file.seek(0)
    return file


def _collect(streams: Sequence[IO[bytes]], until: float) -> tuple[bytes, bytes, bytes, str | None]:
    """The output of the streams until all have ended, and the reason if they were broken off
    before."""
    came = [b"", b"", b""]
    with selectors.DefaultSelector() as selector:
        for number, stream in enumerate(streams):
            selector.register(stream, selectors.EVENT_READ, number)
        while selector.get_map():
            left = until - time.monotonic()
            if left <= 0:
                return came[0], came[1], came[2], f"took more than {SECONDS} s"
            for key, _ in selector.select(left):
                piece = os.read(key.fd, 65536)
                if not piece:
                    selector.unregister(key.fileobj)
                came[key.data] += piece
                if len(came[key.data]) > _MOST_PRINTED:
                    return came[0], came[1], came[2], "printed more than 1 MiB"
    return came[0], came[1], came[2], None


def _reports(output: bytes) -> list[Any]:
    """The lines of the report that are JSON. The code could write other lines to it."""
    found = []
    for line in output.splitlines():
        try:
            found.append(json.loads(line))
        except (ValueError, RecursionError):
            break
    return found


def _failure(reports: Sequence[Any], code: int) -> str | None:
    last = reports[-1] if reports else None
    if not isinstance(last, dict) or "failed" not in last:
        return f"ended before its test: {_end_of(code)}"
    failed = last["failed"]
    if failed is None:
        return None
    return " in ".join(map(str, failed)) if isinstance(failed, list) else str(failed)


def _end_of(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    known = {each.value: each.name for each in signal.Signals}
    return f"killed by {known.get(-code, -code)}"


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]
