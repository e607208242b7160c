"""Every parser that reads what strangers send, fed with broken things. Not part of the suite.

    python -m tests.campaigns.fuzz [--minutes 60] [--only TEXT] [--seed N] [--processor]
                                   [--corpus FOLDER]

The parsers take turns of some seconds: those that read what strangers send get three times the time
of the others, binary data six times, and one that has just shown something new gets double. With
`--processor` the minutes are those of the processor, whatever else the machine does. Each begins
with whole specimens and changes bytes, words, lines, lengths and values. One in four inputs is
followed line by line: what takes a step from a line to the next that none has taken, or was refused
at a place where nothing was before, is a specimen from then on, and is kept in `--corpus` for the
next run. A parser gives a value or raises an error that says what is wrong with the file; whatever
else it does is a fault: hanging, eating memory, a time that grows with the square of the length.

At the end, by parser: minutes, inputs, steps seen, inputs that showed something new, and how many
of these were in the second half of the inputs.
"""

from __future__ import annotations

import argparse
import logging
import random
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.campaigns import (
    parsers_of_answers,
    parsers_of_machines,
    parsers_of_models,
    parsers_of_settings,
    parsers_of_templates,
    parsers_of_texts,
)
from tests.campaigns.feeder import TURN_S, Feeder
from tests.campaigns.place import Tally

MOST_BYTES = 6 << 30
PARSERS = (
    *parsers_of_models.PARSERS,
    *parsers_of_settings.PARSERS,
    *parsers_of_templates.PARSERS,
    *parsers_of_texts.PARSERS,
    *parsers_of_answers.PARSERS,
    *parsers_of_machines.PARSERS,
)


def main() -> int:
    """Feed all parsers; 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--processor", action="store_true", help="count its time, not the clock's")
    parser.add_argument("--corpus", type=Path, default=None, help="where what is new is kept")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else int(time.time())
    print(f"seed {seed}", flush=True)
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
    clock = time.process_time if asked.processor else time.monotonic
    feeders = [
        Feeder(each, random.Random(f"{seed} {each.name}"), clock, asked.corpus)
        for each in PARSERS
        if asked.only in each.name
    ]
    tally = Tally()
    ends = clock() + asked.minutes * 60
    signal.signal(signal.SIGTERM, _stop)
    with suppress(KeyboardInterrupt):
        while clock() < ends:
            least = min(feeders, key=lambda each: each.spent_s / each.weight)
            least.feed(tally, min(TURN_S, max(0.5, (ends - clock()) / len(feeders))))
    print("minutes    inputs   steps   new  late")
    for feeder in feeders:
        _report(feeder, tally.tried[feeder.parser.name])
    return tally.end()


def _report(feeder: Feeder, inputs: int) -> None:
    late = sum(number > inputs / 2 for number in feeder.found)
    print(
        f"{feeder.spent_s / 60:7.1f} {inputs:9} {feeder.steps:7} {len(feeder.found):5} {late:5}"
        f"  {feeder.parser.name}"
    )


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
