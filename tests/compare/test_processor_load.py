"""What the kernel says of a busy processor."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.compare.processor_load import waiting_percent


@pytest.mark.parametrize(
    ("said", "percent"),
    [
        ("some avg10=34.12 avg60=3.00 avg300=1.00 total=9\nfull avg10=0.00\n", 34.12),
        ("some avg10=x\n", None),
        ("", None),
    ],
)
def test_the_pressure_of_the_last_ten_seconds(
    tmp_path: Path, said: str, percent: float | None
) -> None:
    file = tmp_path / "cpu"
    file.write_text(said)
    assert waiting_percent(file) == percent


def test_a_system_without_it_says_nothing(tmp_path: Path) -> None:
    assert waiting_percent(tmp_path / "nothing") is None
