"""A row of a benchmark while it is measured: its model, its prompts, and one repetition of it."""

from __future__ import annotations

import time
from dataclasses import replace

from localai.bench import noise
from localai.bench.cell import Cell
from localai.bench.loads import REQUESTS_EACH, closed_loop
from localai.bench.plan import Limits
from localai.bench.processes import card_memory_bytes, memory_bytes, peak_memory_bytes
from localai.bench.prompts import Prompts
from localai.bench.recording import Sample, record
from localai.bench.subject import Subject
from localai.dataclass import dataclass
from localai.hardware.energy import NO_METER, EnergyMeter, energy_between


def with_memory(cell: Cell, pid: int | None) -> Cell:
    """`cell` with the memory of the process `pid` that computes, as far as it is known."""
    if pid is None:
        return cell
    card = max(cell.card_memory_bytes or 0, card_memory_bytes(pid) or 0) or None
    here = (memory_bytes if card else peak_memory_bytes)(pid)
    before = 0 if card and not cell.card_memory_bytes else cell.memory_bytes or 0
    return replace(cell, memory_bytes=max(before, here or 0) or None, card_memory_bytes=card)


@dataclass(slots=True)
class Row:
    """A row while it is measured. `meter` tells of the machine's energy, `pid` is the process that
    computes, `took_s` how long the last repetition took; None as long as that is not known."""

    subject: Subject
    prompts: Prompts
    cell: Cell
    limits: Limits
    meter: EnergyMeter = NO_METER
    pid: int | None = None
    took_s: float | None = None

    def repeat(self, number: int) -> Sample:
        """Ask once, or each user once; with what else the machine did meanwhile."""
        provider = self.subject.selected.provider
        begin = time.monotonic()
        if (prefix := self.prompts.prefix()) is not None:
            record(provider, prefix, number)
        users = self.cell.test.concurrency
        wanted = [self.prompts.next() for _ in range(users * (REQUESTS_EACH if users > 1 else 1))]
        energy, before = self.meter.read(), noise.read(self.pid)
        if users > 1:
            recorded = closed_loop(provider, wanted, users, number)
        else:
            recorded = record(provider, wanted[0], number)
        after, taken = noise.read(self.pid), energy_between(energy, self.meter.read())
        if recorded.process is not None and not self.subject.leaves_machine:
            self.pid = recorded.process.pid
        self.took_s = time.monotonic() - begin
        sample = recorded.sample
        if self.cell.test.depth_tokens and sample.cached_tokens is None:
            # What was computed of it is not known.
            sample = replace(sample, prefill_tokens=None)
        if self.subject.leaves_machine:
            return sample
        if taken is not None:
            answers = sample.requests - sample.failed_requests
            sample = replace(
                sample,
                energy_j=taken.joules,
                energy_s=taken.seconds,
                energy_tokens=None
                if sample.output_tokens is None
                else sample.output_tokens * answers,
            )
        return replace(sample, noise=noise.between(before, after))
