"""Every command that writes is killed at a random moment, again and again. Not part of the suite.

    python -m tests.campaigns.kills [--kills 500] [--minutes M] [--seed N] [--only TEXT]

After each kill the database is whole, no process is left, the settings are read, and the command
itself succeeds when it is run again. A batch is run to its end after each kill: every line is
answered once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.campaigns.place import (
    Place,
    Tally,
    check_database,
    check_ended,
    check_said,
    place,
)

LINES = 6


@dataclass(frozen=True)
class Victim:
    """A command that writes: its words, how to make it ready, and what must hold once it was run to
    its end after a kill. `again` are the exit codes that it may then have."""

    name: str
    words: tuple[str, ...]
    prepare: Callable[[Place], None] = lambda at: None
    check: Callable[[Tally, Place], None] = lambda tally, at: None
    again: tuple[int, ...] = (0,)


def _batch_input(at: Place) -> None:
    lines = [
        json.dumps({"prompt": f"Say {n}.", "options": {"max_tokens": 3}}) for n in range(LINES)
    ]
    (at.work / "in.jsonl").write_text("\n".join(lines) + "\n")
    (at.work / "out.jsonl").unlink(missing_ok=True)


def _batch_whole(tally: Tally, at: Place) -> None:
    records = [json.loads(line) for line in (at.work / "out.jsonl").read_text().splitlines()]
    numbers = sorted(record["line"] for record in records)
    tally.check(numbers == list(range(1, LINES + 1)), f"batch: lines {numbers}")


def _a_model(at: Place) -> None:
    file = at.work / "mine.gguf"
    if not file.exists():
        starter = next((at.home / "data" / "models").glob("SmolLM2*")).resolve()
        file.write_bytes(starter.read_bytes())
    for name in ("mine", "twin"):
        at.run("rm", "--yes", name)


def _with_a_model(at: Place) -> None:
    _a_model(at)
    at.run("pull", "./mine.gguf")


def _conversations(at: Place) -> None:
    script = (
        "import sys\nfrom localai.database import Database\nfrom localai.paths import locate\n"
        "from localai.types import Message\n"
        "d = Database(locate().database)\n"
        "for n in range(40):\n"
        "  c = d.create_conversation()\n"
        "  d.add_message(c, None, Message('user', 'word ' * 300), finish_reason='stop')\n"
    )
    command = [sys.executable, "-c", script]
    subprocess.run(command, env=at.environment, check=True, timeout=120)


CHAT = ("chat", "-m", "starter", "--max-tokens", "12")
VICTIMS = (
    Victim("chat", (*CHAT, "Name three rivers.")),
    Victim("chat -c", (*CHAT, "-c", "And a town?")),
    Victim("chat after stop", (*CHAT, "Hello."), lambda at: (at.run("stop", "--all"), None)[1]),
    Victim(
        "batch",
        ("batch", "in.jsonl", "-O", "out.jsonl", "-m", "starter"),
        _batch_input,
        _batch_whole,
    ),
    Victim("config set", ("config", "set", "chat.max_tokens", "99")),
    Victim("template new", ("template", "new", "mine"), again=(0, 2)),
    Victim("pull", ("pull", "./mine.gguf"), _a_model),
    Victim("cp", ("cp", "mine", "twin"), _with_a_model, again=(0, 2)),
    Victim("rm", ("rm", "--yes", "mine"), _with_a_model, again=(0, 3)),
    Victim("history prune", ("history", "prune", "--keep", "5", "--yes"), _conversations),
    Victim("list", ("list",)),
    Victim("show", ("show", "starter")),
    Victim("stop", ("stop", "--all")),
)


def main() -> int:
    """Kill and check; 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", default="")
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
        for number in range(asked.kills):
            if time.monotonic() > ends:
                break
            victim = victims[number % len(victims)]
            _kill(tally, at, victim, chance.uniform(0.02, took[victim.name] * 1.1))
        at.run("stop", "--all")
        check_ended(tally, at, "the end", 30)
    return tally.end()


def _measure(tally: Tally, at: Place, victim: Victim) -> float:
    victim.prepare(at)
    began = time.monotonic()
    check_said(tally, at.run(*victim.words), f"{victim.name}, undisturbed", *victim.again)
    return time.monotonic() - began


def _kill(tally: Tally, at: Place, victim: Victim, after_s: float) -> None:
    what = f"{victim.name} killed after {after_s:.2f} s"
    tally.tried[victim.name] += 1
    victim.prepare(at)
    process = at.start(*victim.words)
    time.sleep(after_s)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    check_ended(tally, at, what)
    check_database(tally, at, what)
    try:
        check_said(tally, at.run(*victim.words), f"again after {what}", *victim.again)
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
