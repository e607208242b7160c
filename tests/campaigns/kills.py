"""Every command that writes is killed at a random moment, again and again. Not part of the suite.

    python -m tests.campaigns.kills [--kills 500] [--minutes M] [--seed N] [--only TEXT]

After each kill the database is whole, no process is left, the command itself succeeds when it is
run again, and each fifth time the settings are read by another. A batch and a suite are run to
their end after each kill: every line and every case is answered once. What is killed is in
`victims.py`.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.campaigns.place import (
    Place,
    Tally,
    check_database,
    check_ended,
    check_said,
    place,
)
from tests.campaigns.victims import VICTIMS, Victim


def main() -> int:
    """Kill and check; 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", default="", help="those whose name has this in it")
    parser.add_argument("--minutes", type=float, default=600, help="stop after so many")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else int(time.time())
    print(f"seed {seed}")
    chance = random.Random(seed)
    victims = [victim for victim in VICTIMS if asked.only in victim.name]
    tally = Tally()
    ends = time.monotonic() + 60 * asked.minutes
    with place() as at:
        took = {victim.name: _measure(tally, at, victim) for victim in victims}
        # The quick ones more often than the slow: each gets the same time.
        spent = dict.fromkeys(took, 0.0)
        while tally.tried.total() < asked.kills and time.monotonic() < ends:
            victim = min(victims, key=lambda each: spent[each.name])
            began = time.monotonic()
            _kill(tally, at, victim, chance.uniform(0.02, took[victim.name] * 1.1))
            spent[victim.name] += time.monotonic() - began
        at.run("stop", "--all")
        check_ended(tally, at, "the end", 30)
    return tally.end()


def _measure(tally: Tally, at: Place, victim: Victim) -> float:
    victim.prepare(at)
    began = time.monotonic()
    done = at.run(*victim.words, keys=victim.keys)
    check_said(tally, done, f"{victim.name}, undisturbed", *victim.again)
    return time.monotonic() - began


def _kill(tally: Tally, at: Place, victim: Victim, after_s: float) -> None:
    what = f"{victim.name} killed after {after_s:.2f} s"
    tally.tried[victim.name] += 1
    victim.prepare(at)
    process = at.start(*victim.words, keys=victim.keys)
    time.sleep(after_s)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
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
    victim.check(tally, at)
    _check_leftovers(tally, at, what)


def _check_leftovers(tally: Tally, at: Place, what: str) -> None:
    old = time.time() - 120
    for file in Path(at.home).rglob(".*.tmp"):
        if file.stat().st_mtime < old:
            tally.fault(f"after {what}: {file} is left")


if __name__ == "__main__":
    sys.exit(main())
