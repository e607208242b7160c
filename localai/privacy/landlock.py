"""Landlock: the Linux kernel's denial of files, for a process that takes it upon itself.

It needs no privileges, holds for native code and all threads that come after, and cannot be taken
off. From version 3 on (Linux 6.2) it denies every writing; what it has no right for, modes and
owners among it, is the system-call filter's (`seccomp.confined_filter`).
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

LEAST_VERSION = 3
"""Before it a file that cannot be written could still be cut to nothing."""

# The same numbers on every machine.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1

# linux/landlock.h: LANDLOCK_ACCESS_FS_*, and since which version there are that many of them.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIRECTORY = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FILE_RIGHTS_OF_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NEWEST_FILE_RIGHTS = 16
# bind and connect over TCP, version 4; abstract Unix sockets and signals, version 6.
_NETWORK_RIGHTS, _SCOPES = 0b11, 0b11


def landlock_version(libc: ctypes.CDLL) -> int:
    """The version that the kernel speaks; 0 where it has none or it is switched off."""
    return max(0, int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)))


def confine_to(
    libc: ctypes.CDLL, readable: Iterable[Path], writable: Iterable[Path] = ()
) -> str | None:
    """From now on only `readable` files and folders can be read and executed, only `writable`
    files written, and none can be made. None, or why that cannot be had.

    Paths that are not there are left out.
    """
    version = landlock_version(libc)
    if version < LEAST_VERSION:
        has = f"version {version}" if version else "none"
        return f"Landlock {LEAST_VERSION} is needed (Linux 6.2), and the kernel has {has}"
    handled = (1 << _FILE_RIGHTS_OF_VERSION.get(version, _NEWEST_FILE_RIGHTS)) - 1
    attributes = struct.pack(
        "=QQQ",
        handled,
        _NETWORK_RIGHTS if version >= 4 else 0,
        _SCOPES if version >= 6 else 0,
    )
    known = {3: 8, 4: 16, 5: 16}.get(version, 24)
    rules = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(known), 0)
    if rules < 0:
        return f"landlock_create_ruleset: {_last_error()}"
    try:
        for path in readable:
            if (failed := _allow(libc, rules, path, _READ_FILE | _EXECUTE)) is not None:
                return failed
        for path in writable:
            if (failed := _allow(libc, rules, path, _READ_FILE | _WRITE_FILE)) is not None:
                return failed
        if libc.syscall(_RESTRICT_SELF, rules, 0) != 0:
            return f"landlock_restrict_self: {_last_error()}"
    finally:
        os.close(rules)
    return None


def _allow(libc: ctypes.CDLL, rules: int, path: Path, rights: int) -> str | None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if path.is_dir():
            rights |= _READ_DIRECTORY
        rule = struct.pack("=Qi", rights, descriptor)
        if libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, rule, 0) != 0:
            return f"landlock_add_rule for {path}: {_last_error()}"
    finally:
        os.close(descriptor)
    return None


def _last_error() -> str:
    return os.strerror(ctypes.get_errno())
