"""Feeds one parser of the fuzzer, turn after turn, and follows what its inputs reach."""

from __future__ import annotations

import gc
import hashlib
import random
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from localai.errors import LocalaiError
from tests.campaigns.broken_bytes import mutated, repeated, words_of
from tests.campaigns.parser import Parser
from tests.campaigns.place import Tally
from tests.campaigns.reached import Reached

LONGEST_S = 10
TURN_S = 2.0
MOST_KEPT_BYTES = 200_000
# Of one input: more than a parser needs for the limits that it has.
MOST_GROWN_BYTES = 700 << 20
# One in so many inputs is followed line by line; one in so many is there three times, each twice as
# long as the one before.
FOLLOWED, GROWN = 4, 100
SQUARE = 9.0
_IN_MEMORY = Path("/dev/shm")


class Hang(BaseException):
    """It took too long."""


class Feeder:
    """Feeds one parser, turn after turn; `spent_s` is how long it did, by `clock`, `found` the
    numbers of the inputs that reached something new."""

    def __init__(
        self,
        parser: Parser,
        chance: random.Random,
        clock: Callable[[], float],
        corpus: Path | None = None,
    ) -> None:
        self.parser = parser
        self.spent_s = 0.0
        self.found: list[int] = []
        self._found_at_s = 0.0
        self._chance = chance
        self._clock = clock
        self._words = words_of(parser.specimens)
        self._seen: set[str] = set()
        self._places: set[tuple[str, int]] = set()
        self._reached = Reached(chance)
        self._corpus = None if corpus is None else corpus / parser.name.replace(" ", "-")
        self._kept: list[bytes] = []
        self._has_begun = False

    @property
    def weight(self) -> float:
        """How much of the time it is to get."""
        is_fruitful = self.found and self.spent_s - self._found_at_s < 5 * TURN_S
        return self.parser.weight * (2 if is_fruitful else 1)

    @property
    def steps(self) -> int:
        """How many steps from a line to the next have been seen."""
        return len(self._reached.steps)

    def feed(self, tally: Tally, seconds: float) -> None:
        """Feed it for so long."""
        began = self._clock()
        # Of the processor's time: one of the parsers uses the other alarm itself.
        signal.signal(signal.SIGPROF, _too_long)
        where = _IN_MEMORY if _IN_MEMORY.is_dir() else None
        folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=where))
        try:
            if not self._has_begun:
                self._begin(tally, folder)
            while (spent := self._clock() - began) < seconds:
                if self._chance.randrange(GROWN) == 0:
                    self._grow(tally, folder)
                else:
                    self._try(tally, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.spent_s += spent

    def _begin(self, tally: Tally, folder: Path) -> None:
        """Follow the specimens and what earlier runs have kept, so that only what none of them
        reaches is new."""
        self._has_begun = True
        kept: list[bytes] = []
        if self._corpus is not None:
            self._corpus.mkdir(parents=True, exist_ok=True)
            kept = [each.read_bytes() for each in sorted(self._corpus.iterdir())]
        for content in (*self.parser.specimens, *kept):
            self._read(tally, content, folder, followed=True)
        self._kept, self.found = kept, []

    def _try(self, tally: Tally, folder: Path) -> None:
        content = mutated(self._chance, self._specimen(), self._words)
        before = _peak_bytes()
        self._read(tally, content, folder, followed=self._chance.randrange(FOLLOWED) == 0)
        grown = _peak_bytes() - before
        if grown > MOST_GROWN_BYTES:
            gc.collect()
            self._keep(tally, "memory", f"{grown >> 20} MiB", content)

    def _read(self, tally: Tally, content: bytes, folder: Path, *, followed: bool = False) -> None:
        tally.tried[self.parser.name] += 1
        before = self.steps
        read = partial(self.parser.read, content, folder)
        # What is followed takes several times as long.
        signal.setitimer(signal.ITIMER_PROF, LONGEST_S * (6 if followed else 1))
        try:
            self._reached.during(read) if followed else read()
        except KeyboardInterrupt:
            raise
        except self.parser.refuses as error:
            if type(error) is LocalaiError:
                tally.fault(f"{self.parser.name}: a bug: {error}")
            if (place := _place_of(error)) not in self._places:
                self._places.add(place)
                before = -1
        except BaseException as error:  # noqa: BLE001 - any other is what is looked for
            name, number = _place_of(error)
            self._keep(tally, f"{type(error).__name__} in {name}:{number}", str(error), content)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if self.steps > before:
            self._remember(content, tally.tried[self.parser.name])

    def _grow(self, tally: Tally, folder: Path) -> None:
        """The same piece, more and more often: its time must not grow with the square."""
        took: list[float] = []
        contents = repeated(self._chance, self._specimen(), self._words)
        for content in contents:
            began = time.process_time()
            self._read(tally, content, folder)
            took.append(time.process_time() - began)
        if took[2] > 1 and took[2] > SQUARE * took[0] and took[1] > 2 * took[0]:
            times = ", ".join(f"{each:.2f} s" for each in took)
            self._keep(tally, "the square of its length", times, contents[2])

    def _remember(self, content: bytes, number: int) -> None:
        self.found.append(number)
        self._found_at_s = self.spent_s
        content = content[:MOST_KEPT_BYTES]
        self._kept.append(content)
        if self._corpus is not None:
            (self._corpus / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)

    def _specimen(self) -> bytes:
        """One that it was given, or one of those that got somewhere, mostly of the newest; or the
        beginning of one and the end of another."""
        given = self.parser.specimens
        if self._kept and self._chance.random() < 0.7:
            given = tuple(self._kept[-20:] if self._chance.random() < 0.3 else self._kept)
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
        digest = hashlib.sha256(content).hexdigest()[:8]
        kept = Path(tempfile.gettempdir()) / f"fuzz-{name}-{digest}.bin"
        kept.write_bytes(content)
        tally.fault(f"{kind}: {said[:80]}, kept in {kept}")


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
