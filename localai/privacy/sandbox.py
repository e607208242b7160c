"""The kernel's denial of the network: it holds for native code, which the guard does not see.

The engine's worker applies the denial to itself before it loads native code; `--airgap` applies it
to the whole command. Unix sockets on the file system keep working, so commands still reach a
worker. The result is measured afterwards, from native code, and never assumed.

Linux: the process enters an empty network namespace, in a user namespace of its own, so that it
needs no privileges and cannot leave again. A system-call filter is set besides; it also closes the
families that no namespace covers (AF_VSOCK reaches a virtual machine's host). If namespaces are
refused (most containers, some distributions), the filter alone denies the network.
macOS: a process cannot put itself under a sandbox profile, so it is started under one.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from localai.dataclass import dataclass
from localai.errors import PolicyRefused
from localai.privacy import guard, policy
from localai.privacy.zones import zone_of_family
from localai.types import Zone

if TYPE_CHECKING:
    import ctypes

Way = Literal["namespace", "seccomp", "sandbox-exec", "none"]

# Typed as a plain text, so that mypy checks the branches of both systems.
_PLATFORM: str = sys.platform

_PR_SET_DUMPABLE = 4
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000

_SANDBOX_EXEC = "/usr/bin/sandbox-exec"
# The last rule that matches wins. mDNSResponder (a Unix socket) and dnssd (a Mach service) would
# resolve names for the process; nsurlsessiond would download for it in the background.
_SANDBOX_PROFILE = """\
(version 1)
(allow default)
(deny network*)
(allow network* (local unix-socket) (remote unix-socket))
(deny network-outbound (literal "/private/var/run/mDNSResponder"))
(deny mach-lookup (global-name "com.apple.dnssd.service"))
(deny mach-lookup (global-name-prefix "com.apple.nsurlsessiond"))
"""

# Without a denial, loopback is reachable on every machine, even on one without a network. The third
# address is reserved for documentation (RFC 5737).
_TARGETS = (
    (socket.AF_INET, "127.0.0.1"),
    (socket.AF_INET6, "::1"),
    (socket.AF_INET, "192.0.2.1"),
)


@dataclass(frozen=True, slots=True)
class NetworkDenial:
    """Whether the kernel denies this process the network.

    `how` is the means, `evidence` the measurement behind `enforced`, in words. `gaps` are the
    reasons why a further means could not be set.
    """

    enforced: bool
    how: Way
    evidence: str
    gaps: tuple[str, ...] = ()


def deny_network(*, namespace: bool = True) -> NetworkDenial:
    """Take the network from this process and its children for good. Return what was achieved.

    Call it before the process has threads: Linux gives a process with threads no user namespace,
    and then the filter alone is used. `namespace=False` always goes without the namespace. On macOS
    nothing is changed; the result says whether this process runs under `sandboxed_command`.
    """
    libc = _libc()
    how: Way = "none"
    failures: list[str] = []
    unfiltered: tuple[str, ...] = ()
    if _PLATFORM == "linux":
        how, failures, unfiltered = _deny_on_linux(libc, namespace)
    elif _PLATFORM == "darwin":
        how = "sandbox-exec"
    reachable = list(_reachable(libc))
    if how == "none" or reachable:
        open_ways = f"native code reaches {', '.join(reachable)}" if reachable else "nothing set"
        if how == "sandbox-exec":
            failures.append("no sandbox profile is set: sandbox-exec is missing or refuses")
        return NetworkDenial(False, "none", "; ".join([*failures, open_ways]))
    means = {
        "namespace": "an empty network namespace of the Linux kernel",
        "seccomp": "a system-call filter of the Linux kernel",
        "sandbox-exec": "a macOS sandbox profile",
    }[how]
    targets = ", ".join(host for _, host in _TARGETS)
    evidence = f"{means}; tried from native code, refused: {targets}"
    return NetworkDenial(True, how, evidence, unfiltered)


def keep_memory_private() -> None:
    """Keep the memory of this process private: it leaves no core dump, and on Linux the user's
    other processes cannot trace it. Call this after `deny_network`."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if _PLATFORM == "linux":
        _libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def sandboxed_command(command: Sequence[str]) -> list[str]:
    """The command line that starts `command` without the network, on systems where that is done
    from outside.

    On macOS `sandbox-exec` is put before `command`, unless this process already runs under the
    profile or under another sandbox (a CI's), in which none can be nested. On other systems
    `command` is returned unchanged, and the child calls `deny_network`.
    """
    if _PLATFORM != "darwin" or not Path(_SANDBOX_EXEC).exists():
        return list(command)
    if not any(_reachable(_libc())) or not _profile_can_be_set():
        return list(command)
    return [_SANDBOX_EXEC, "-p", _SANDBOX_PROFILE, *command]


