"""A way to run code of unknown origin so that it can compute and print, and do nothing else.

`python -m localai.privacy.confinement PARENT SECONDS MEMORY_BYTES COMMAND…` gives up what the code
must not have, and then becomes COMMAND:

- the network (`sandbox.deny_network`);
- reading any file but the interpreter's own, and writing any file (Landlock);
- starting processes, touching other processes, and changing the modes and owners of files (a
  system-call filter);
- more than SECONDS of processor time, and more than MEMORY_BYTES of memory.

The process ends with PARENT. If one of these limits cannot be set, the process exits with
`NOT_CONFINED` and does not run COMMAND: half a confinement is none. Only Linux 6.2 and newer lets a
process limit itself in this way.
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
"""The exit code if the program was not run because it could not be confined; stderr has the
reason."""

_PR_SET_PDEATHSIG = 1
_MOST_OPEN_FILES = 64

# The program's whole environment: the caller's variables may hold secrets.
_ENVIRONMENT = {"LANG": "C.UTF-8"}

# What programs read besides the interpreter: system libraries, the time zone, devices.
_SYSTEM = (
    *("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", "/etc/ld.so.cache"),
    *("/usr/share/zoneinfo", "/etc/localtime", "/dev/urandom", "/dev/zero"),
)


def unavailable() -> str | None:
    """The reason why no program can be confined on this machine; None if one can."""
    if sys.platform != "linux":
        return f"code runs only under Linux's Landlock, and this is {platform.system()}"
    if platform.machine() not in CONFINED_CALLS:
        return f"no system-call filter is known for {platform.machine()}"
    version = landlock.landlock_version(ctypes.CDLL(None, use_errno=True))
    if version < landlock.LEAST_VERSION:
        return (
            f"code runs only under Landlock {landlock.LEAST_VERSION} or newer (Linux 6.2), and this"
            f" kernel has {f'version {version}' if version else 'none'}"
        )
    return None


def confined_command(seconds: int, memory_bytes: int, command: Sequence[str]) -> list[str]:
    """The command line that runs `command` confined, with `seconds` of processor time.

    The caller starts it without open descriptors that the code must not have, and with a time limit
    of its own: a program that sleeps uses no processor time.
    """
    # -P: the current folder may hold somebody else's `localai`.
    own = [sys.executable, "-P", "-m", "localai.privacy.confinement"]
    return [*own, str(os.getpid()), str(seconds), str(memory_bytes), *command]


def _readable() -> Iterator[Path]:
    """The files and folders of the interpreter and its libraries."""
    yield Path(sys.executable)
    yield Path(sys.executable).resolve()
    for name in ("stdlib", "platstdlib"):
        yield Path(sysconfig.get_path(name))
    if (libraries := sysconfig.get_config_var("LIBDIR")) is not None:
        yield Path(libraries)
    yield from map(Path, _SYSTEM)


def _confine(parent: int, seconds: int, memory_bytes: int) -> str | None:
    """Set every limit on this process. Return None, or the reason why one could not be set."""
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
    # Landlock first: the filter refuses the system calls that set Landlock.
    return landlock.confine_to(libc, _readable(), [Path(os.devnull)]) or set_filter(
        libc, confined_filter
    )


def become(arguments: Sequence[str]) -> NoReturn:
    """Confine this process and become the command. Exit with `NOT_CONFINED` if it cannot be
    confined."""
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
