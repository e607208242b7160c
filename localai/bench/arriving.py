"""A row whose requests arrive at a rate: each of them is a sample, kept as it ends."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from localai.bench import noise
from localai.bench.cell import Cell
from localai.bench.loads import open_loop
from localai.bench.plan import Limits
from localai.bench.recording import Recorded
from localai.bench.row import Row, with_memory

# A percentile needs a hundred, and patience has an end.
_LEAST_ARRIVALS: Final = 12
_MOST_ARRIVALS: Final = 300


def wanted_arrivals(row: Row, limits: Limits) -> int:
    """How many requests the row's rate makes in the time that there is."""
    rate = row.cell.test.rate or 0.0
    return int(min(_MOST_ARRIVALS, max(_LEAST_ARRIVALS, rate * limits.budget_s)))


def arrivals(
    row: Row, wanted: int, source: random.Random, change: Callable[[Cell], None]
) -> Iterator[int]:
    """Let requests arrive until the row has `wanted` samples; yields how many there are, at first
    those that it had, and tells `change` each state. The noise of a sample is that since the first
    request; at the end every sample has the noise of the whole time."""
    rate, provider = row.cell.test.rate, row.subject.selected.provider
    assert rate is not None
    before, first = row.cell.samples, noise.read(row.pid)
    count = wanted - len(before)
    done: queue.SimpleQueue[Recorded] = queue.SimpleQueue()
    load = threading.Thread(
        target=open_loop,
        args=(provider, row.prompts.next),
        kwargs={"rate": rate, "count": count, "source": source, "on_answer": done.put},
        daemon=True,
    )
    load.start()
    # On a machine that cannot keep up, the first answer may take minutes.
    yield len(before)
    for number in range(len(before), wanted):
        while done.empty() and load.is_alive():
            time.sleep(0.01)
        found = noise.between(first, noise.read(row.pid))
        sample = replace(done.get().sample, round=number, noise=found)
        change(replace(row.cell, samples=(*row.cell.samples, sample)))
        yield number + 1
    found = noise.between(first, noise.read(row.pid))
    samples = tuple(replace(each, noise=found) for each in row.cell.samples[len(before) :])
    change(replace(with_memory(row.cell, row.pid), samples=(*before, *samples)))
