"""From how many simultaneous users on more of them hardly get more together. Pure.

The measure is the elasticity of the total rate X in the number of users N, d ln X / d ln N: twice
as many users get 2^elasticity times as much. With users who ask again at once, an answer takes
N/X (Little's law), so that the largest ratio of rate to waiting, X²/N, lies where it is 1/2: twice
as many get 41% more (Kleinrock, "Power and deterministic rules of thumb for probabilistic problems
in computer communications", 1979). The peak of Gunther's universal scalability law lies where it is
0. Whoever buys a machine for a batch or a few colleagues goes on between the two: here until twice
as many get less than 10% more, an elasticity of 0.14.

Kneedle (Satopää and others, 2011) is not used: it scales the curve to the range that was measured,
so each that bends has a knee, one that still rises by 40% too, and elsewhere with each range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from localai.bench.cell import Cell
from localai.bench.figures import together
from localai.bench.verdict import verdict
from localai.dataclass import dataclass

_LEAST_GAIN: Final = 1.1


@dataclass(frozen=True, slots=True)
class Knee:
    """Where the total rate levels off. `at` is the row with the fewest users of whom twice as many
    get less than a tenth more together, however many more were measured; None if it still grows.
    `of` is the best row with more users than `at`, or the last one, and `change` by how much its
    total differs from that of `at`, or of the row before the last: 0.25 is a quarter more."""

    at: Cell | None
    of: Cell
    change: float


def knee(cells: Sequence[Cell]) -> Knee | None:
    """The knee of rows that differ only in the number of users.

    None for fewer than two of them, and where one is not quiet: a total that moves by itself says
    nothing of the users.
    """
    rows = sorted(cells, key=lambda cell: cell.test.concurrency)
    totals = [(row, total.value) for row in rows if (total := together(row)) is not None]
    if len(totals) < 2 or any(verdict(row) != "quiet" for row in rows):
        return None
    for number, (row, rate) in enumerate(totals[:-1]):
        larger = totals[number + 1 :]
        if all(each_rate < _worthwhile(row, rate, each) for each, each_rate in larger):
            best, most = max(larger, key=lambda each: each[1])
            return Knee(row, best, most / rate - 1)
    (_, before), (last, rate) = totals[-2:]
    return Knee(None, last, rate / before - 1)


def _worthwhile(row: Cell, rate: float, larger: Cell) -> float:
    """What the users of `larger` must get together to be worth it beside `rate` for `row`."""
    doublings = math.log2(larger.test.concurrency / row.test.concurrency)
    return float(rate * _LEAST_GAIN**doublings)
