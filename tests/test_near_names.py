"""What somebody may have meant."""

from __future__ import annotations

from localai.near_names import did_you_mean, near_names


def test_the_likest_comes_first_and_case_does_not_count() -> None:
    assert near_names("QWEN3", ["gemma3", "qwen2.5", "qwen3", "Qwen3"])[0] == "Qwen3"


def test_there_are_three_at_most() -> None:
    assert len(near_names("aaaa", ["aaab", "aaac", "aaad", "aaae"])) == 3


def test_spellings_of_one_name_count_once() -> None:
    means = {"qwen3": "qwen3:latest", "qwen3:latest": "qwen3:latest"}
    assert did_you_mean("qwen4", means, means=means) == "did you mean qwen3:latest?"


def test_many_spellings_of_one_name_do_not_hide_another() -> None:
    spellings = [f"qwen3{letter}" for letter in "abcde"]
    means = dict.fromkeys(spellings, "qwen3") | {"qwen30x": "qwen30"}
    assert near_names("qwen3", means, means=means) == ["qwen3", "qwen30"]


def test_what_is_like_nothing_gets_no_hint() -> None:
    assert did_you_mean("zebra", ["qwen3"]) is None


def test_a_beginning_means_what_begins_so_where_nothing_is_nearer() -> None:
    assert near_names("temp", ["temperature", "top_p"]) == ["temperature"]
    assert near_names("max", ["max-tokens", "mat"]) == ["mat"]
    assert near_names("t", ["temperature", "top_p"]) == []
