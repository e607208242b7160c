"""A program run so that it can compute and print, and do nothing else: for code of unknown origin.

`python -m localai.privacy.confinement PARENT SECONDS MEMORY_BYTES COMMAND…` takes from itself what
the code must not have and becomes COMMAND: the network (`sandbox.deny_network`), every file but the
interpreter's own (Landlock), the writing of any, other processes and the starting of one, the modes
and owners of files (a system-call filter), and more than so much processor time and memory; it ends
with PARENT. Where one of these cannot be had it ends with `NOT_CONFINED` and COMMAND is not run:
half a confinement is none. Linux from 6.2 on only: no other kernel lets a process do that to
itself.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from localai.privacy import landlock, sandbox
from localai.privacy.confined_calls import CONFINED_CALLS

NOT_CONFINED = 97
"""The exit code of a program that was not run, because it would not have been confined; stderr
says why."""

_PR_SET_PDEATHSIG = 1
_MOST_OPEN_FILES = 64

# The whole of it: what the caller has in its environment is nobody else's business.
_ENVIRONMENT = {"LANG": "C.UTF-8"}

# What programs read besides the interpreter: where libraries are, the time zone.
_SYSTEM = (
    *("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", "/etc/ld.so.cache"),
    *("/usr/share/zoneinfo", "/etc/localtime", "/dev/urandom", "/dev/zero"),
)


def unavailable() -> str | None:
    """Why no program can be confined on this machine; None where one can."""
    if sys.platform != "linux":
        return f"code is run under Linux's Landlock only, and this is {platform.system()}"
    if platform.machine() not in CONFINED_CALLS:
        return f"no system-call filter is known for {platform.machine()}"
    version = landlock.landlock_version(ctypes.CDLL(None, use_errno=True))
    if version < landlock.LEAST_VERSION:
        return (
            f"code is run under Landlock {landlock.LEAST_VERSION} or newer (Linux 6.2), and this"
            f" kernel has {f'version {version}' if version else 'none'}"
        )
    return None


def confined_command(seconds: int, memory_bytes: int, command: Sequence[str]) -> list[str]:
    """The command line that runs `command` confined. Start it with nothing open that the code must
    not have, and with a time limit of your own: a program that sleeps takes no processor time."""
    # -P: the current folder may hold somebody else's `localai`.
    own = [sys.executable, "-P", "-m", "localai.privacy.confinement"]
    return [*own, str(os.getpid()), str(seconds), str(memory_bytes), *command]


def _readable() -> Iterator[Path]:
    """What the interpreter consists of, and its libraries."""
    yield Path(sys.executable)
    yield Path(sys.executable).resolve()
    for name in ("stdlib", "platstdlib"):
        yield Path(sysconfig.get_path(name))
    if (libraries := sysconfig.get_config_var("LIBDIR")) is not None:
        yield Path(libraries)
    yield from map(Path, _SYSTEM)


def _confine(parent: int, seconds: int, memory_bytes: int) -> str | None:
    """Take everything; None, or what could not be taken."""
    import resource

    from localai.privacy.seccomp import confined_filter, set_filter

    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return "the command that started it has ended"
    denial = sandbox.deny_network()
    if not denial.enforced or denial.gaps:
        return "; ".join(denial.gaps) or denial.evidence
    limits = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: _MOST_OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for limit, most in limits.items():
        resource.setrlimit(limit, (most, most))
    # In this order: the filter refuses what Landlock is set by.
    return landlock.confine_to(libc, _readable(), [Path(os.devnull)]) or set_filter(
        libc, confined_filter
    )


def become(arguments: Sequence[str]) -> NoReturn:
    """Become the command, or end where it would not be confined."""
    parent, seconds, memory_bytes, *command = arguments
    os.setsid()
    os.chdir("/")
    refused = unavailable() or _confine(int(parent), int(seconds), int(memory_bytes))
    if refused is not None:
        sys.stderr.write(refused)
        sys.exit(NOT_CONFINED)
    os.execve(command[0], command, _ENVIRONMENT)


if __name__ == "__main__":
    become(sys.argv[1:])
