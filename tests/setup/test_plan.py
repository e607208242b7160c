"""What set-up chooses by itself grows with the machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from localai.config import load
from localai.fetch.allowed_hosts import AllowedHosts
from localai.hardware.facts import Fact, disturbed
from localai.hardware.profiles import load_profile
from localai.paths import Paths
from localai.providers.pool import ProviderPool
from localai.recommend.ranking import recommend
from localai.setup.model_choice import largest_download
from localai.setup.plan import plan_setup


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


@pytest.mark.parametrize(
    ("source", "is_doubted"),
    [("read by 2 threads", False), (disturbed("read by 2 threads", 97), True)],
)
def test_a_machine_that_was_busy_is_no_word_on_what_suits_it(
    home_with_starter: Paths, source: str, is_doubted: bool
) -> None:
    slow = Fact(2e9, source, "measured")
    machine = replace(load_profile("laptop-16gb"), memory_bandwidth=slow)
    config = load(home_with_starter)
    with ProviderPool(home_with_starter) as providers:
        plan = plan_setup(machine, config, home_with_starter, AllowedHosts(), providers)
    assert plan.model == "starter"
    assert plan.notes[0].endswith("so it is the starter")
    doubt = (
        "memory was measured while other programs took 97% of the CPU; "
        "on a quiet machine, localai setup measures again"
    )
    assert (doubt in plan.notes) == is_doubted
