"""Linux system-call filters (seccomp): `network_filter` lets a process open Unix and netlink
sockets only, `confined_filter` lets it do little but compute.

A filter needs no privileges and holds for native code, for every thread and for all children. It
refuses to *open* sockets and to take them from another process. Sockets that are already open keep
working, so set the filter before there are any.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import socket
import struct
from collections.abc import Callable, Mapping, Sequence

from localai.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class _Machine:
    """The numbers that a filter needs: the audit architecture and system calls.

    `borrowing` are the calls that use what another process has: ptrace and process_vm_writev.
    """

    audit_arch: int
    socket: int
    io_uring_setup: int
    seccomp: int
    borrowing: tuple[int, ...]
    has_x32: bool = False


_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        socket=41,
        io_uring_setup=425,
        seccomp=317,
        borrowing=(101, 311),
        has_x32=True,
    ),
    "aarch64": _Machine(
        0xC00000B7, socket=198, io_uring_setup=425, seccomp=277, borrowing=(117, 271)
    ),
}

# The same numbers on every machine. pidfd_getfd copies a descriptor out of another process.
_PIDFD_GETFD, _CLONE3 = 438, 435
_CLONE_THREAD, _PR_SET_PDEATHSIG, _KIND_OF_SOCKET = 0x10000, 1, 0xF

# linux/bpf_common.h: load a word; jump if equal, greater or equal, or any of the bits is set;
# return; keep only these bits.
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_AND = 0x54
# Offsets in struct seccomp_data: the call's number, the architecture, the low words of the first
# and the second argument.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24
_X32_CALLS = 0x40000000
_VERDICTS = {
    "refuse": 0x00050000 | errno.EACCES,
    "unknown": 0x00050000 | errno.ENOSYS,
    "allow": 0x7FFF0000,
}
_Rule = tuple[int, int, str | None, str | None]
"""A line of a filter: the operation, its operand, and the labels to jump to if it holds and if it
does not. None is the next line."""

_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER = 1
_ALL_THREADS = 1
# Without this flag, kernels before 5.16 switch speculation mitigations on for the whole process.
# They cost an inference engine several percent, and it runs no hostile code.
_KEEP_SPECULATION = 4


def network_filter(machine: str) -> bytes | None:
    """The BPF program that denies the network on `machine` (a value of platform.machine()); None if
    the machine's system-call numbers are not known.

    The list names the permitted families, because many others leave the machine (AF_PACKET,
    AF_VSOCK, AF_BLUETOOTH …). AF_NETLINK is permitted: it ends in this kernel, and libc and GPU
    drivers ask it for devices. io_uring is refused because it opens and connects sockets without
    the socket calls. pidfd_getfd, ptrace and process_vm_writev are refused because another process
    may have the network.
    """
    known = _MACHINES.get(machine)
    if known is None:
        return None
    # 32-bit code in a 64-bit process has other call numbers, so another architecture is refused.
    rules: list[_Rule] = [
        (_LOAD, _ARCHITECTURE, None, None),
        (_JUMP_EQUAL, known.audit_arch, None, "refuse"),
        (_LOAD, _NUMBER, None, None),
        *([(_JUMP_GREATER_EQUAL, _X32_CALLS, "refuse", None)] if known.has_x32 else []),
        *(
            (_JUMP_EQUAL, call, "refuse", None)
            for call in (known.io_uring_setup, _PIDFD_GETFD, *known.borrowing)
        ),
        (_JUMP_EQUAL, known.socket, None, "allow"),
        (_LOAD, _FIRST_ARGUMENT, None, None),
        (_JUMP_EQUAL, socket.AF_UNIX, "allow", None),
        (_JUMP_EQUAL, 16, "allow", None),  # AF_NETLINK, which Python has on Linux only
    ]
    return _assembled(rules)


def confined_filter(machine: str) -> bytes | None:
    """The BPF program for a confined process on `machine`; None if the machine is not known.

    Such a process can start no other, open no socket, reach no other process, and change nothing of
    a file that it cannot write, such as its mode. The filter closes what Landlock leaves open.
    Calls that a process may use on itself are refused for other processes.
    """
    from localai.privacy.confined_calls import CONFINED_CALLS

    known, calls = _MACHINES.get(machine), CONFINED_CALLS.get(machine)
    if known is None or calls is None:
        return None
    rules: list[_Rule] = [
        (_LOAD, _ARCHITECTURE, None, None),
        (_JUMP_EQUAL, known.audit_arch, None, "refuse"),
        (_LOAD, _NUMBER, None, None),
        *([(_JUMP_GREATER_EQUAL, _X32_CALLS, "refuse", None)] if known.has_x32 else []),
        # clone3's flags lie in memory, where a filter cannot look. As "unknown" it makes libc fall
        # back to clone.
        (_JUMP_EQUAL, _CLONE3, "unknown", None),
        *((_JUMP_EQUAL, call, "refuse", None) for call in sorted(calls.refused)),
        (_JUMP_EQUAL, calls.clone, "clone", None),
        (_JUMP_EQUAL, calls.prctl, "prctl", None),
        (_JUMP_EQUAL, calls.socketpair, "socketpair", None),
        (_JUMP_EQUAL, calls.prlimit64, "prlimit64", "allow"),
    ]
    return _assembled(
        rules,
        {
            "clone": [
                (_LOAD, _FIRST_ARGUMENT, None, None),
                (_JUMP_ANY_BIT, _CLONE_THREAD, "allow", "refuse"),
            ],
            "prctl": [
                (_LOAD, _FIRST_ARGUMENT, None, None),
                (_JUMP_EQUAL, _PR_SET_PDEATHSIG, "refuse", "allow"),
            ],
            # A datagram socket of a pair can still send to other addresses; a stream cannot.
            "socketpair": [
                (_LOAD, _FIRST_ARGUMENT, None, None),
                (_JUMP_EQUAL, socket.AF_UNIX, None, "refuse"),
                (_LOAD, _SECOND_ARGUMENT, None, None),
                (_AND, _KIND_OF_SOCKET, None, None),
                (_JUMP_EQUAL, socket.SOCK_STREAM, "allow", "refuse"),
            ],
            "prlimit64": [
                (_LOAD, _FIRST_ARGUMENT, None, None),
                (_JUMP_EQUAL, 0, "allow", "refuse"),
            ],
        },
    )


def _assembled(
    rules: Sequence[_Rule], blocks: Mapping[str, Sequence[_Rule]] | None = None
) -> bytes:
    """The BPF program: the rules, then the blocks that they jump to by name, then the verdicts."""
    lines = list(rules)
    labels: dict[str | None, int | None] = {None: None}
    for name, block in (blocks or {}).items():
        labels[name] = len(lines)
        lines += block
    for name, verdict in _VERDICTS.items():
        labels[name] = len(lines)
        lines.append((_RETURN, verdict, None, None))
    program = b""
    for index, (code, operand, if_true, if_false) in enumerate(lines):
        jumps = [
            0 if (target := labels[label]) is None else target - index - 1
            for label in (if_true, if_false)
        ]
        program += struct.pack("=HBBI", code, *jumps, operand)
    return program


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def set_filter(libc: ctypes.CDLL, program_of: Callable[[str], bytes | None]) -> str | None:
    """Set the filter of `program_of` (`network_filter`, `confined_filter`) on all threads of this
    process for good, beside the filters that it has. Return None, or the reason why it cannot be
    set."""
    machine = platform.machine()
    program = program_of(machine)
    if program is None:
        return f"no system-call filter is known for {machine}"
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return f"prctl: {_last_error()}"
    argument = _Program(len(program) // 8, program)
    for flags in (_ALL_THREADS | _KEEP_SPECULATION, _ALL_THREADS):
        result = libc.syscall(
            ctypes.c_long(_MACHINES[machine].seccomp),
            ctypes.c_ulong(_SECCOMP_SET_MODE_FILTER),
            ctypes.c_ulong(flags),
            ctypes.byref(argument),
        )
        if result == 0:
            return None
    return f"seccomp: {_last_error()}"


def _last_error() -> str:
    import os

    return os.strerror(ctypes.get_errno())
