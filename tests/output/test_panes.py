"""The panes of answers that are written at once."""

from __future__ import annotations

import io

from localai.events import TextDelta, ThinkingEnded
from localai.output.panes import LivePanes


def test_what_turns_out_to_have_been_thinking_is_no_part_of_the_answer() -> None:
    stream = io.StringIO()
    panes = LivePanes(stream, ["a", "b"], color=False)
    for event in (TextDelta("pondering\nmore"), ThinkingEnded(), TextDelta("Paris")):
        panes.event("a", event)
    panes.event("b", TextDelta("Rome"))
    panes.refresh()
    shown = stream.getvalue()
    assert "Paris" in shown and "Rome" in shown
    assert "pondering" not in shown and "more" not in shown
