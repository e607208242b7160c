"""What the clock of an answer counts."""

from __future__ import annotations

import pytest

from localai.events import Usage
from localai.wires.clock import AnswerClock


@pytest.mark.parametrize(
    ("streams_reasoning", "usage", "decoded"),
    [
        (True, Usage(10, 100, reasoning_tokens=60), 99),
        # Nothing is seen of hidden thinking: the time is that of the text alone.
        (False, Usage(10, 100, reasoning_tokens=60), 39),
        (False, Usage(10, 100, reasoning_tokens=0), 99),
        (False, Usage(10, None), None),
    ],
)
def test_a_rate_is_of_the_tokens_that_were_seen(
    streams_reasoning: bool, usage: Usage, decoded: int | None
) -> None:
    clock = AnswerClock(streams_reasoning=streams_reasoning)
    clock.piece("Par")
    clock.piece("is")
    assert clock.timings(usage).decode_tokens == decoded


def test_thinking_that_was_summarised_and_not_counted_leaves_no_rate() -> None:
    clock = AnswerClock(streams_reasoning=False)
    clock.piece("hm", reasoning=True)
    clock.piece("Paris")
    assert clock.timings(Usage(10, 100)).decode_tokens is None
