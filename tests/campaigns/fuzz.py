"""Every parser that reads what strangers send, fed with broken things. Not part of the suite.

    python -m tests.campaigns.fuzz [--minutes 60] [--only TEXT] [--seed N] [--processor]

The parsers take turns of some seconds, so that whenever it ends each has had the same time; with
`--processor` the minutes are those of the processor, whatever else the machine does. Each begins
with whole specimens and changes bytes, lengths and structure; what was refused at a place where
nothing was before is a specimen from then on. A parser gives a value or raises an
error that says what is wrong with the file; whatever else it does, hanging and eating memory
included, is a fault.
"""

from __future__ import annotations

import argparse
import json
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
from typing import Any

from localai.errors import LocalaiError
from tests.campaigns import parsers_of_answers, parsers_of_models, parsers_of_texts
from tests.campaigns.hostile import VALUES
from tests.campaigns.parser import Parser
from tests.campaigns.place import Tally

LONGEST_S = 10
TURN_S = 2.0
MOST_BYTES = 6 << 30
MOST_KEPT_BYTES = 200_000
PARSERS = (*parsers_of_models.PARSERS, *parsers_of_texts.PARSERS, *parsers_of_answers.PARSERS)


class Hang(BaseException):
    """It took too long."""


_TOKENS = (
    b"\0",
    b"\xff\xff\xff\xff",
    b"\xff" * 8,
    b"\x7f",
    b"[" * 5000,
    b'{"a":' * 3000,
    b"1e999",
    b"NaN",
    b"-1",
    b"9" * 5000,
    b'"\\ud800"',
    b"null",
    b"\x1b]0;x\x07",
    b"\xe2\x80\xae",
    b"`" * 200,
    b"|" * 300,
    b"*_" * 200,
    b"$x",
    b"../../../etc/passwd",
    b"\r\n",
)


def mutated(chance: random.Random, specimen: bytes) -> bytes:
    """The specimen with a few changes: of bytes, or of a value in its JSON."""
    if chance.random() < 0.4 and (changed := _other_value(chance, specimen)) is not None:
        return changed
    content = bytearray(specimen)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(content) + 1) if chance.random() < 0.7 else chance.randrange(200)
        at = min(at, len(content))
        match chance.randrange(7):
            case 0 if content:
                content[min(at, len(content) - 1)] = chance.randrange(256)
            case 1:
                content[at:at] = chance.choice(_TOKENS)
            case 2:
                token = chance.choice(_TOKENS)
                content[at : at + len(token)] = token
            case 3:
                del content[at : at + chance.choice((1, 2, 8, 100))]
            case 4:
                del content[at:]
            case 5:
                end = at + chance.choice((1, 4, 16, 64))
                content[at:at] = content[at:end] * chance.choice((1, 2, 50))
            case _:
                other = chance.randrange(len(content) + 1)
                content[at : at + 8] = content[other : other + 8]
    return bytes(content)


def _other_value(chance: random.Random, specimen: bytes) -> bytes | None:
    """The specimen with one value of its JSON, or of one of its lines' JSON, of another type."""
    lines = specimen.split(b"\n")
    number = chance.randrange(len(lines))
    for at, text in ((None, specimen), (number, lines[number].removeprefix(b"data: "))):
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if not isinstance(document, dict | list) or not document:
            continue
        holder: Any = document
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            key = chance.choice(keys)
            inner = holder[key]
            if not isinstance(inner, dict | list) or not inner or chance.random() < 0.3:
                break
            holder = inner
        holder[key] = chance.choice(list(VALUES.values()))
        changed = json.dumps(document).encode()
        return changed if at is None else specimen.replace(text, changed)
    return None


def main() -> int:
    """Feed all parsers; 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--processor", action="store_true", help="count its time, not the clock's")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else int(time.time())
    print(f"seed {seed}")
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
    clock = time.process_time if asked.processor else time.monotonic
    parsers = [each for each in PARSERS if asked.only in each.name]
    feeders = [Feeder(each, random.Random(f"{seed} {each.name}"), clock) for each in parsers]
    tally = Tally()
    ends = clock() + asked.minutes * 60
    signal.signal(signal.SIGTERM, _stop)
    with suppress(KeyboardInterrupt):
        while clock() < ends:
            for feeder in feeders:
                feeder.feed(tally, min(TURN_S, max(0.5, (ends - clock()) / len(feeders))))
    for feeder in feeders:
        minutes = feeder.spent_s / 60
        print(f"{minutes:7.1f} min {tally.tried[feeder.parser.name]:9} {feeder.parser.name}")
    return tally.end()


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


class Feeder:
    """Feeds one parser, turn after turn; `spent_s` is how long it did, by `clock`."""

    def __init__(self, parser: Parser, chance: random.Random, clock: Callable[[], float]) -> None:
        self.parser = parser
        self.spent_s = 0.0
        self._chance = chance
        self._clock = clock
        self._seen: set[str] = set()
        self._reached: dict[tuple[str, int], bytes] = {}

    def feed(self, tally: Tally, seconds: float) -> None:
        """Feed it for so long."""
        began = self._clock()
        # Of the processor's time: one of the parsers uses the other alarm itself.
        signal.signal(signal.SIGPROF, _too_long)
        folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        try:
            for specimen in self.parser.specimens:
                with suppress(Exception):
                    self.parser.read(specimen, folder)
            while (spent := self._clock() - began) < seconds:
                self._try(tally, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.spent_s += spent

    def _try(self, tally: Tally, folder: Path) -> None:
        content = mutated(self._chance, self._specimen())
        tally.tried[self.parser.name] += 1
        signal.setitimer(signal.ITIMER_PROF, LONGEST_S)
        try:
            self.parser.read(content, folder)
        except KeyboardInterrupt:
            raise
        except self.parser.refuses as error:
            if type(error) is LocalaiError:
                tally.fault(f"{self.parser.name}: a bug: {error}")
            self._reached.setdefault(_place_of(error), content[:MOST_KEPT_BYTES])
        except BaseException as error:  # noqa: BLE001 - any other is what is looked for
            self._keep(tally, error, content)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _specimen(self) -> bytes:
        """One that it was given, or one of those that got somewhere; or the beginning of one and
        the end of another."""
        given = self.parser.specimens
        if self._reached and self._chance.random() < 0.5:
            given = tuple(self._reached.values())
        chosen = self._chance.choice(given)
        if self._chance.random() < 0.1:
            other = self._chance.choice(self.parser.specimens)
            cut = self._chance.random()
            return chosen[: int(cut * len(chosen))] + other[int(cut * len(other)) :]
        return chosen

    def _keep(self, tally: Tally, error: BaseException, content: bytes) -> None:
        name, number = _place_of(error)
        kind = f"{self.parser.name}: {type(error).__name__} in {name}:{number}"
        if kind in self._seen:
            return
        self._seen.add(kind)
        name = self.parser.name.replace(" ", "-")
        kept = Path(tempfile.gettempdir()) / f"fuzz-{name}-{len(self._seen)}.bin"
        kept.write_bytes(content)
        tally.fault(f"{kind}: {str(error)[:80]}, kept in {kept}")


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
