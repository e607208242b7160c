"""When a row is finished, what it is worth, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from localai.bench.cell import Cell, decode, is_finished, is_steady
from localai.bench.figures import bandwidth_fraction, gap_quantiles
from localai.bench.noise import Noise
from localai.bench.plan import Limits, Test
from localai.bench.recording import Sample
from localai.bench.values import token_counts
from localai.bench.verdict import moved_note, notes, verdict
from localai.errors import InvalidInput

BUSY = Noise(others=0.4)
WARMING = (97.0, 98.2, 99.4, 100.6, 101.8, 103.0)


def sample(rate: float = 100.0, **changes: object) -> Sample:
    """127 tokens after the first, at `rate` a second."""
    whole = Sample(
        round=0,
        input_tokens=512,
        cached_tokens=0,
        prefill_tokens=512,
        output_tokens=128,
        first_token_s=2.0,
        decode_tokens=127,
        decode_s=127 / rate,
        gaps_s=(1 / rate,) * 127,
        finish_reason="length",
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def cell(*samples: Sample, **changes: object) -> Cell:
    whole = Cell("m", "p", "e", Test(512, 128), samples=samples, is_warm=True, warm_ups=3)
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_six_like_samples_are_enough_and_five_never() -> None:
    assert not is_finished(cell(*[sample()] * 5), Limits(), out_of_time=True)
    assert is_finished(cell(*[sample()] * 6), Limits(), out_of_time=False)


def test_it_goes_on_until_the_interval_is_narrow_or_the_time_is_over() -> None:
    wide = cell(*(sample(rate) for rate in (90, 95, 100, 105, 110, 115)))
    assert not is_finished(wide, Limits(), out_of_time=False)
    assert is_finished(wide, Limits(), out_of_time=True)
    assert is_finished(cell(*[sample(r) for r in range(70, 130, 2)]), Limits(), out_of_time=False)


def test_disturbed_samples_are_made_again_but_not_for_ever() -> None:
    disturbed = cell(*[sample(noise=BUSY)] * 8)
    assert not is_finished(disturbed, Limits(), out_of_time=False)
    assert is_finished(cell(*[sample(noise=BUSY)] * 12), Limits(), out_of_time=False)
    mixed = cell(*[sample(50, noise=BUSY)] * 4, *[sample()] * 6)
    assert is_finished(mixed, Limits(), out_of_time=False)
    interval = mixed.interval(decode)
    assert interval is not None
    assert interval.value == pytest.approx(100), "the undisturbed count where they are enough"


def test_steady_are_three_within_three_percent_that_do_not_rise() -> None:
    test = Test(512, 128)
    assert not is_steady((sample(), sample()), test)
    assert is_steady(tuple(sample(rate) for rate in (60, 100, 101, 99.5)), test)
    assert not is_steady(tuple(sample(rate) for rate in (97, 98.4, 99.9)), test), "it still rises"
    assert not is_steady(tuple(sample(rate) for rate in (100, 104, 100)), test)


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (cell(*[sample()] * 6), "quiet"),
        (cell(*[sample(noise=BUSY)] * 12), "noisy"),
        (cell(*[sample()] * 5), "noisy"),
        (cell(*map(sample, WARMING), is_warm=False), "noisy"),
        (cell(*map(sample, WARMING)), "quiet"),
        (cell(*map(sample, (100, 96, 103, 98, 101, 97)), is_warm=False), "quiet"),
        (cell(*[sample(rate) for rate in (60, 70, 100, 110, 140, 150)]), "noisy"),
        (cell(*[sample()] * 6, notes=(moved_note(),)), "noisy"),
        (cell(*[sample(cached_tokens=100)] * 6), "invalid"),
        (cell(*[Sample(0, failed="gone")] * 3), "invalid"),
        (cell(*[sample(decode_tokens=5)] * 6), "invalid"),
        (cell(failed="it does not fit"), "invalid"),
    ],
)
def test_the_verdict(measured: Cell, expected: str) -> None:
    assert verdict(measured) == expected
    assert bool(notes(measured)) == (expected != "quiet"), "what is not quiet says why"


def test_what_qualifies_a_row_is_said() -> None:
    found = notes(
        cell(
            *[sample(noise=BUSY)] * 3,
            *[sample(finish_reason="stop", output_tokens=90, input_tokens=600)] * 3,
            Sample(0, failed="the connection broke"),
        )
    )
    assert found == (
        "1 of 7 repetitions failed: the connection broke",
        "3 of 7 repetitions disturbed (others took CPU, up to 40%)",
        "the prompt had 600 tokens, not 512",
        "3 of 6 answers ended by themselves, the shortest at 90 tokens",
    )


def test_a_row_that_was_never_warm_is_told_by_its_repetitions() -> None:
    found = notes(cell(*map(sample, WARMING), is_warm=False))
    assert found == ("not steady after 3 warm-ups: the repetitions became 6% faster",)
    slower = notes(cell(*map(sample, reversed(WARMING)), is_warm=False))
    assert slower == ("not steady after 3 warm-ups: the repetitions became 6% slower",)
    much_noise = cell(*map(sample, (100, 96, 103, 98, 101, 97) * 20), is_warm=False)
    assert notes(much_noise) == (), "many arrivals without a trend"


def test_a_client_that_may_be_what_limits_is_said() -> None:
    busy = cell(*[sample(noise=Noise(client=0.8))] * 6)
    assert notes(busy) == ("localai itself took up to 80% of a core, which may be what limits",)


def test_pieces_that_arrived_together_are_counted_and_said() -> None:
    often = cell(*(sample(gaps_s=(0.01, 0.0, 0.01, 0.0)) for _ in range(6)))
    assert "50% of the pieces arrived together with the one before" in notes(often)
    seldom = cell(*(sample(gaps_s=(0.01,) * 19 + (0.0,)) for _ in range(6)))
    assert not any("arrived together" in note for note in notes(seldom))


def test_the_share_of_the_bandwidth_counts_weights_and_context() -> None:
    measured = cell(
        *[sample()] * 6,
        active_bytes=90_000_000,
        context_bytes_per_token=10_000,
        bandwidth_bytes_per_s=50e9,
    )
    # 100 a second of 90 MB and of 576 tokens' keys and values.
    assert bandwidth_fraction(measured) == pytest.approx(100 * (90e6 + 5.76e6) / 50e9)
    assert bandwidth_fraction(cell(*[sample()] * 6)) is None


def test_a_percentile_needs_its_samples() -> None:
    few = gap_quantiles(cell(sample(gaps_s=(0.01,) * 50)))
    many = gap_quantiles(cell(sample(gaps_s=(0.01,) * 99 + (0.5,))))
    assert few is not None
    assert many is not None
    assert few.p99 is None
    assert many.p99 == pytest.approx(0.01, abs=0.005)
    assert many.most == 0.5


def test_lengths_are_read_as_they_are_typed() -> None:
    assert token_counts("0,4k,16k, 512", "-d") == (0, 4096, 16384, 512)
    for wrong in ("", "-1", "4m", "1,,2"):
        with pytest.raises(InvalidInput):
            token_counts(wrong, "-d")


def test_a_cell_comes_back_as_it_was_kept() -> None:
    measured = cell(*[sample(noise=BUSY)] * 2, notes=("a note",))
    assert Cell.from_json(measured.as_json()) == replace(
        measured, settings={}, samples=measured.samples
    )
