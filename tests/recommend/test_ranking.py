"""What is recommended fits, is fast enough, and comes in an order that can be explained."""

from __future__ import annotations

from dataclasses import replace

import pytest

from localai.hardware.facts import Fact
from localai.hardware.profiles import load_profile
from localai.recommend import ranking
from localai.recommend.catalogue import TASKS, catalogue
from localai.recommend.ranking import recommend
from localai.sizing.speed import PastRun

PROFILES = ("m3-max-64gb", "m2-8gb", "rtx-4090", "laptop-16gb")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("task", TASKS)
def test_the_best_fits_and_those_that_do_not_come_last(profile: str, task: str) -> None:
    found = recommend(load_profile(profile), task)  # type: ignore[arg-type]
    assert found[0].fits
    assert found[0].comfortable or not any(each.fits and each.comfortable for each in found)
    assert [each.fits for each in found] == sorted((each.fits for each in found), reverse=True)
    for each in found:
        assert each.fits == (each.headroom_bytes >= 0) == (each.context_tokens is not None)
        assert task in each.entry.tasks
        assert each.why
        if each.context_tokens is not None:
            assert each.context_tokens <= each.entry.context_tokens


def test_a_larger_machine_gets_a_larger_model() -> None:
    best = {name: recommend(load_profile(name))[0].entry.parameters for name in PROFILES}
    assert best["m2-8gb"] < 8e9 < min(best["rtx-4090"], best["m3-max-64gb"])


@pytest.mark.parametrize("task", ["chat", "code", "reasoning", "vision"])
@pytest.mark.parametrize("profile", ["m3-max-64gb", "rtx-4090", "m2-8gb"])
def test_where_the_machine_can_the_first_writes_twenty_tokens_a_second(
    profile: str, task: str
) -> None:
    best = recommend(load_profile(profile), task)[0]  # type: ignore[arg-type]
    assert best.speed.expected is not None and best.speed.expected >= 20


def test_a_slow_machine_is_not_given_a_toy_for_the_sake_of_speed() -> None:
    best = recommend(load_profile("laptop-16gb"))[0]
    assert best.speed.expected is not None and 8 <= best.speed.expected < 20
    assert best.entry.parameters > 4e9


def test_what_is_too_slow_comes_after_what_is_not_and_the_slowest_last() -> None:
    found = [each for each in recommend(load_profile("laptop-16gb"), "code") if each.fits]
    assert [each.comfortable for each in found] == sorted(
        (each.comfortable for each in found), reverse=True
    )
    names = [each.entry.name for each in found]
    assert names.index("qwen2.5-coder:7b") < names.index("qwen2.5-coder:14b")


def test_a_quarter_of_a_laptops_memory_is_left_to_the_rest() -> None:
    for each in recommend(load_profile("laptop-16gb")):
        if each.fits:
            assert each.memory_bytes < 13e9


def test_what_a_gpu_holds_comes_before_what_it_holds_in_part() -> None:
    found = {each.entry.name: each for each in recommend(load_profile("rtx-4090"))}
    names = list(found)
    large = found["gpt-oss:120b"]
    assert large.fits and large.spills and not large.in_gpu and "partly" in large.why
    assert found["qwen3:32b"].in_gpu and not found["qwen3:32b"].spills
    assert names.index("qwen3:32b") < names.index("gpt-oss:120b")
    assert not any(each.spills for each in recommend(load_profile("laptop-16gb")))


def test_a_mixture_of_experts_is_fast_for_its_memory() -> None:
    found = {each.entry.name: each for each in recommend(load_profile("rtx-4090"), "code")}
    mixture, dense = found["qwen3-coder:30b"], found["qwen3:32b"]
    assert abs(mixture.memory_bytes - dense.memory_bytes) < 0.2 * dense.memory_bytes
    assert mixture.speed.expected is not None and dense.speed.expected is not None
    assert mixture.speed.expected > 2.5 * dense.speed.expected


