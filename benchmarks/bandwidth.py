"""Memory bandwidth as localai measures it, beside a STREAM compiled on the spot.

    python -m benchmarks.bandwidth [--rounds 9]

The two take turns. Needs gcc. A busy machine takes bandwidth from either: read the ratios.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from benchmarks.measuring import machine, needing
from tests.hardware.stream import compile_stream, measure_round, ratios


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds_wanted = parser.parse_args().rounds
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        stream = compile_stream(Path(name))
        rounds = [measure_round(stream) for _ in range(rounds_wanted)]
    read, copy = ratios(rounds)
    print(f"\n{'GB/s':<8}{'localai':>10}{'STREAM':>10}{'ratio':>8}")
    for title, ours, theirs, ratio in (
        ("read", [each.read for each in rounds], [each.stream_read for each in rounds], read),
        ("copy", [each.copy for each in rounds], [each.stream_copy for each in rounds], copy),
    ):
        medians = statistics.median(ours) / 1e9, statistics.median(theirs) / 1e9
        print(f"{title:<8}{medians[0]:>10.1f}{medians[1]:>10.1f}{ratio:>8.2f}")


if __name__ == "__main__":
    with needing("gcc"):
        main()
