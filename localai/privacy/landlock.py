"""Landlock: the Linux kernel denies files to a process that asks for it.

The denial needs no privileges, holds for native code and for all threads started later, and cannot
be lifted. From version 3 on (Linux 6.2) it covers every way of writing a file. Landlock does not
cover a file's mode and owner; the system-call filter does (`seccomp.confined_filter`).
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

LEAST_VERSION = 3
"""The least version of use: under older ones, a file that cannot be written can still be
truncated."""

# System-call numbers, the same on every machine.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1

# LANDLOCK_ACCESS_FS_* of linux/landlock.h, and how many of them each version has.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIRECTORY = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FILE_RIGHTS_OF_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NEWEST_FILE_RIGHTS = 16
# Network rights (version 4): bind and connect over TCP. Scopes (version 6): abstract Unix sockets
# and signals.
_NETWORK_RIGHTS, _SCOPES = 0b11, 0b11


def landlock_version(libc: ctypes.CDLL) -> int:
    """The kernel's version of Landlock; 0 if it has none or has it switched off."""
    return max(0, int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)))


def confine_to(
    libc: ctypes.CDLL, readable: Iterable[Path], writable: Iterable[Path] = ()
) -> str | None:
    """Confine this process to some files: it can then read and execute only the `readable` files
    and folders, write only the `writable` files, and create none.

    Return None, or the reason why this is impossible. Paths that do not exist are left out.
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
