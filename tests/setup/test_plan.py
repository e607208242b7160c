"""What set-up chooses by itself grows with the machine."""

from __future__ import annotations

import pytest

from localai.hardware.profiles import load_profile
from localai.recommend.ranking import recommend
from localai.setup.plan import largest_download


@pytest.mark.parametrize(
    ("profile", "gb"),
    [("m2-8gb", 6.0), ("laptop-16gb", 6.0), ("rtx-4090", 9.9), ("m3-max-64gb", 20)],
)
def test_the_largest_model_that_is_fetched_unasked(profile: str, gb: float) -> None:
    assert largest_download(load_profile(profile)) == pytest.approx(gb * 1e9, rel=0.02)


@pytest.mark.parametrize(
    ("profile", "name"),
    [
        ("m2-8gb", "qwen3.5:4b"),
        ("laptop-16gb", "qwen3.5:4b"),
        ("rtx-4090", "gemma4:12b"),
        ("m3-max-64gb", "gemma4:12b"),
    ],
)
def test_the_best_that_is_fetched_unasked(profile: str, name: str) -> None:
    machine = load_profile(profile)
    best = next(
        each
        for each in recommend(machine)
        if each.comfortable and each.entry.files[0].size_bytes <= largest_download(machine)
    )
    assert best.entry.name == name
