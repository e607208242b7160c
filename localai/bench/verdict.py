"""What a row is worth: quiet, noisy or invalid, and in fixed phrases why. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Final, Literal

from localai.bench.cell import Cell, decode, is_narrow, main_metric
from localai.bench.figures import first_token_spread, goodput
from localai.bench.plan import LEAST_REPETITIONS
from localai.statistics import mann_kendall, slope
from localai.units import counted, time_text

Verdict = Literal["quiet", "noisy", "invalid"]

_TOO_WIDE: Final = 0.05
_LENGTH_OFF: Final = 0.02
_DRIFTS: Final = 0.03
_SIGNIFICANT: Final = 0.05
_FEW_CACHED: Final = 0.02
_CLIENT_LIMITS: Final = 0.5
_OFTEN_TOGETHER: Final = 0.1
_OTHERS_TOOK: Final = "others took CPU"


def verdict(cell: Cell) -> Verdict:
    """`quiet` may be a baseline and compared; `noisy` is shown and no more; `invalid` says
    nothing of speed."""
    if cell.failed is not None or not cell.succeeded or _was_cached(cell) or _too_short(cell):
        return "invalid"
    if len(cell.undisturbed) < LEAST_REPETITIONS or _drift(cell):
        return "noisy"
    if cell.test.rate is not None:
        # What arrives at random differs by nature.
        return "noisy" if _MOVED in cell.notes else "quiet"
    interval = cell.interval(main_metric(cell.test))
    if interval is None or not is_narrow(interval, _TOO_WIDE) or _MOVED in cell.notes:
        return "noisy"
    return "quiet"


def _drift(cell: Cell) -> float | None:
    """How much the repetitions of a row changed from the first to the last, a fraction, where the
    warm-ups were not steady; None if that is 3% at most, or may be chance.

    Warm-ups vary as repetitions do: with noise of 2%, three of them seldom lie within 3%. More
    repetitions tell a model that is not warm yet from a machine that is not quiet.
    """
    if cell.is_warm:
        return None
    metric = main_metric(cell.test)
    values = [value for each in cell.counted if (value := metric(each)) is not None]
    a_step = slope(range(len(values)), values)
    if a_step is None:
        return None
    change = a_step * (len(values) - 1) / median(values)
    return change if abs(change) > _DRIFTS and mann_kendall(values) < _SIGNIFICANT else None


_MOVED: Final = "the machine's own speed moved during the run"


def moved_note() -> str:
    """The note of a run before and after which the machine was not equally fast."""
    return _MOVED


def notes(cell: Cell) -> tuple[str, ...]:
    """The remarks that qualify the row, a phrase each."""
    return (*cell.notes, *_found(cell))


def _found(cell: Cell) -> Iterator[str]:
    if cell.failed is not None:
        yield cell.failed
        return
    count, succeeded = len(cell.samples), cell.succeeded
    failed = [each.failed for each in cell.samples if each.failed is not None]
    lost = sum(each.failed_requests for each in succeeded)
    if lost:
        yield f"{lost} of {counted(sum(each.requests for each in succeeded), 'request')} failed"
    if failed:
        yield f"{len(failed)} of {counted(count, 'repetition')} failed: {failed[-1]}"
    if not succeeded:
        return
    disturbed = [each for each in succeeded if each.disturbed]
    if disturbed:
        reasons = dict.fromkeys(
            reason for each in disturbed for reason in _without_numbers(each.disturbed)
        )
        most = max((each.noise.others or 0 for each in disturbed), default=0)
        causes = [
            f"{reason}, up to {most:.0%}" if reason == _OTHERS_TOOK else reason
            for reason in reasons
        ]
        yield f"{len(disturbed)} of {counted(count, 'repetition')} disturbed ({'; '.join(causes)})"
    client = max((each.noise.client or 0 for each in succeeded), default=0)
    if client > _CLIENT_LIMITS:
        yield f"localai itself took up to {client:.0%} of a core, which may be what limits"
    if drift := _drift(cell):
        way = "faster" if drift > 0 else "slower"
        warm_ups = counted(cell.warm_ups, "warm-up")
        yield f"not steady after {warm_ups}: the repetitions became {abs(drift):.0%} {way}"
    if len(cell.counted) < LEAST_REPETITIONS:
        repetitions = counted(len(cell.counted), "repetition is", "repetitions are")
        yield f"{repetitions} too few for an interval"
    interval = cell.interval(main_metric(cell.test))
    half = None if interval is None else interval.half_width
    if cell.test.rate is not None:
        yield from _of_arrivals(cell)
    elif interval is not None and half is not None and not is_narrow(interval, _TOO_WIDE):
        yield f"the repetitions differ: ± {half / interval.value:.0%}"
    if _too_short(cell):
        yield "the answers were too short for a speed"
    yield from _of_lengths(cell)


def _of_arrivals(cell: Cell) -> Iterator[str]:
    spread, good = first_token_spread(cell), goodput(cell)
    if spread is not None:
        p50, p95 = time_text(spread.p50, 2), time_text(spread.p95, 2)
        last = "" if spread.p99 is None else f", p99 {time_text(spread.p99, 2)}"
        yield f"first token: median {p50}, p95 {p95}{last}"
    if good is not None:
        yield f"{good:.0%} of {counted(len(cell.samples), 'request')} met the objectives"


def _without_numbers(reasons: tuple[str, ...]) -> Iterator[str]:
    for reason in reasons:
        if reason.startswith("others"):
            yield _OTHERS_TOOK
        elif reason.startswith("the hypervisor"):
            yield "the hypervisor took CPU"
        else:
            yield reason


def _of_lengths(cell: Cell) -> Iterator[str]:
    test, last = cell.test, cell.counted[-1]
    wanted = test.depth_tokens + test.prompt_tokens
    if last.input_tokens is None:
        yield "the server does not say how many tokens the prompt had"
    elif test.prompt_tokens and abs(last.input_tokens - wanted) > _LENGTH_OFF * wanted:
        yield f"the prompt had {counted(last.input_tokens, 'token')}, not {wanted:,}"
    if test.depth_tokens and last.cached_tokens is None:
        yield "the server does not say whether the depth was cached"
    elif test.depth_tokens and (last.cached_tokens or 0) < (1 - 0.05) * test.depth_tokens:
        yield f"of the depth {counted(last.cached_tokens or 0, 'token was', 'tokens were')} cached"
    elif _was_cached(cell):
        yield f"{counted(last.cached_tokens or 0, 'token')} of the prompt came from a cache"
    short = [each for each in cell.counted if each.finish_reason == "stop"]
    if short and test.output_tokens > 1:
        lengths = sorted(each.output_tokens or 0 for each in short)
        yield (
            f"{len(short)} of {counted(len(cell.counted), 'answer')} ended by themselves,"
            f" the shortest at {counted(lengths[0], 'token')}"
        )
    together = sum(each.same_moment for each in cell.counted)
    gaps = sum(len(each.gaps_s) for each in cell.counted)
    if together > _OFTEN_TOGETHER * gaps:
        yield f"{together / gaps:.0%} of the pieces arrived together with the one before"
    pieces = len(last.gaps_s) + 1
    if last.output_tokens is not None and last.output_tokens > 1.5 * pieces and pieces > 1:
        yield f"{last.output_tokens / pieces:.1f} tokens a piece"


def _was_cached(cell: Cell) -> bool:
    """Whether a prompt that was to be computed was not."""
    counted = cell.counted
    if cell.test.depth_tokens or not counted:
        return False
    cached = counted[-1].cached_tokens or 0
    return cached > _FEW_CACHED * max(cell.test.prompt_tokens, 256)


def _too_short(cell: Cell) -> bool:
    """Whether the answers were too short to have a speed."""
    return cell.test.output_tokens > 1 and cell.interval(decode) is None
