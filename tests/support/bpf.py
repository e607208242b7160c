"""What the kernel would answer: the instructions of BPF that the filters of system calls use."""

from __future__ import annotations

import struct


def run_filter(program: bytes, data: bytes) -> int:
    """What `program` returns for a call's `data` (struct seccomp_data). Raises KeyError for an
    instruction that no filter of ours uses."""
    instructions = list(struct.iter_unpack("=HBBI", program))
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, operand = instructions[at]
        at += 1
        if code == 0x06:
            return int(operand)
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, operand)
        elif code == 0x54:
            accumulator &= operand
        else:
            holds = {
                0x15: accumulator == operand,
                0x35: accumulator >= operand,
                0x45: bool(accumulator & operand),
            }[code]
            at += if_true if holds else if_false
