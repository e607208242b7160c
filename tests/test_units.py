"""Numbers as a person reads them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from localai.units import (
    UNKNOWN,
    bandwidth_text,
    bytes_text,
    counted,
    mebibytes_text,
    seconds_text,
    time_text,
    whole_number,
)


@pytest.mark.parametrize("text", ["", "-1", "1.0", "²", " 1", "9" * 19, "9" * 5000])
def test_what_is_no_whole_number(text: str) -> None:
    assert whole_number(text) is None


def test_a_whole_number() -> None:
    assert (whole_number("0"), whole_number("042"), whole_number("9" * 18)) == (0, 42, 10**18 - 1)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, UNKNOWN),
        (0, "0 B"),
        (999, "999 B"),
        (1_536, "1.5 kB"),
        (100_000_000, "100 MB"),
        (17_179_869_184, "17.2 GB"),
        (3_000_000_000_000_000, "3000 TB"),
    ],
)
def test_sizes_are_decimal(count: int | None, text: str) -> None:
    assert bytes_text(count) == text


def test_a_limit_is_a_power_of_two() -> None:
    assert mebibytes_text(64 << 20) == "64 MiB"


def test_bandwidth_is_decimal() -> None:
    assert bandwidth_text(1.008e12) == "1,008 GB/s"


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, UNKNOWN), (59.4, "59s"), (90, "1m 30s"), (3_660, "1h 1m")]
)
def test_seconds_become_minutes_and_hours(seconds: float | None, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("count", "plural", "text"),
    [
        (1, None, "1 row"),
        (0, None, "0 rows"),
        (8_192, None, "8,192 rows"),
        (1.0, None, "1 row"),
        (2.5, None, "2.5 rows"),
        (1, "rows are", "1 row"),
        (2, "rows are", "2 rows are"),
    ],
)
def test_a_count_with_its_noun(count: float, plural: str | None, text: str) -> None:
    assert counted(count, "row", plural) == text


ROOT = Path(__file__).parents[1]

_NOUNS = re.compile(
    " (?:more |first |blind )?(answer|branche|call|case|character|conversation|core|day|file|image"
    "|layer|line|message|model|page|part|picture|prompt|question|repetition|request|row|setting"
    "|thread|tie|time|token|vote|word)s\\b"
)
# What is never one: a limit, a size, a constant, a figure with decimals, a name before a verb.
_NEVER_ONE = re.compile(
    r"_?[A-Z_]+|.*(limit|context|context_tokens|bytes|size|cases_needed|_tokens)|most|wanted|of|allocated"
    r"|self\.cases|count_text\(.*\)|lines|.* (\*|/) .*|ratio\[0\]|len\((names|prompt)\)"
    r"|len\(entries\)|name|.*\.(name|provider|model)|config\[.*\]"
)


def _counts(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Where a text has a number right before a plural: the line, the number, the noun."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        for number, text in pairwise(node.values):
            if not (isinstance(number, ast.FormattedValue) and isinstance(text, ast.Constant)):
                continue
            found = _NOUNS.match(str(text.value))
            if found is not None:
                yield node.lineno, ast.unparse(number.value), found[1] + "s"


def test_no_text_says_1_rows() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}: {{{number}}} {noun}"
        for file in sorted((ROOT / "localai").rglob("*.py"))
        for line, number, noun in _counts(ast.parse(file.read_text(encoding="utf-8")))
        if not _NEVER_ONE.fullmatch(number)
    ]
    assert found == [], "units.counted has both forms"


@pytest.mark.parametrize(
    ("seconds", "places", "text"),
    [
        (None, 1, "–"),
        (0.0, 1, "0 ms"),
        (0.0002, 1, "<1 ms"),
        (0.0123, 1, "12 ms"),
        (0.0999, 2, "100 ms"),
        (0.1, 1, "0.1 s"),
        (0.254, 2, "0.25 s"),
        (75.25, 1, "75.2 s"),
    ],
)
def test_a_short_time_is_never_shown_as_nothing(
    seconds: float | None, places: int, text: str
) -> None:
    assert time_text(seconds, places) == text
