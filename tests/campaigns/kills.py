"""Every command that writes is killed at a random moment, again and again. Not part of the suite.

    python -m tests.campaigns.kills [--kills 500] [--minutes M] [--seed N] [--only TEXT]
                                    [--part 1/2]

Half are killed (SIGKILL), half are asked to end: by SIGTERM, by SIGHUP, or by Ctrl-C, and have to.
After each kill the database is whole, no process is left, the command itself succeeds when it is
run again, and each fifth time the settings are read by another. A batch and a suite are run to
their end after each kill: every line and every case is answered once. What is killed is in
`victims.py`; `--part` takes every second of them, so that two can share the work.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from localai.errors import LocalaiError
from tests.campaigns.place import (
    BUG,
    Place,
    Tally,
    check_database,
    check_ended,
    check_said,
    place,
)
from tests.campaigns.victims import VICTIMS, Victim

SIGNALS = (*[signal.SIGKILL] * 3, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
ENDS_WITHIN_S = 20.0


def main() -> int:
    """Kill and check; 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", default="", help="those whose name has this in it")
    parser.add_argument("--minutes", type=float, default=600, help="stop after so many")
    parser.add_argument("--part", default="1/1", help="2/3: the second third of them")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else int(time.time())
    print(f"seed {seed}")
    chance = random.Random(seed)
    part, parts = map(int, asked.part.split("/"))
    victims = [each for each in VICTIMS[part - 1 :: parts] if asked.only in each.name]
    tally = Tally()
    ends = time.monotonic() + 60 * asked.minutes
    with place() as at:
        took = {victim.name: _measure(tally, at, victim) for victim in victims}
        # The quick ones more often than the slow: each gets the same time.
        spent = dict.fromkeys(took, 0.0)
        while tally.tried.total() < asked.kills and time.monotonic() < ends:
            victim = min(victims, key=lambda each: spent[each.name])
            began = time.monotonic()
            after_s = chance.uniform(0.02, took[victim.name] * 1.1)
            _kill(tally, at, victim, after_s, chance.choice(SIGNALS))
            spent[victim.name] += time.monotonic() - began
        at.run("stop", "--all")
        check_ended(tally, at, "the end", 30)
    return tally.end()


def _measure(tally: Tally, at: Place, victim: Victim) -> float:
    victim.prepare(at)
    began = time.monotonic()
    done = at.run(*victim.words, keys=victim.keys)
    check_said(tally, done, f"{victim.name}, undisturbed", *victim.again)
    took = time.monotonic() - began
    _check(tally, at, victim, "undisturbed")
    return took


def _kill(tally: Tally, at: Place, victim: Victim, after_s: float, number: signal.Signals) -> None:
    what = f"{victim.name}, {number.name} after {after_s:.2f} s"
    tally.tried[victim.name] += 1
    victim.prepare(at)
    process = at.start(*victim.words, keys=victim.keys)
    time.sleep(after_s)
    _end(tally, process, number, what)
    said = at.said[-400:]
    tally.check(BUG not in said and b"Traceback" not in said, f"{what}: {said.decode()}")
    check_ended(tally, at, what)
    check_database(tally, at, what)
    try:
        done = at.run(*victim.words, keys=victim.keys)
        check_said(tally, done, f"again after {what}", *victim.again)
        if tally.tried.total() % 5 == 0:
            check_said(tally, at.run("config", "list", timeout_s=60), f"settings after {what}", 0)
    except subprocess.TimeoutExpired as error:
        tally.fault(f"after {what}: {error.cmd} hangs")
        return
    _check(tally, at, victim, what)
    _check_leftovers(tally, at, what)


def _end(tally: Tally, process: subprocess.Popen[bytes], number: signal.Signals, what: str) -> None:
    with suppress(ProcessLookupError):
        # A terminal sends these to all that have it.
        of_group = number in (signal.SIGINT, signal.SIGHUP)
        (os.killpg if of_group else os.kill)(process.pid, number)
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        tally.fault(f"{what}: it does not end")
        process.kill()
        process.wait()


def _check(tally: Tally, at: Place, victim: Victim, what: str) -> None:
    try:
        victim.check(tally, at)
    except (OSError, ValueError, KeyError, LocalaiError) as error:
        tally.fault(f"{victim.name}, {what}: {type(error).__name__}: {error}")


def _check_leftovers(tally: Tally, at: Place, what: str) -> None:
    old = time.time() - 120
    for file in Path(at.home).rglob(".*.tmp"):
        if file.stat().st_mtime < old:
            tally.fault(f"after {what}: {file} is left")


if __name__ == "__main__":
    sys.exit(main())
