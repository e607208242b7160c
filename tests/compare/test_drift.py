"""What a quantization changes: the measures on odds written by hand, and on real weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from localai.compare.drift import Script, TokenPosition, divergence, drift_of, follow, write_scripts
from localai.errors import InvalidInput
from localai.formats.gguf import read_model
from localai.formats.gguf_quantization import quantize_file
from localai.output.documents.compare import DriftComparison
from localai.providers.token_odds import Odds
from localai.types import ChatRequest, ResolvedModel, Zone
from tests.support.command import RunLocalai
from tests.support.promise import checked

TEXTS = {1: "a", 2: "b", 3: "c"}
REQUEST = ChatRequest(ResolvedModel("x", "y", Zone.DEVICE, ""), ())


def odds(**shares: float) -> Odds:
    """The odds of tokens by their text; the rest is not listed."""
    numbers = {text: number for number, text in TEXTS.items()}
    return Odds({numbers[text]: (text, math.log(share)) for text, share in shares.items()})


def test_the_divergence_of_a_model_from_itself_is_nothing() -> None:
    assert divergence(odds(a=0.7, b=0.2), odds(a=0.7, b=0.2)) == pytest.approx(0, abs=1e-9)


def test_the_divergence_is_that_of_the_formula() -> None:
    # 0.5 ln(0.5/0.25) + 0.5 ln(0.5/0.75)
    assert divergence(odds(a=0.5, b=0.5), odds(a=0.25, b=0.75)) == pytest.approx(0.1438, abs=1e-4)


def test_what_is_not_listed_counts_as_one_and_only_lessens_it() -> None:
    whole = divergence(odds(a=0.5, b=0.3, c=0.2), odds(a=0.2, b=0.2, c=0.6))
    part = divergence(odds(a=0.5, b=0.3), odds(a=0.2, c=0.6))
    # Only a is listed by both: 0.5 ln(0.5/0.2) + 0.5 ln(0.5/0.8).
    assert part == pytest.approx(0.2231, abs=1e-4)
    assert part < whole


def script(*places: tuple[str, Odds]) -> Script:
    numbers = {text: number for number, text in TEXTS.items()}
    return Script("case", (9,), tuple(TokenPosition(numbers[text], each) for text, each in places))


def test_a_drift_says_where_the_answers_part() -> None:
    written = script(("a", odds(a=0.9, b=0.1)), ("b", odds(a=0.2, b=0.8)))
    found = drift_of("m", [written], {"case": [odds(a=0.6, b=0.4), odds(a=0.7, b=0.3)]})
    assert (found.places, found.same_top, found.parted) == (2, 0.5, (1,))
    assert found.reference_perplexity == pytest.approx((0.9 * 0.8) ** -0.5)
    assert found.perplexity == pytest.approx((0.6 * 0.3) ** -0.5)
    [worst] = found.worst
    assert (worst.before, worst.reference, worst.model) == ("a", "b", "a")


def test_another_vocabulary_is_no_drift() -> None:
    written = script(("a", odds(a=0.9, b=0.1)))
    other = Odds({1: ("x", math.log(0.9))})
    with pytest.raises(InvalidInput, match="another vocabulary"):
        drift_of("m", [written], {"case": [other]})


class Model:
    """Says `a`, then `b`, then ends."""

    def prompt(self, request: ChatRequest) -> list[int]:
        return [9]

    def tokens(self, text: str) -> list[int]:
        return [1]

    def next(self, tokens: Sequence[int], count: int) -> Odds:
        position = len(tokens) - 1
        if position == 2:
            return Odds({7: ("", 0.0)})
        return [odds(a=0.9, b=0.1), odds(a=0.2, b=0.8)][position]


def test_the_reference_writes_to_its_end_and_is_followed_token_by_token() -> None:
    model = Model()
    [written] = write_scripts(model, {"case": REQUEST}, 10)
    assert written.tokens == [1, 2, 7]
    assert [each.likeliest for each in follow(model, written)] == [1, 2, 7]
    [cut] = write_scripts(model, {"case": REQUEST}, 1)
    assert cut.tokens == [1]


def test_a_real_quantization_is_held_against_its_reference(
    run_localai: RunLocalai, smollm2_path: Path, gemma3_path: Path, tmp_path: Path
) -> None:
    larger = tmp_path / "smollm2-q8_0.gguf"
    for _ in quantize_file([smollm2_path], read_model(smollm2_path), "Q8_0", larger):
        pass
    drift = ("compare", "--drift", "--max-tokens", "6")
    result = run_localai(
        *(*drift, "-m", smollm2_path, "-m", larger, "--json", "Name the capital of France."),
        timeout_s=240,
    )
    assert result.returncode == 0, result.stderr
    document = checked(DriftComparison, result.stdout)
    assert document["reference"].endswith("smollm2-q8_0.gguf"), "the largest writes"
    [found] = document["drift"]
    assert found["positions"] == 6
    # The Q8_0 was made of the Q4_1: their odds are nearly the same.
    assert 0 <= found["divergence"]["value"] < 0.05
    assert found["same_top"] > 0.8
    other = run_localai(*drift, "-m", larger, "-m", gemma3_path, "hello", timeout_s=240)
    assert other.returncode == 2
    assert b"another vocabulary" in other.stderr
    alone = run_localai(*drift, "-m", larger, "hello")
    assert alone.returncode == 2
