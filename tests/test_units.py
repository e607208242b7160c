"""Numbers as a person reads them."""

from __future__ import annotations

import pytest

from localai.units import UNKNOWN, bandwidth_text, bytes_text, mebibytes_text, seconds_text


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
