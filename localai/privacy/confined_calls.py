"""The numbers of the system calls that are refused to a confined process.

They come from Linux's arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

from __future__ import annotations

from typing import Final

from localai.dataclass import dataclass

# Calls added since 2019 have the same number on every machine.
_EVERYWHERE: Final = {
    "io_uring_setup": 425,
    "pidfd_send_signal": 424,
    "pidfd_open": 434,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
    "fchmodat2": 452,
    "setxattrat": 463,
    "removexattrat": 466,
    "open_tree_attr": 467,
    "file_setattr": 469,
}
_X86_64: Final = {
    # Connections to other machines and to other programs' sockets.
    "socket": 41,
    "connect": 42,
    "bind": 49,
    # Starting other processes, signalling, tracing, reading and writing them, and their priority.
    "fork": 57,
    "vfork": 58,
    "kill": 62,
    "tkill": 200,
    "tgkill": 234,
    "rt_sigqueueinfo": 129,
    "rt_tgsigqueueinfo": 297,
    "ptrace": 101,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "setpriority": 141,
    "sched_setaffinity": 203,
    "sched_setscheduler": 144,
    "ioprio_set": 251,
    # What Landlock does not cover: a file's length, mode, owner, times and attributes.
    "truncate": 76,
    "chmod": 90,
    "fchmod": 91,
    "fchmodat": 268,
    "chown": 92,
    "fchown": 93,
    "lchown": 94,
    "fchownat": 260,
    "utime": 132,
    "utimes": 235,
    "futimesat": 261,
    "utimensat": 280,
    "setxattr": 188,
    "lsetxattr": 189,
    "fsetxattr": 190,
    "removexattr": 197,
    "lremovexattr": 198,
    "fremovexattr": 199,
    # Shared memory, semaphores and message queues, which are found by number, and the keyring.
    "shmget": 29,
    "shmat": 30,
    "semget": 64,
    "msgget": 68,
    "mq_open": 240,
    "add_key": 248,
    "request_key": 249,
    "keyctl": 250,
    # The kernel itself.
    "unshare": 272,
    "setns": 308,
    "mount": 165,
    "pivot_root": 155,
    "chroot": 161,
    "open_by_handle_at": 304,
    "perf_event_open": 298,
    "bpf": 321,
    "userfaultfd": 323,
}
_AARCH64: Final = {
    "socket": 198,
    "connect": 203,
    "bind": 200,
    "kill": 129,
    "tkill": 130,
    "tgkill": 131,
    "rt_sigqueueinfo": 138,
    "rt_tgsigqueueinfo": 240,
    "ptrace": 117,
    "process_vm_readv": 270,
    "process_vm_writev": 271,
    "setpriority": 140,
    "sched_setaffinity": 122,
    "sched_setscheduler": 119,
    "ioprio_set": 30,
    "truncate": 45,
    "fchmod": 52,
    "fchmodat": 53,
    "fchownat": 54,
    "fchown": 55,
    "utimensat": 88,
    "setxattr": 5,
    "lsetxattr": 6,
    "fsetxattr": 7,
    "removexattr": 14,
    "lremovexattr": 15,
    "fremovexattr": 16,
    "shmget": 194,
    "shmat": 196,
    "semget": 190,
    "msgget": 186,
    "mq_open": 180,
    "add_key": 217,
    "request_key": 218,
    "keyctl": 219,
    "unshare": 97,
    "setns": 268,
    "mount": 40,
    "pivot_root": 41,
    "chroot": 51,
    "open_by_handle_at": 265,
    "perf_event_open": 241,
    "bpf": 280,
    "userfaultfd": 282,
}


@dataclass(frozen=True, slots=True)
class ConfinedCalls:
    """The system-call numbers that a confined process's filter decides about.

    The calls in `refused` are always refused. The others are decided by their arguments: `clone`
    may make a thread and no process; `prlimit64` may set the caller's own limits and no other
    process's; `prctl` may do anything but change the signal at the parent's end; `socketpair` may
    make a pair of Unix streams and no other pair.
    """

    refused: frozenset[int]
    clone: int
    prctl: int
    prlimit64: int
    socketpair: int


CONFINED_CALLS: Final = {
    "x86_64": ConfinedCalls(
        frozenset({*_EVERYWHERE.values(), *_X86_64.values()}),
        clone=56,
        prctl=157,
        prlimit64=302,
        socketpair=53,
    ),
    "aarch64": ConfinedCalls(
        frozenset({*_EVERYWHERE.values(), *_AARCH64.values()}),
        clone=220,
        prctl=167,
        prlimit64=261,
        socketpair=199,
    ),
}
