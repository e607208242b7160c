"""Answers that repeat themselves without end: noticed in the stream, and stopped. Pure.

Small models fall into loops, and thinking models think in circles. What is looked for is exact: the
end of the text is one passage, over and over. It must have been said so often and at such a length
that nobody would have wanted it, because people do ask for tables, matrices, art made of
characters, songs and lines to be copied out a hundred times.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import Final

from localai.events import Done, Event, Events, Locality, ReasoningDelta, TextDelta, Timings, Usage
from localai.patterns import lazy_pattern
from localai.types import ChatRequest

# The longest passage whose repetition is found, in characters: a page is not told from a copy.
LONGEST_PASSAGE: Final = 1000
# A passage is a loop only after so many repetitions, and after so many characters of them: of prose
# and of nothing but spaces; of data, drawings and single words; of what stands in the question, and
# was asked for.
LEAST_REPETITIONS: Final = 12
OF_PROSE: Final = 3_000
OF_SIGNS: Final = 6_000
OF_THE_QUESTION: Final = 12_000

_KEPT: Final = max(OF_THE_QUESTION, LEAST_REPETITIONS * LONGEST_PASSAGE)
_EVERY: Final = 200
_WORD: Final = lazy_pattern(r"[^\W\d_]{2,}")
_BEGIN: Final = lazy_pattern(r"[\W\d_](?=[^\W\d_])")


class Looping(BaseException):
    """Thrown into a provider's stream: the answer repeats itself, and no more of it is wanted.

    A stream may catch it, stop the computation, and end with a `Done` of its own, which knows where
    the answer was computed. It is no `Exception`, so that nobody takes it for a failure.
    """


class LoopWatch:
    """Reads a text piece by piece. `asked` is the question that it answers."""

    def __init__(self, asked: str = "") -> None:
        self._asked = _words(asked)
        self._tail = ""
        self._new: list[str] = []
        self._unseen = 0

    def sees_loop(self, piece: str) -> bool:
        """Whether the text with `piece` at its end now repeats itself without end.

        Takes time proportional to the text: every look is at its last few thousand characters.
        """
        self._new.append(piece)
        self._unseen += len(piece)
        if self._unseen < _EVERY:
            return False
        self._tail = (self._tail + "".join(self._new))[-_KEPT:]
        self._new, self._unseen = [], 0
        passage = repeated_passage(self._tail)
        return passage is not None and self._is_loop(passage)

    def _is_loop(self, passage: str) -> bool:
        words = _words(_from_a_word_on(passage)).split()
        is_prose = len(set(words)) > 2 and _mostly_letters(passage)
        least = OF_PROSE if is_prose or not passage.strip() else OF_SIGNS
        if words and _is_part(words, self._asked):
            least = OF_THE_QUESTION
        least = max(least, LEAST_REPETITIONS * len(passage))
        end = self._tail[-least:]
        return len(end) == least and end[len(passage) :] == end[: -len(passage)]


def repeated_passage(text: str) -> str | None:
    """The shortest passage of which the last `2 * LONGEST_PASSAGE` characters of `text` may be
    repetitions, as it stands at the end; None if there is none.

    The last `LONGEST_PASSAGE` characters are looked for again before the end. As they are no
    shorter than any passage, the nearest place where they stand is one passage away (Fine and
    Wilf's theorem), and the search from behind takes linear time.
    """
    behind = text[: -2 * LONGEST_PASSAGE - 1 : -1]
    distance = behind.find(behind[:LONGEST_PASSAGE], 1)
    return None if distance < 1 else text[-distance:]


def without_loops(events: Events, request: ChatRequest) -> Events:
    """Passes on the `events` of the answer to `request`, and ends it with the finish reason `loop`
    where it repeats itself without end, if the request says so. Closing stops the computation."""
    if not request.stop_loops:
        yield from events
        return
    asked = next((each.text for each in request.messages[::-1] if each.role == "user"), "")
    watches = {TextDelta: LoopWatch(asked), ReasoningDelta: LoopWatch(asked)}
    started, first = time.perf_counter(), None
    with closing(events):
        for event in events:
            yield event
            if isinstance(event, TextDelta | ReasoningDelta):
                first = first or time.perf_counter() - started
                if watches[type(event)].sees_loop(event.text):
                    yield _end_of(events) or _own_end(request, started, first)
                    return


def _end_of(events: Events) -> Done | None:
    """The end that the stream itself gives to a looping answer; None if it knows none."""
    try:
        end: Event = events.throw(Looping())
    except (Looping, StopIteration):
        return None
    return end if isinstance(end, Done) else None


def _own_end(request: ChatRequest, started: float, first: float) -> Done:
    total = time.perf_counter() - started
    timings = Timings(time_to_first_token_s=first, total_s=total, clock="client")
    return Done("loop", Usage(), timings, Locality(request.model.zone, request.model.evidence))


def _words(text: str) -> str:
    """The words of `text` alone, between single spaces."""
    return " ".join(_WORD.findall(text.casefold()))


def _mostly_letters(text: str) -> bool:
    """Whether it is language, and not code, data or a table."""
    seen = "".join(text.split())
    return 10 * sum(map(str.isalpha, seen)) >= 8 * len(seen)


def _from_a_word_on(passage: str) -> str:
    """The passage, a circle that was opened anywhere, opened where a word begins."""
    twice = passage * 2
    found = _BEGIN.search(twice)
    at = 0 if found is None else found.end()
    return twice[at : at + len(passage)]


def _is_part(words: list[str], asked: str) -> bool:
    """Whether the words, which are a circle, stand in the question."""
    line = f" {asked} "
    turned = (words[at:] + words[:at] for at in range(len(words)))
    return any(f" {' '.join(each)} " in line for each in turned)
