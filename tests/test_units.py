"""Numbers as a person reads them."""

from __future__ import annotations

import pytest

from localai.units import (
    UNKNOWN,
    bandwidth_text,
    bytes_text,
    mebibytes_text,
    seconds_text,
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
