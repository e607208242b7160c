"""Every parser that reads what strangers send, fed with broken things. Not part of the suite.

    python -m tests.campaigns.fuzz [--minutes 60] [--only TEXT] [--seed N] [--processor]
                                   [--corpus FOLDER]

The parsers take turns of some seconds: those that read what strangers send get three times the time
of the others, and one that has just shown something new gets double. With `--processor` the minutes
are those of the processor, whatever else the machine does. Each begins with whole specimens and
changes bytes, words, lines, lengths and values. A sample of the inputs is run line by line: what
reaches a line that none has reached, or was refused at a place where nothing was before, is a
specimen from then on, and is kept in `--corpus` for the next run. A parser gives a value or raises
an error that says what is wrong with the file; whatever else it does is a fault: hanging, eating
memory, a time that grows with the square of the length.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import logging
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from localai.errors import LocalaiError
from tests.campaigns import (
    parsers_of_answers,
    parsers_of_models,
    parsers_of_settings,
    parsers_of_texts,
)
from tests.campaigns.broken_bytes import mutated, repeated, words_of
from tests.campaigns.parser import Parser
from tests.campaigns.place import REPOSITORY, Tally

LONGEST_S = 10
TURN_S = 2.0
MOST_BYTES = 6 << 30
MOST_KEPT_BYTES = 200_000
# Of one input: more than a parser needs for the limits that it has.
MOST_GROWN_BYTES = 700 << 20
# One in so many inputs is run line by line, which takes some ten times as long; one in so many is
# there three times, each twice as long as the one before.
TRACED, GROWN = 20, 400
SQUARE = 9.0
PARSERS = (
    *parsers_of_models.PARSERS,
    *parsers_of_settings.PARSERS,
    *parsers_of_texts.PARSERS,
    *parsers_of_answers.PARSERS,
)


class Hang(BaseException):
    """It took too long."""


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
    print(f"seed {seed}")
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
    for feeder in feeders:
        name, minutes = feeder.parser.name, feeder.spent_s / 60
        print(f"{minutes:7.1f} min {tally.tried[name]:9} {feeder.found:6} {name}")
    return tally.end()


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


class Feeder:
    """Feeds one parser, turn after turn; `spent_s` is how long it did, by `clock`, `found` how many
    inputs reached something new."""

    def __init__(
        self,
        parser: Parser,
        chance: random.Random,
        clock: Callable[[], float],
        corpus: Path | None = None,
    ) -> None:
        self.parser = parser
        self.spent_s = 0.0
        self.found = 0
        self._found_at_s = 0.0
        self._chance = chance
        self._clock = clock
        self._words = words_of(parser.specimens)
        self._seen: set[str] = set()
        self._places: set[tuple[str, int]] = set()
        self._lines: set[tuple[str, int]] = set()
        self._corpus = None if corpus is None else corpus / parser.name.replace(" ", "-")
        self._reached: list[bytes] = []
        if self._corpus is not None:
            self._corpus.mkdir(parents=True, exist_ok=True)
            self._reached = [each.read_bytes() for each in sorted(self._corpus.iterdir())]

    @property
    def weight(self) -> float:
        """How much of the time it is to get."""
        is_fruitful = self.found and self.spent_s - self._found_at_s < 5 * TURN_S
        return self.parser.weight * (2 if is_fruitful else 1)

    def feed(self, tally: Tally, seconds: float) -> None:
        """Feed it for so long."""
        began = self._clock()
        # Of the processor's time: one of the parsers uses the other alarm itself.
        signal.signal(signal.SIGPROF, _too_long)
        folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        try:
            for specimen in self.parser.specimens:
                with suppress(Exception):
                    self._traced(specimen, folder)
            while (spent := self._clock() - began) < seconds:
                if self._chance.randrange(GROWN) == 0:
                    self._grow(tally, folder)
                else:
                    self._try(tally, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.spent_s += spent

    def _try(self, tally: Tally, folder: Path) -> None:
        content = mutated(self._chance, self._specimen(), self._words)
        before = _peak_bytes()
        self._read(tally, content, folder, traced=self._chance.randrange(TRACED) == 0)
        grown = _peak_bytes() - before
        if grown > MOST_GROWN_BYTES:
            gc.collect()
            self._keep(tally, "memory", f"{grown >> 20} MiB", content)

    def _read(self, tally: Tally, content: bytes, folder: Path, *, traced: bool = False) -> None:
        tally.tried[self.parser.name] += 1
        signal.setitimer(signal.ITIMER_PROF, LONGEST_S)
        try:
            if not traced:
                self.parser.read(content, folder)
            elif self._traced(content, folder):
                self._remember(content)
        except KeyboardInterrupt:
            raise
        except self.parser.refuses as error:
            if type(error) is LocalaiError:
                tally.fault(f"{self.parser.name}: a bug: {error}")
            if (place := _place_of(error)) not in self._places:
                self._places.add(place)
                self._remember(content)
        except BaseException as error:  # noqa: BLE001 - any other is what is looked for
            name, number = _place_of(error)
            self._keep(tally, f"{type(error).__name__} in {name}:{number}", str(error), content)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _traced(self, content: bytes, folder: Path) -> bool:
        """Read it line by line; whether it reached a line of localai's that none has before."""
        before = len(self._lines)
        reached = self._lines

        def line(frame: FrameType, event: str, _: Any) -> Any:
            if event == "line":
                reached.add((frame.f_code.co_filename, frame.f_lineno))
            return line

        def call(frame: FrameType, event: str, _: Any) -> Any:
            return line if _OURS in frame.f_code.co_filename else None

        sys.settrace(call)
        try:
            self.parser.read(content, folder)
        finally:
            sys.settrace(None)
        return len(self._lines) > before

    def _grow(self, tally: Tally, folder: Path) -> None:
        """The same piece, more and more often: its time must not grow with the square."""
        took: list[float] = []
        contents = repeated(self._chance, self._specimen())
        for content in contents:
            began = time.process_time()
            self._read(tally, content, folder)
            took.append(time.process_time() - began)
        if took[2] > 1 and took[2] > SQUARE * took[0] and took[1] > 2 * took[0]:
            times = ", ".join(f"{each:.2f} s" for each in took)
            self._keep(tally, "the square of its length", times, contents[2])

    def _remember(self, content: bytes) -> None:
        self.found += 1
        self._found_at_s = self.spent_s
        content = content[:MOST_KEPT_BYTES]
        self._reached.append(content)
        if self._corpus is not None:
            (self._corpus / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)

    def _specimen(self) -> bytes:
        """One that it was given, or one of those that got somewhere; or the beginning of one and
        the end of another."""
        given = self.parser.specimens
        if self._reached and self._chance.random() < 0.6:
            given = tuple(self._reached)
        chosen = self._chance.choice(given)
        if self._chance.random() < 0.1:
            other = self._chance.choice(self.parser.specimens)
            cut = self._chance.random()
            return chosen[: int(cut * len(chosen))] + other[int(cut * len(other)) :]
        return chosen

    def _keep(self, tally: Tally, what: str, said: str, content: bytes) -> None:
        kind = f"{self.parser.name}: {what}"
        if kind in self._seen:
            return
        self._seen.add(kind)
        name = self.parser.name.replace(" ", "-")
        kept = Path(tempfile.gettempdir()) / f"fuzz-{name}-{len(self._seen)}.bin"
        kept.write_bytes(content)
        tally.fault(f"{kind}: {said[:80]}, kept in {kept}")


_OURS = str(REPOSITORY / "localai")


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _place_of(error: BaseException) -> tuple[str, int]:
    """The function and the line that raised it."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    return ("", 0) if where is None else (where.tb_frame.f_code.co_name, where.tb_lineno)


def _too_long(*_: object) -> None:
    raise Hang


if __name__ == "__main__":
    sys.exit(main())
