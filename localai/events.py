"""What comes back for a request: the events of an answer, and what `Done`, the last one, says of
counts, times and place.

Standard library only, frozen and slotted, as `types`. A field that is None is unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final, Literal

from localai.dataclass import dataclass
from localai.types import ResolvedModel, ToolCall, Zone


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the provider reports them.

    `input_tokens` includes the tokens read from a cache (`cached_tokens`, cheaper) and those
    written to one (`cache_write_tokens`, dearer at some clouds). `output_tokens` includes the
    reasoning.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Timings:
    """The time of one answer in its parts, raw: seconds, and the tokens that took them.

    `clock` says who measured load, prefill and decode: the server, or we from outside.
    `time_to_first_token_s` and `total_s` are always ours, from request to event. `prefill_tokens`
    are the prompt tokens that were computed, without cached ones. `decode_s` is the time from the
    first token of the answer to the last, and `decode_tokens` came in it: the first token comes out
    of the prefill and is not among them.
    """

    load_s: float | None = None
    time_to_first_token_s: float | None = None
    prefill_tokens: int | None = None
    prefill_s: float | None = None
    decode_tokens: int | None = None
    decode_s: float | None = None
    total_s: float | None = None
    clock: Literal["server", "client"] | None = None

    @property
    def prefill_tokens_per_s(self) -> float | None:
        """Computed prompt tokens a second; None if tokens or seconds are unknown or zero."""
        return _rate(self.prefill_tokens, self.prefill_s)

    @property
    def decode_tokens_per_s(self) -> float | None:
        """Answer tokens a second after the first; None if tokens or seconds are unknown or zero."""
        return _rate(self.decode_tokens, self.decode_s)


def _rate(tokens: int | None, seconds: float | None) -> float | None:
    return tokens / seconds if tokens and seconds and tokens > 0 and seconds > 0 else None


@dataclass(frozen=True, slots=True)
class Process:
    """A process on this machine."""

    pid: int | None
    name: str


@dataclass(frozen=True, slots=True)
class Locality:
    """Where an answer was computed, and what that claim rests on.

    `zone` None means unproven. `network_denied` is True only if the kernel itself keeps the
    computing process from the network; None is unknown.
    """

    zone: Zone | None
    evidence: str
    process: Process | None = None
    machine: str | None = None
    network_denied: bool | None = None


FinishReason = Literal["stop", "length", "context", "loop", "refusal", "tool_calls", "other"]
"""Why an answer ended: by itself, at the limit of tokens, at the end of the context, because it
repeated itself without end, because the provider would not answer, to have tools called, or for a
reason that nobody here knows."""

CUT: Final[tuple[FinishReason, ...]] = ("length", "context", "loop")
"""The reasons of an answer that did not come to its own end, and is an answer."""

EarlyEnd = Literal["cancelled", "failed"]
"""What is kept of an answer that has no `Done`: the user stopped it, or something broke."""


@dataclass(frozen=True, slots=True)
class Answering:
    """The model that answers from here on. A second such event means that another model has stepped
    in."""

    model: ResolvedModel


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is to be said to the user before the answer: it may not be what was asked for."""

    message: str


@dataclass(frozen=True, slots=True)
class Loading:
    """The provider is preparing (starting, loading, growing a context). `fraction` is None if
    unknown."""

    message: str
    fraction: float | None = None


def _whole_characters(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the model's reasoning, in whole characters like a TextDelta."""

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _whole_characters(self.text))


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer. A lone surrogate, which JSON can carry but neither UTF-8 nor the
    database can, becomes U+FFFD."""

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _whole_characters(self.text))


@dataclass(frozen=True, slots=True)
class ThinkingEnded:
    """All text so far was reasoning: a block has ended whose beginning was in the template. A
    caller that has shown that text already cannot take it back."""


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """A token, its log probability, and the likeliest alternatives, likeliest first."""

    token: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Done:
    """The end of an answer; the last event of every stream that did not raise.

    `context_tokens` is the context that the provider allocated, None if it does not say.
    `server_reason` is the server's own word for `finish_reason`, None if it gave none.
    """

    finish_reason: FinishReason
    usage: Usage
    timings: Timings
    locality: Locality
    context_tokens: int | None = None
    server_reason: str | None = None


Delta = ReasoningDelta | TextDelta | ThinkingEnded
"""What a model says, and what was known too late of it."""

Event = Answering | Doubt | Loading | Delta | ToolCall | TokenLogprobs | Done

Events = Generator[Event, None, None]
"""The events of one answer as they come; closing it stops the computation."""
