"""From tokens to the chunks of one answer's stream: text, reasoning, calls of tools, the end.

Knows nothing of how tokens come about. Only the worker imports this module, and only its computing
thread calls it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Literal, TypeAlias

import mlx.core as mx
from mlx_lm.generate import TextStateMachine, make_text_state_machine

from localai.dataclass import dataclass
from localai.engine.mlx.sampling import top_logprobs
from localai.engine.mlx.stop_strings import StopStrings
from localai.events import (
    Done,
    Event,
    FinishReason,
    Locality,
    ReasoningDelta,
    TextDelta,
    Timings,
    TokenLogprobs,
    Usage,
)
from localai.types import ToolCall, Zone
from localai.wires.chat_completions.client import wire_tool
from localai.wires.chat_completions.server import ChunkWriter
from localai.wires.parts import RequestParts
from localai.wires.reasoning.edges import ReasoningEdges

Emit = Callable[[Mapping[str, Any]], None]
Last: TypeAlias = Literal["stop", "length"] | None
"""Why a token is an answer's last: it ends answers, or the length is reached. None: it is not."""
# State names of mlx-lm's `TextStateMachine`.
_REASONING = "reasoning"
_TOOL = "tool"


@dataclass(slots=True)
class AnswerStream:
    """The answer to `parts`, whose prompt is `prompt`, of which `cached` tokens are computed
    already."""

    tokenizer: Any
    parts: RequestParts
    prompt: list[int]
    emit: Emit
    shows_progress: bool
    cached: int = 0
    generated: int = 0
    _reasoning: int = 0
    _calls: int = 0
    _call_text: str = ""
    _started: float = 0.0
    _first_at: float = 0.0
    _edges: ReasoningEdges = field(default_factory=ReasoningEdges)
    _detokenizer: Any = field(init=False)
    _stops: StopStrings = field(init=False)
    _state: Any = field(init=False)
    _writer: ChunkWriter = field(init=False)

    def __post_init__(self) -> None:
        self._detokenizer = self.tokenizer.detokenizer
        self._stops = StopStrings(self.parts.options.stop)
        self._state = self._initial_state()
        self._writer = ChunkWriter(
            model=self.parts.model,
            answer_id=f"chatcmpl-{os.urandom(8).hex()}",
            created=int(time.time()),
        )

    @property
    def has_started(self) -> bool:
        """Whether its prompt is computed, or was."""
        return self._started > 0

    def starts(self, cached: int) -> None:
        """Begin to count the time: the prompt is computed from now on, but for `cached` tokens."""
        self.cached = cached
        self._started = time.perf_counter()
        self.has_read(cached)

    def has_read(self, tokens: int) -> None:
        """Say that so many tokens of the prompt are in the cache."""
        if self.shows_progress and not self.generated:
            self.emit(
                self._writer.progress(
                    total=len(self.prompt),
                    cached=self.cached,
                    processed=tokens,
                    seconds=time.perf_counter() - self._started,
                )
            )

    def feed(self, token: int, logprobs: mx.array, last: Last) -> bool:
        """Send what the next token says. True when the answer has ended, a stop string included."""
        if not self.generated:
            self._first_at = time.perf_counter()
            self.has_read(len(self.prompt))
        self.generated += 1
        shown, thoughts, calls = self._separated(self._text_of(token, last), last)
        self._send(ReasoningDelta(thoughts) if thoughts else None)
        self._send(TextDelta(shown) if shown else None)
        for call in calls:
            self._send(call)
        if last != "stop":
            self._send(self._logprobs(token, logprobs))
        stopped = self._stops.found or last == "stop"
        if stopped or last == "length":
            self._send_end("stop" if stopped else "length")
            return True
        return False

    def _text_of(self, token: int, last: Last) -> str:
        if last != "stop":
            self._detokenizer.add_token(token)
        if last is not None:
            self._detokenizer.finalize()
        return str(self._detokenizer.last_segment)

    def _separated(self, text: str, last: Last) -> tuple[str, str, list[ToolCall]]:
        """The text to show, the reasoning and the whole calls in the next piece of the answer."""
        self._state, segments = TextStateMachine.split(self._state, text)
        self._reasoning += self._state[0] == _REASONING
        if last is not None:
            self._state, rest, name = TextStateMachine.flush(self._state)
            segments.append((name, rest))
        thoughts, text, calls = self._by_state(segments)
        if last is not None:
            made, unclear = self._whole_calls()
            calls += made
            text += unclear
        shown = self._stops.feed(text)
        if last is not None:
            shown += self._stops.flush()
        return shown, thoughts, calls

    def _by_state(self, segments: list[tuple[str | None, str]]) -> tuple[str, str, list[ToolCall]]:
        """The reasoning, the text and the whole calls in the segments of mlx-lm's
        `TextStateMachine`.

        A call is whole when another state follows. A segment that looks like a call is text if no
        tools were offered, or if it has another form than the template shows.
        """
        thoughts, shown, calls = "", "", []
        for state, text in segments:
            if state == _TOOL and self.parts.offered_tools:
                self._call_text += text
                continue
            made, unclear = self._whole_calls()
            calls += made
            shown += unclear
            if state == _REASONING:
                thoughts += self._edges.reasoning(text)
            else:
                shown += self._edges.text(text)
        return thoughts, shown, calls

    def _whole_calls(self) -> tuple[list[ToolCall], str]:
        """The calls in the text gathered so far, or that text if it is none. Clears the gathered
        text."""
        text, self._call_text = self._call_text, ""
        if not text.strip():
            return [], ""
        tools = [wire_tool(tool) for tool in self.parts.tools]
        try:
            parsed = self.tokenizer.tool_parser(text, tools)
            calls = [_call(each) for each in (parsed if isinstance(parsed, list) else [parsed])]
        except (ValueError, SyntaxError, KeyError, AttributeError, TypeError):
            return [], text
        self._calls += len(calls)
        return calls, ""

    def _initial_state(self) -> Any:
        """The state in which the answer begins: some templates open the reasoning at the prompt's
        end."""
        name = self.tokenizer.response_initial_state or "normal"
        if self.tokenizer.has_thinking:
            opened = self.tokenizer.rfind_think_start(self.prompt)
            closed = self.tokenizer.rfind_think_end(self.prompt)
            name = _REASONING if opened > closed else name
        return make_text_state_machine(self.tokenizer).make_state(name)

    def _logprobs(self, token: int, logprobs: mx.array) -> TokenLogprobs | None:
        if self.parts.logprobs is None:
            return None
        own, likeliest = top_logprobs(logprobs, token, self.parts.logprobs)
        decode = self.tokenizer.decode
        others = tuple((decode([token]), value) for token, value in likeliest)
        return TokenLogprobs(decode([token]), own, others)

    def _send(self, event: Event | None) -> None:
        if event is not None:
            for chunk in self._writer.chunks(event):
                self.emit(chunk)

    def _send_end(self, finish: FinishReason) -> None:
        usage = Usage(
            input_tokens=len(self.prompt),
            output_tokens=self.generated,
            cached_tokens=self.cached,
            reasoning_tokens=self._reasoning,
        )
        timings = Timings(
            prefill_tokens=len(self.prompt) - self.cached,
            prefill_s=self._first_at - self._started,
            decode_tokens=self.generated - 1,
            decode_s=time.perf_counter() - self._first_at,
            clock="server",
        )
        here = Locality(Zone.DEVICE, "this worker")
        reason: FinishReason = "tool_calls" if self._calls and finish == "stop" else finish
        self._send(Done(reason, usage, timings, here))


def _call(parsed: Mapping[str, Any]) -> ToolCall:
    """A call in the form of mlx-lm's parsers, with an id of ours."""
    arguments = json.dumps(parsed.get("arguments") or {}, ensure_ascii=False)
    return ToolCall(f"call_{os.urandom(6).hex()}", str(parsed["name"]), arguments)
