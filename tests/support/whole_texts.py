"""A whole text through the splitter of reasoning, which the product feeds piece by piece."""

from __future__ import annotations

from localai.events import ReasoningDelta, ThinkingEnded
from localai.wires.reasoning.splitter import ReasoningSplitter


def split_reasoning(text: str, *, starts_in_reasoning: bool = False) -> tuple[str, str]:
    """The reasoning and the answer of a whole text. Text before an end tag without a start is
    reasoning."""
    splitter = ReasoningSplitter(starts_in_reasoning=starts_in_reasoning)
    thoughts, answer = "", ""
    for delta in (*splitter.feed(text), *splitter.close()):
        if isinstance(delta, ThinkingEnded):
            thoughts, answer = "\n".join(filter(None, (thoughts, answer.strip()))), ""
        elif isinstance(delta, ReasoningDelta):
            thoughts += delta.text
        else:
            answer += delta.text
    return thoughts, answer
