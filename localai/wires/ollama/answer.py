"""Answers of Ollama's native API. No I/O.

Times are nanoseconds on the server's clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from localai.events import Event, FinishReason, ReasoningDelta, TextDelta, Usage
from localai.types import ToolCall
from localai.wires.clock import ServerTimes
from localai.wires.finish_reasons import finish_reason
from localai.wires.loose import (
    Halves,
    arguments_text,
    count_of,
    logprobs_of,
    number_of,
    object_of,
    objects_of,
    text_of,
)


class ChunkReader:
    """Reads the lines of one chat. A line may end with one half of a surrogate pair."""

    def __init__(self) -> None:
        self._text, self._reasoning = Halves(), Halves()
        self._calls = 0

    def events(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        """The events of one line."""
        message = object_of(chunk.get("message"))
        if reasoning := self._reasoning.feed(text_of(message.get("thinking"))):
            yield ReasoningDelta(reasoning)
        if text := self._text.feed(text_of(message.get("content"))):
            yield TextDelta(text)
        for call in objects_of(message.get("tool_calls")):
            function = object_of(call.get("function"))
            arguments = arguments_text(function.get("arguments") or {})
            call_id = text_of(call.get("id")) or f"call_{self._calls}"
            self._calls += 1
            yield ToolCall(call_id, text_of(function.get("name")), arguments)
        yield from logprobs_of(chunk.get("logprobs"))

    def held_back(self) -> Iterator[Event]:
        """The half of a surrogate pair whose other half never came; empty if there is none."""
        if reasoning := self._reasoning.close():
            yield ReasoningDelta(reasoning)
        if text := self._text.close():
            yield TextDelta(text)


def usage_of(end: Mapping[str, Any]) -> Usage:
    """The counts of a chat's last line. The server leaves out a zero, so a missing count is taken
    as unknown."""
    return Usage(
        input_tokens=count_of(end.get("prompt_eval_count")),
        output_tokens=count_of(end.get("eval_count")),
        cached_tokens=count_of(end.get("prompt_eval_cached_count")),
    )


def finish_of(end: Mapping[str, Any], context_tokens: int, tools_called: bool) -> FinishReason:
    """Why an answer ended. Ollama says `length` for both a full context and the token limit.

    Raises Unreachable if Ollama says that it failed.
    """
    # Old versions give no reason for a normal end.
    reason = finish_reason(end.get("done_reason"), "Ollama") or "stop"
    if tools_called:
        return "tool_calls"
    if reason != "length":
        return reason
    usage = usage_of(end)
    used = (usage.input_tokens or 0) + (usage.output_tokens or 0)
    return "context" if used >= context_tokens - 1 else "length"


def server_times(end: Mapping[str, Any], freshly_loaded: bool) -> ServerTimes:
    """The server's measurements in a chat's last line.

    `prompt_eval_count` includes cached tokens, and `prompt_eval_duration` does not. So the number
    of computed tokens is known only in two cases: the server says how many tokens were cached, or
    the model was loaded for this very request, so that none can have been cached.
    """
    usage = usage_of(end)
    cached = usage.cached_tokens
    computed = None
    if cached is not None or freshly_loaded:
        computed = max(0, (usage.input_tokens or 0) - (cached or 0))
    return ServerTimes(
        computed,
        seconds(end.get("prompt_eval_duration")),
        usage.output_tokens,
        seconds(end.get("eval_duration")),
    )


def seconds(nanoseconds: Any) -> float | None:
    """Nanoseconds as seconds; None if the value is no number."""
    number = number_of(nanoseconds)
    return None if number is None else number / 1e9