def test_a_finer_quantization_is_taken_where_it_stays_fast() -> None:
    fast = {each.entry.name: each for each in recommend(load_profile("rtx-4090"))}
    assert fast["qwen3:8b"].quantization.quantization == "Q8_0"
    slow = {each.entry.name: each for each in recommend(load_profile("laptop-16gb"))}
    assert slow["qwen3:8b"].quantization.quantization == "Q4_K_M"


def test_past_runs_and_what_is_here_are_seen() -> None:
    machine = load_profile("laptop-16gb")
    runs = {"qwen3:4b": [PastRun(31.0, 1024)]}
    found = recommend(machine, installed={"qwen3:4b"}, past_runs=runs)
    mine = next(each for each in found if each.entry.name == "qwen3:4b")
    assert mine.installed and mine.speed.expected == pytest.approx(31.0)
    assert mine.speed.confidence == "measured"
    assert not any(each.installed for each in found if each is not mine)


def test_what_mlx_did_here_corrects_the_others_as_well() -> None:
    machine = load_profile("m3-max-64gb")
    before = {each.entry.name: each for each in recommend(machine)}
    # 4.6 bits of 4.0 billion weights at 400 GB/s are some 100 tokens a second.
    runs = {"mlx-community/Qwen3-4B-4bit": [PastRun(60.0, 1024)]}
    after = {each.entry.name: each for each in recommend(machine, past_runs=runs)}
    other, was = after["gemma3:12b"].speed, before["gemma3:12b"].speed
    assert other.expected is not None
    assert was.expected is not None
    assert other.expected < 0.9 * was.expected
    assert "other models did here" in other.basis


def test_what_one_model_did_here_corrects_the_others() -> None:
    machine = load_profile("laptop-16gb")
    before = {each.pull_name: each for each in recommend(machine)}
    mine = before["qwen3:4b"].speed.expected
    assert mine is not None
    runs = {"qwen3:4b": [PastRun(mine * 1.3, 1024)]}
    after = {each.pull_name: each for each in recommend(machine, past_runs=runs)}
    other, was = after["gemma3:4b"].speed, before["gemma3:4b"].speed
    assert was.expected is not None
    assert other.expected == pytest.approx(was.expected * 1.3)
    assert other.confidence != "measured" and "other models did here" in other.basis
    # Ten times slower was not the machine's fault.
    slow = {"qwen3:4b": [PastRun(mine / 10, 1024)]}
    busy = {each.pull_name: each for each in recommend(machine, past_runs=slow)}
    assert busy["gemma3:4b"].speed.expected == pytest.approx(was.expected)


def test_a_small_container_gets_what_its_limit_allows() -> None:
    machine = load_profile("laptop-16gb")
    small = replace(machine, memory=replace(machine.memory, limit_bytes=Fact(2 << 30, "cgroup")))
    found = [each for each in recommend(small) if each.fits]
    assert found and all(each.memory_bytes < 2 << 30 for each in found)
    nothing = replace(machine, memory=replace(machine.memory, limit_bytes=Fact(1 << 28, "cgroup")))
    assert not any(each.fits for each in recommend(nothing))


def test_a_newer_one_comes_first_and_before_2024_age_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = next(each for each in catalogue().entries if each.name == "qwen3:4b")

    def order(*released: str | None) -> list[str | None]:
        entries = tuple(replace(entry, released=each) for each in released)
        only_those = replace(catalogue(), entries=entries)
        monkeypatch.setattr(ranking, "catalogue", lambda: only_those)
        return [each.entry.released for each in recommend(load_profile("rtx-4090"))]

    assert order(None, "2024-02", "2025-01") == ["2025-01", "2024-02", None]
    assert order(None, "2023-06", "2024-01") == [None, "2023-06", "2024-01"]
    assert order("2024-01", "2023-06", None) == ["2024-01", "2023-06", None]
