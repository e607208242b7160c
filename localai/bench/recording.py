"""One answer, timed: the same definitions for every engine, on this machine's clock.

    t0            the request goes to the provider
    first token   the first piece of text, reasoning or a tool call; never an empty role
    first visible the first piece of the answer that is no reasoning
    decode        (n - 1) tokens between the first piece and the last; n is the server's count
    prefill       the computed prompt tokens by the time to the first token

What the server's own clock says stands beside it and is never mixed in. Pieces are stamped as they
come from the socket, and nothing is made of them before the answer has ended (`localai.arrivals`).
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import asdict, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from localai.arrivals import arrived, collecting
from localai.bench.noise import UNKNOWN_NOISE, Noise
from localai.dataclass import dataclass
from localai.errors import LocalaiError, Unreachable
from localai.events import Done, Event, FinishReason, Loading, Process, ReasoningDelta, TextDelta
from localai.types import ChatRequest, ToolCall

if TYPE_CHECKING:
    from localai.providers.provider import Provider

# The rate of a shorter answer would be that of its beginning.
LEAST_DECODE_TOKENS: Final = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """One repetition, raw: tokens and seconds; None is unknown.

    `prefill_tokens` were computed, not cached. `decode_tokens` came in `decode_s`, without the
    first one. `gaps_s` are the times between pieces; in `same_moment` of them two pieces arrived
    together. `server_*` is by the server's clock. With several `requests` at once this is the
    median one, and `throughput_*` is what all of them got together. `energy_j` is what the whole
    machine took for `energy_tokens` answer tokens, as far as it says. `noise` is what other
    programs did meanwhile. `failed` is why there is no answer; the rest is then unknown.
    """

    round: int
    input_tokens: int | None = None
    cached_tokens: int | None = None
    prefill_tokens: int | None = None
    output_tokens: int | None = None
    first_token_s: float | None = None
    first_visible_s: float | None = None
    decode_tokens: int | None = None
    decode_s: float | None = None
    total_s: float | None = None
    gaps_s: tuple[float, ...] = ()
    server_prefill_tokens: int | None = None
    server_prefill_s: float | None = None
    server_decode_tokens: int | None = None
    server_decode_s: float | None = None
    context_tokens: int | None = None
    finish_reason: FinishReason | None = None
    loaded_anew: bool = False
    requests: int = 1
    failed_requests: int = 0
    throughput_tokens: float | None = None
    throughput_s: float | None = None
    energy_j: float | None = None
    energy_s: float | None = None
    energy_tokens: float | None = None
    noise: Noise = UNKNOWN_NOISE
    failed: str | None = None

    @property
    def prefill_tokens_per_s(self) -> float | None:
        """Computed prompt tokens by the time to the first token."""
        return _rate(self.prefill_tokens, self.first_token_s)

    @property
    def decode_tokens_per_s(self) -> float | None:
        """Answer tokens a second after the first; None for fewer than eight."""
        return _rate(self.decode_tokens, self.decode_s, LEAST_DECODE_TOKENS)

    @property
    def server_prefill_tokens_per_s(self) -> float | None:
        """The server's own measurement."""
        return _rate(self.server_prefill_tokens, self.server_prefill_s)

    @property
    def server_decode_tokens_per_s(self) -> float | None:
        """The server's own measurement; None for fewer than eight tokens."""
        return _rate(self.server_decode_tokens, self.server_decode_s, LEAST_DECODE_TOKENS)

    @property
    def throughput_tokens_per_s(self) -> float | None:
        """Answer tokens a second of all requests together; None if there was one at a time."""
        if not self.throughput_tokens or not self.throughput_s:
            return None
        return self.throughput_tokens / self.throughput_s

    @property
    def energy_j_per_token(self) -> float | None:
        """Joules for each token of the answer, the prompt's computing included."""
        if self.energy_j is None or not self.energy_tokens:
            return None
        return self.energy_j / self.energy_tokens

    @property
    def disturbed(self) -> tuple[str, ...]:
        """The causes of a disturbance, in fixed phrases."""
        anew = ("the model was loaded anew",) if self.loaded_anew else ()
        return (*anew, *self.noise.reasons)

    @property
    def same_moment(self) -> int:
        """How many pieces came together with the one before."""
        return sum(gap < 1e-5 for gap in self.gaps_s)

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Any) -> Sample:
        """The sample that `as_json` wrote."""
        return cls(
            **{
                **document,
                "gaps_s": tuple(document["gaps_s"]),
                "noise": Noise(**document["noise"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Recorded:
    """A sample, with the process that computed it, if known, and the times of its start, its pieces
    and its end on `time.perf_counter`."""

    sample: Sample
    process: Process | None = None
    started: float = 0.0
    ended: float = 0.0
    pieces: tuple[float, ...] = ()

    @property
    def tokens_a_piece(self) -> float:
        """How many tokens each piece had, on average."""
        return (self.sample.output_tokens or len(self.pieces)) / max(1, len(self.pieces))


def record(provider: Provider, request: ChatRequest, round_number: int) -> Recorded:
    """Ask, and time the answer. A refusal of the provider is a failed sample."""
    stamps: list[tuple[float, Event]] = []
    started = time.perf_counter()
    try:
        with collecting(), closing(provider.stream(request)) as events:
            for event in events:
                stamps.append((arrived(), event))
    except LocalaiError as error:
        return Recorded(Sample(round_number, failed=error.message))
    if not stamps or not isinstance(stamps[-1][1], Done):
        raise Unreachable("the answer broke off")
    pieces = tuple(at for at, event in stamps if isinstance(event, TextDelta | ReasoningDelta))
    ended = pieces[-1] if pieces else stamps[-1][0]
    sample = _sample(stamps, started, ended, round_number)
    return Recorded(sample, stamps[-1][1].locality.process, started, ended, pieces)


def _sample(
    stamps: list[tuple[float, Event]], started: float, ended: float, round_number: int
) -> Sample:
    done = stamps[-1][1]
    assert isinstance(done, Done)
    pieces = [at for at, event in stamps if isinstance(event, TextDelta | ReasoningDelta)]
    visible = next((at for at, event in stamps if isinstance(event, TextDelta)), None)
    if not pieces:
        pieces = [at for at, event in stamps if isinstance(event, ToolCall)]
    usage, timings = done.usage, done.timings
    first = timings.time_to_first_token_s
    sample = Sample(
        round=round_number,
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        prefill_tokens=_computed(usage.input_tokens, usage.cached_tokens),
        output_tokens=usage.output_tokens,
        first_token_s=pieces[0] - started if pieces and first is None else first,
        first_visible_s=None if visible is None else visible - started,
        total_s=ended - started,
        gaps_s=tuple(round(after - before, 7) for before, after in pairwise(pieces)),
        context_tokens=done.context_tokens,
        finish_reason=done.finish_reason,
    )
    if usage.output_tokens is not None and len(pieces) > 1:
        sample = replace(
            sample, decode_tokens=usage.output_tokens - 1, decode_s=pieces[-1] - pieces[0]
        )
    if timings.clock == "server":
        sample = replace(
            sample,
            server_prefill_tokens=timings.prefill_tokens,
            server_prefill_s=timings.prefill_s,
            server_decode_tokens=timings.decode_tokens,
            server_decode_s=timings.decode_s,
        )
    if any(isinstance(event, Loading) and event.fraction is None for _, event in stamps):
        sample = replace(sample, loaded_anew=True)
    return sample


def _computed(input_tokens: int | None, cached_tokens: int | None) -> int | None:
    return None if input_tokens is None else input_tokens - (cached_tokens or 0)


def _rate(tokens: int | None, seconds: float | None, least: int = 1) -> float | None:
    return tokens / seconds if tokens and seconds and tokens >= least and seconds > 0 else None
