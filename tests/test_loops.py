"""When an answer counts as one that repeats itself without end, and when not."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localai.events import Done, Event, Events, Locality, ReasoningDelta, TextDelta, Timings, Usage
from localai.loops import (
    LEAST_REPETITIONS,
    LONGEST_PASSAGE,
    OF_PROSE,
    OF_SIGNS,
    OF_THE_QUESTION,
    Looping,
    LoopWatch,
    without_loops,
)
from localai.types import ChatRequest, Message, ResolvedModel, Zone
from tests.support.command import REPOSITORY

# A look is taken after so many characters, and a piece may have more.
_SLACK = 220


def noticed_at(text: str, asked: str = "", piece: int = 5) -> int | None:
    """After how many characters a loop is seen; None if none is."""
    watch = LoopWatch(asked)
    for at in range(0, len(text), piece):
        if watch.sees_loop(text[at : at + piece]):
            return at + piece
    return None


def _matrix(columns: int, rows: int) -> str:
    return "".join(f"    [{', '.join(['0'] * columns)}],\n" for _ in range(rows))


LEGITIMATE = {
    "a table of equal rows": "| a | b | total |\n|---|---|---|\n" + "| yes | no | 0.0 |\n" * 120,
    "a rule": "-" * 4000,
    "a matrix of zeros": f"import numpy\nA = [\n{_matrix(20, 60)}]\n",
    "a list of numbers": "\n".join(str(number) for number in range(4000)),
    "ones and zeros": "01" * 2500,
    "an array of equal objects": json.dumps([{"id": None, "name": "", "tags": []}] * 70, indent=1),
    "a box of characters": ("#" + "." * 78 + "#\n") * 60,
    "a song": "Around the world, around the world\n" * 72,
    "a lullaby": "La la la la\n" * 250,
    "inserts": "".join(f"INSERT INTO user VALUES ({n}, 'test', 1);\n" for n in range(300)),
    "a base64 text": "QUFB" * 1200,
    "labels": ("Name: ____________\nStreet: ____________\nTown: ____________\n\n" * 11) * 4,
    "a page, and copies of it": "".join(f"word{number} " for number in range(400)) * 8,
    "tests that differ in a number": "".join(
        f"def test_case_{number}():\n    assert run({number}) is not None\n\n"
        for number in range(200)
    ),
}


@pytest.mark.parametrize("text", LEGITIMATE.values(), ids=list(LEGITIMATE))
def test_what_people_ask_for_is_no_loop(text: str) -> None:
    assert noticed_at(text) is None


def test_no_text_of_this_project_is_a_loop() -> None:
    files = [*(REPOSITORY / "localai").rglob("*.py"), *(REPOSITORY / "docs").rglob("*.md")]
    texts = [file.read_text() for file in files]
    assert sum(map(len, texts)) > 2_000_000
    assert [f.name for f, text in zip(files, texts, strict=True) if noticed_at(text, "", 80)] == []


@pytest.mark.parametrize(
    ("passage", "after"),
    [
        ("I am a helpful assistant. ", OF_PROSE),
        ("\n", OF_PROSE),
        ("\n    ", OF_PROSE),
        ("-", OF_SIGNS),
        ("0, ", OF_SIGNS),
        ("no ", OF_SIGNS),
        ("我不知道该怎么说。他也不知道。谁都不知道。", OF_PROSE),
        ("".join(f"{a}or{b} " for a in "abcdefgh" for b in "defghijklmnop"), None),
    ],
)
def test_a_loop_is_noticed_in_time(passage: str, after: int | None) -> None:
    begun = "The beginning is another one, as it is in every answer.\n"
    least = after or LEAST_REPETITIONS * len(passage)
    said_at = noticed_at(begun + passage * 20_000)
    assert said_at is not None
    assert least <= said_at <= len(begun) + least + len(passage) + _SLACK


def test_what_the_question_has_may_be_said_much_more_often() -> None:
    line = "I must not talk in class.\n"
    asked = "Write 'I must not talk in class' four hundred times"
    assert noticed_at(line * 400, asked) is None
    assert noticed_at(line * 400) is not None
    said_at = noticed_at(line * 4000, asked)
    assert said_at is not None
    assert said_at >= OF_THE_QUESTION


_PASSAGES = st.text("abc dé\n.-0", min_size=1, max_size=LONGEST_PASSAGE)


@settings(max_examples=150, deadline=None)
@given(_PASSAGES, st.integers(1, 300), st.text(max_size=300))
def test_any_passage_over_and_over_is_a_loop(passage: str, piece: int, begun: str) -> None:
    text = begun + passage * (20 * max(1, OF_SIGNS // len(passage)))
    said_at = noticed_at(text, "", piece)
    assert said_at is not None
    most = max(OF_SIGNS, LEAST_REPETITIONS * len(passage)) + len(passage)
    assert said_at <= len(begun) + most + 200 + piece


@settings(max_examples=150, deadline=None)
@given(_PASSAGES, st.integers(1, 11), st.integers(0, 2**30))
def test_fewer_repetitions_than_twelve_are_none(passage: str, times: int, seed: int) -> None:
    chance = random.Random(seed)
    noise = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz ", k=600))
    text = (noise + passage * min(times, 1 + OF_PROSE // (2 * len(passage)))) * 2
    assert noticed_at(text) is None


# In a stream


def _request(*, stop: bool = True) -> ChatRequest:
    model = ResolvedModel("someone", "model", Zone.LAN, "its address")
    return ChatRequest(model, (Message("user", "hello"),), stop_loops=stop)


def _endless(closed: list[str], event: Event) -> Events:
    try:
        while True:
            yield event
    finally:
        closed.append("closed")


@pytest.mark.parametrize("kind", [TextDelta, ReasoningDelta])
def test_a_looping_stream_is_closed_and_ends_as_one(
    kind: type[TextDelta] | type[ReasoningDelta],
) -> None:
    closed: list[str] = []
    *said, end = without_loops(_endless(closed, kind("and so on and on, ")), _request())
    assert closed == ["closed"]
    assert OF_PROSE <= 18 * len(said) <= OF_PROSE + _SLACK
    assert isinstance(end, Done)
    assert (end.finish_reason, end.usage) == ("loop", Usage())
    assert (end.locality.zone, end.locality.evidence) == (Zone.LAN, "its address")


def test_a_stream_that_knows_more_ends_itself() -> None:
    own = Done("loop", Usage(3), Timings(), Locality(Zone.DEVICE, "here"))

    def stream() -> Events:
        try:
            while True:
                yield TextDelta("and so on and on, ")
        except Looping:
            yield own

    *_, end = without_loops(stream(), _request())
    assert end is own


def test_it_can_be_turned_off() -> None:
    events = without_loops(_endless([], TextDelta("on and on and on, ")), _request(stop=False))
    said = [event for event, _ in zip(events, range(2000), strict=False)]
    assert len(said) == 2000
    assert not any(isinstance(each, Done) for each in said)


def test_text_and_thinking_are_read_apart() -> None:
    def stream() -> Iterator[Event]:
        for number in range(3000):
            yield TextDelta(f"line {number} ")
            yield ReasoningDelta("and so on and on, ")

    said = list(without_loops((event for event in stream()), _request()))
    assert isinstance(said[-1], Done)
    assert 2 * OF_PROSE / 18 <= len(said) < 2 * (OF_PROSE + _SLACK) / 18 + 2
