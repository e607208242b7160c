"""How long an answer may go on: its tokens, its bytes, and the time in which nothing of it comes.

A server may send for ever and break no rule of its wire: tokens, empty pieces, comments that keep a
connection alive. The time-out of a connection sees none of that, because it is never silent.
"""

from __future__ import annotations

import time
from typing import Final

from localai.errors import Unreachable
from localai.types import ChatRequest

LONGEST_PAUSE_S: Final = 600.0
# A cloud that hides its reasoning sends nothing of it: 64,000 tokens of it take a quarter of an
# hour.
LONGEST_HIDDEN_PAUSE_S: Final = 1800.0
# The counts that follow an answer's end, where a server does not close.
_AFTER_THE_END_S = 5.0
# A server that was silent for long, and then answers, has sent little in between.
_LEAST_TIMES_HEARD = 8
# A million tokens with the odds of 20 others each would be more, and nobody asks for that.
_MOST_BYTES = 1 << 30
# Where neither a limit nor a context is known: more than any model has.
_MOST_TOKENS = 1 << 20
# Some servers send a piece for each letter, some do not count the reasoning, and some know the
# limit by another name and ignore it.
_PIECES_A_TOKEN, _FURTHER_PIECES = 6, 4096
# The longest tokens are rows of 128 spaces, but no answer consists of them.
_LETTERS_A_TOKEN, _FURTHER_LETTERS = 32, 1 << 20


class AnswerLimits:
    """The limits of one answer of the provider `who`, from the first byte of it.

    `most_tokens` is what was asked for, or the context; `longest_pause_s` is how long nothing of
    the answer may come, whatever else does.
    """

    def __init__(
        self,
        who: str = "the server",
        most_tokens: int | None = None,
        longest_pause_s: float = LONGEST_PAUSE_S,
    ) -> None:
        self.were_reached = False
        self._who = who
        self._tokens = min(most_tokens or _MOST_TOKENS, _MOST_TOKENS)
        self._longest_pause_s = longest_pause_s
        self._progress_at: float | None = None
        self._times_heard = 0
        self._ended_at: float | None = None
        self._bytes = self._pieces = self._letters = 0
        self._share = -1.0

    @property
    def have_ended(self) -> bool:
        """Whether the server has said why the answer ended."""
        return self._ended_at is not None

    def heard(self, size: int) -> None:
        """So many bytes came, whatever is in them. Raises Unreachable; after the answer's end
        TimeoutError, once what may follow has had its time."""
        now = time.monotonic()
        self._bytes += size
        self._times_heard += 1
        if self._progress_at is None:
            self._progress_at = now
        if self._ended_at is not None:
            if now - self._ended_at > _AFTER_THE_END_S:
                raise TimeoutError("the answer has ended, and the server goes on")
        elif (
            now - self._progress_at > self._longest_pause_s
            and self._times_heard >= _LEAST_TIMES_HEARD
        ):
            raise self._endless(
                f"{self._who} keeps the connection alive, and nothing of an answer has come for"
                f" {self._longest_pause_s:.0f} s"
            )
        if self._bytes > _MOST_BYTES:
            raise self._endless(f"the answer of {self._who} is longer than {_MOST_BYTES:,} bytes")

    def came(self, letters: int) -> None:
        """A piece of the answer came; an empty one is no progress. Raises Unreachable."""
        self._pieces += 1
        self._letters += letters
        if letters:
            self._progressed()
        if (
            self._pieces > _PIECES_A_TOKEN * self._tokens + _FURTHER_PIECES
            or self._letters > _LETTERS_A_TOKEN * self._tokens + _FURTHER_LETTERS
        ):
            raise self._endless(
                f"the answer of {self._who} does not end: it is far beyond {self._tokens:,} tokens,"
                " and was broken off",
                hint="--max-tokens N sets how long an answer may be",
            )

    def read_prompt(self, share: float) -> None:
        """The server says how much of the prompt it has read; the same again is no progress."""
        if share > self._share:
            self._share = share
            self._progressed()

    def ended(self) -> None:
        """The server has said why the answer ended."""
        if self._ended_at is None:
            self._ended_at = time.monotonic()

    def _endless(self, message: str, hint: str | None = None) -> Unreachable:
        self.were_reached = True
        return Unreachable(message, hint=hint)

    def _progressed(self) -> None:
        self._progress_at, self._times_heard = time.monotonic(), 0


def limits_of(
    request: ChatRequest, context_tokens: int | None = None, *, hides_reasoning: bool = False
) -> AnswerLimits:
    """The limits of the answer to `request`, in a context of so many tokens if that is known."""
    known = (
        request.options.max_tokens,
        context_tokens or request.context_tokens,
        request.model.context_limit,
    )
    return AnswerLimits(
        request.model.provider,
        next((each for each in known if each), None),
        LONGEST_HIDDEN_PAUSE_S if hides_reasoning else LONGEST_PAUSE_S,
    )