@functools.cache
def _profile_can_be_set() -> bool:
    """Whether `sandbox-exec` works here; inside another sandbox it exits with 71."""
    import subprocess

    from localai.privacy.environment import child_environment

    with guard.child("sandbox-exec, whether it works here"):
        tried = subprocess.run(
            [_SANDBOX_EXEC, "-p", _SANDBOX_PROFILE, "/usr/bin/true"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=child_environment(),
            check=False,
        )
    return tried.returncode == 0


def airgap_reexec(arguments: Sequence[str]) -> NetworkDenial:
    """Put this command under the kernel's denial, for `localai --airgap ARGUMENTS`.

    The call returns once the denial holds. On macOS the process replaces itself by a new one under
    the profile, and the call returns in the new one. Raises PolicyRefused if the denial is
    impossible here.
    """
    # -P: the current folder may hold somebody else's `localai`.
    command = [sys.executable, "-P", "-m", "localai", *arguments]
    sandboxed = sandboxed_command(command)
    if sandboxed != command and "LOCALAI_AIRGAP_TRIED" not in os.environ:
        os.environ["LOCALAI_AIRGAP_TRIED"] = "1"
        with guard.child("itself, under the sandbox profile"):
            os.execv(sandboxed[0], sandboxed)
    _close_inherited_sockets()
    denial = deny_network()
    if not denial.enforced or denial.gaps:
        why = "; ".join(denial.gaps) if denial.enforced else denial.evidence
        raise PolicyRefused(
            f"an air gap cannot be had on this machine: {why}",
            hint="without --airgap the guard still keeps Python code from the network",
        )
    policy.close_air_gap()
    return denial


def _close_inherited_sockets() -> None:
    """Close network sockets that the parent left open, because they would keep working under the
    denial. Raises PolicyRefused if stdin, stdout or stderr is such a socket."""
    # The folder is read to its end first: reading it opens a descriptor of its own.
    for entry in list(Path("/dev/fd").iterdir()):
        descriptor = int(entry.name)
        try:
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            probe = socket.socket(fileno=os.dup(descriptor))
        except OSError:
            continue
        with probe:
            stays = zone_of_family(probe.family) is Zone.DEVICE
        if not stays and descriptor <= 2:
            raise PolicyRefused(
                f"an air gap cannot be had: descriptor {descriptor} is a connection to the network",
                hint="redirect it to a file or a pipe",
            )
        if not stays:
            os.close(descriptor)


def _deny_on_linux(libc: ctypes.CDLL, namespace: bool) -> tuple[Way, list[str], tuple[str, ...]]:
    """Deny the network to this process. Return the means, the reasons of those that failed, and
    the reason why the filter could not be set, as a `NetworkDenial`'s gaps."""
    from localai.privacy.seccomp import network_filter, set_filter

    how: Way = "none"
    failures = []
    if namespace:
        refused = _enter_empty_namespace(libc)
        if refused is None and any(_reachable(libc)):
            refused = "the network namespace is not empty"
        if refused is None:
            how = "namespace"
        else:
            failures.append(refused)
    refused = set_filter(libc, network_filter)
    if refused is not None:
        failures.append(refused)
    elif how == "none":
        how = "seccomp"
    return how, failures, () if refused is None else (refused,)


def _enter_empty_namespace(libc: ctypes.CDLL) -> str | None:
    """Move this process into new user and network namespaces. Return None, or the reason why that
    is refused.

    Root gets a user namespace, too: without one, root would keep the privileges that lead back out
    (setns). The user keeps its own number, so its files stay its own. Root can then reach *other*
    users' files only as far as their permissions allow.
    """
    import ctypes

    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return f"no user and network namespace: {os.strerror(ctypes.get_errno())}"
    # Some containers refuse the map; the kernel then still checks files by the real numbers.
    with contextlib.suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return None


def _libc() -> ctypes.CDLL:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _reachable(libc: ctypes.CDLL) -> Iterator[str]:
    """The targets that native code can connect a datagram socket to.

    Connecting asks the kernel for permission and a route and sends no packet, so the test sends
    nothing even if the network is not denied. The calls go to libc because the guard judges
    Python's sockets, and the guard's refusal must not be taken for the kernel's.
    """
    for family, host in _TARGETS:
        descriptor = libc.socket(int(family), int(socket.SOCK_DGRAM), 0)
        if descriptor < 0:
            continue
        try:
            address = _socket_address(family, host)
            if libc.connect(descriptor, address, len(address)) == 0:
                yield host
        finally:
            os.close(descriptor)


def _socket_address(family: int, host: str) -> bytes:
    """struct sockaddr_in or sockaddr_in6 for `host`, port 9 (discard)."""
    packed = socket.inet_pton(family, host)
    rest = struct.pack("!H", 9)
    rest += packed + bytes(8) if family == socket.AF_INET else bytes(4) + packed + bytes(4)
    # BSD's structure begins with one byte for its own length and one byte for the family.
    length = len(rest) + 2
    return (
        struct.pack("BB", length, family) if _PLATFORM == "darwin" else struct.pack("=H", family)
    ) + rest
