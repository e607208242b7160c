"""A person's blind votes: kept, and counted by pair.

`votes.jsonl` beside the database has a line for each vote; only its owner can read it. A line has
the models' names, the better one, and a fingerprint of the prompt. It has no prompt and no answer.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from localai.dataclass import dataclass
from localai.paths import private_dir

if TYPE_CHECKING:
    from localai.paths import Paths

SCHEMA = "localai.vote/1"


@dataclass(frozen=True, slots=True)
class Vote:
    """The better one of two `models`; None if they were alike."""

    at: float
    models: tuple[str, ...]
    winner: str | None
    prompt: str


@dataclass(frozen=True, slots=True)
class Tally:
    """The number of times that each of two models was better, and the number of ties."""

    a: str
    b: str
    for_a: int
    for_b: int
    ties: int

    @property
    def p_value(self) -> float:
        """The p-value of McNemar's exact test that both models are equally good. Ties do not
        count."""
        from localai.statistics import mcnemar

        return mcnemar(self.for_a, self.for_b)


def keep(paths: Paths, models: Sequence[str], winner: str | None, prompt: str) -> None:
    """Keep a vote. Raises OSError if it cannot be written."""
    fingerprint = hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest()[:16]
    document = {
        "schema": SCHEMA,
        "at": time.time(),
        "models": list(models),
        "winner": winner,
        "prompt": fingerprint,
    }
    line = json.dumps(document).encode() + b"\n"
    file = private_dir(paths.data_dir) / "votes.jsonl"
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def kept(paths: Paths) -> Iterator[Vote]:
    """The votes so far. Lines that are no votes are skipped."""
    try:
        lines = (paths.data_dir / "votes.jsonl").read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            raw = json.loads(line)
            if raw["schema"] == SCHEMA:
                yield Vote(raw["at"], tuple(raw["models"]), raw["winner"], raw["prompt"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue


def tallies(votes: Iterator[Vote], models: Sequence[str]) -> list[Tally]:
    """The votes on each pair of `models`. Pairs without a vote are left out."""
    found = list(votes)
    counted = []
    for a, b in combinations(models, 2):
        both = [vote for vote in found if a in vote.models and b in vote.models]
        for_a = sum(vote.winner == a for vote in both)
        for_b = sum(vote.winner == b for vote in both)
        if both:
            counted.append(Tally(a, b, for_a, for_b, len(both) - for_a - for_b))
    return counted
