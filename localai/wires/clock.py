"""The times at which the pieces of one answer arrived, and the raw timings that follow from them.

Every provider times its answers with an `AnswerClock`, so that a decode rate means the same
everywhere. The first of `n` tokens comes from the prefill, so the time from the first token to the
last is the decode time of `n - 1` tokens. Only `Timings` derives rates.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from localai.arrivals import arrived
from localai.events import Event, ReasoningDelta, TextDelta, Timings, Usage
from localai.types import ToolCall
from localai.wires.limits import AnswerLimits


class ServerTimes(NamedTuple):
    """A server's own measurements; each is None if the server does not give it.

    `prefill_tokens` excludes cached tokens. `output_tokens` counts all tokens of the answer;
    `decode_s` is the time from the first of them to the last, in seconds.
    """

    prefill_tokens: int | None
    prefill_s: float | None
    output_tokens: int | None
    decode_s: float | None


class AnswerClock:
    """Times one answer from outside, from the moment when the clock is made.

    `streams_reasoning` is False for servers that hide the reasoning or send a summary of it. Their
    decode rate then covers the text alone. `limits` are told of every piece.
    """

    def __init__(
        self, limits: AnswerLimits | None = None, *, streams_reasoning: bool = True
    ) -> None:
        self.limits = limits or AnswerLimits()
        self.started = time.perf_counter()
        self.first: float | None = None
        self._streams_reasoning = streams_reasoning
        self._first_counted: float | None = None
        self._last: float | None = None
        self._thought = False

    def piece(self, text: str, *, reasoning: bool = False) -> None:
        """A piece of the answer has arrived: text, reasoning or a part of a tool call. Raises
        Unreachable as its limits do."""
        self.limits.came(len(text))
        now = arrived()
        if self.first is None:
            self.first = now
        self._thought = self._thought or reasoning
        if reasoning and not self._streams_reasoning:
            return
        if self._first_counted is None:
            self._first_counted = now
        self._last = now

    def event(self, event: Event) -> None:
        """A piece came that is an event of its own; odds have no time. Raises Unreachable."""
        match event:
            case TextDelta(text):
                self.piece(text)
            case ReasoningDelta(text):
                self.piece(text, reasoning=True)
            case ToolCall():
                self.piece(event.name + event.arguments)
            case _:
                self.limits.came(0)

    def timings(
        self, usage: Usage, server: ServerTimes | None = None, load_s: float | None = None
    ) -> Timings:
        """The timings of an ended answer: the server's own if it gives any, else ours."""
        total = time.perf_counter() - self.started
        times = server or ServerTimes(None, None, self._counted(usage), self._decode_s())
        return Timings(
            load_s=load_s,
            time_to_first_token_s=None if self.first is None else self.first - self.started,
            prefill_tokens=times.prefill_tokens,
            prefill_s=times.prefill_s,
            decode_tokens=_after_the_first(times.output_tokens),
            decode_s=times.decode_s,
            total_s=total,
            clock="client" if server is None else "server",
        )

    def _counted(self, usage: Usage) -> int | None:
        """The tokens between the first and the last counted piece, both included.

        A piece may have several tokens, so this is the server's count and not the number of pieces.
        """
        output, reasoning = usage.output_tokens, usage.reasoning_tokens
        if self._streams_reasoning or output is None:
            return output
        if reasoning is None and self._thought:
            return None
        return output - (reasoning or 0)

    def _decode_s(self) -> float | None:
        if self._first_counted is None or self._last is None:
            return None
        return self._last - self._first_counted


def _after_the_first(tokens: int | None) -> int | None:
    return None if tokens is None else max(0, tokens - 1)
