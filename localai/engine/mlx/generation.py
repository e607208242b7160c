"""One answer by MLX: from a Chat Completions body to the chunks of its stream.

Owns the model while it computes, and checks between tokens whether the client still waits. Only the
worker imports this module, and only its computing thread calls it: MLX's streams belong to the
thread that made them.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import field
from typing import Any

import mlx.core as mx
from jinja2 import TemplateError
from mlx_lm.generate import TextStateMachine, make_text_state_machine, stream_generate

from localai.dataclass import dataclass
from localai.engine.mlx.conversations import CachedConversation, CachedConversations
from localai.engine.mlx.sampling import processors, sampler, top_logprobs
from localai.engine.mlx.stop_strings import StopStrings
from localai.engine.template_limit import (
    LONGEST_TEMPLATE_S,
    MOST_TEMPLATE_BYTES,
    TEMPLATE_SUBJECT,
    ending_process_after,
    within_memory,
)
from localai.errors import ContextOverflow, InvalidInput
from localai.types import (
    Done,
    Event,
    FinishReason,
    Locality,
    Message,
    ReasoningDelta,
    TextDelta,
    Timings,
    TokenLogprobs,
    ToolCall,
    Usage,
    Zone,
)
from localai.units import mebibytes_text
from localai.wires.chat_completions.client import wire_tool
from localai.wires.chat_completions.server import ChunkWriter, parse
from localai.wires.parts import RequestParts, arguments_of
from localai.wires.special_tokens import hide, texts_of

Emit = Callable[[Mapping[str, Any]], None]
# A template is a stranger's program, and fails as programs do.
_OF_TEMPLATES = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
# State names of mlx-lm's `TextStateMachine`.
_REASONING = "reasoning"
_TOOL = "tool"
# The field of a request that localai adds to the wire's own.
_KEEP_ON_DISK = "keep_on_disk"
# A client that went away is noticed between two steps. On a CPU larger steps are no faster: 17
# tokens a second with steps of 26 and of 512 (SmolLM2, 2 cores).
_PREFILL_STEP_TOKENS = {mx.DeviceType.gpu: 512, mx.DeviceType.cpu: 32}


class _Abandoned(Exception):
    """The client no longer waits for the answer."""


@dataclass(slots=True)
class Chat:
    """A loaded model and the conversations whose caches it keeps.

    `context_tokens` is the limit of a prompt and its answer together.
    """

    model: Any
    tokenizer: Any
    conversations: CachedConversations
    context_tokens: int

    def prompt(self, body: Mapping[str, Any]) -> str:
        """The prompt that the model's template makes of the messages. Raises InvalidInput."""
        return self._prompt(parse(body), body.get("chat_template_kwargs") or {})

    def _tokens_of(self, parts: RequestParts, options: Mapping[str, Any]) -> list[int]:
        """The prompt; special tokens in what was said are the tokens of their text."""
        messages = [_template_message(message) for message in parts.messages]
        said = texts_of(messages)
        marks = [each for each in self.tokenizer.get_added_vocab() if any(each in t for t in said)]
        if not marks:
            return self.tokens(self._prompt(parts, options))
        hidden = hide(messages, marks)
        prompt: list[int] = []
        for text, is_said in hidden.pieces(self._prompt(parts, options, hidden.messages)):
            # Its first character stands alone: the whole is always read as the one token.
            for part in (text[:1], text[1:]) if is_said else (text,):
                prompt += self.tokens(part)
        return prompt

    def _prompt(
        self,
        parts: RequestParts,
        options: Mapping[str, Any],
        messages: list[dict[str, Any]] | None = None,
    ) -> str:
        tokenizer = self.tokenizer
        if not tokenizer.has_chat_template:
            raise InvalidInput(
                "the model has no chat template: it continues texts, it does not chat"
            )
        tools = None
        if parts.offered_tools:
            if not tokenizer.has_tool_calling:
                raise InvalidInput(f"{TEMPLATE_SUBJECT} knows no tools")
            if parts.tool_choice not in (None, "auto"):
                raise InvalidInput("MLX cannot make a model call a tool: its models choose")
            tools = [wire_tool(tool) for tool in parts.offered_tools]
        if messages is None:
            messages = [_template_message(message) for message in parts.messages]
        try:
            with ending_process_after(LONGEST_TEMPLATE_S), within_memory(MOST_TEMPLATE_BYTES):
                return str(
                    tokenizer.apply_chat_template(
                        messages, tools=tools, tokenize=False, add_generation_prompt=True, **options
                    )
                )
        except MemoryError as error:
            raise InvalidInput(
                f"{TEMPLATE_SUBJECT} takes more than"
                f" {mebibytes_text(MOST_TEMPLATE_BYTES)} of memory",
                hint="take the model from elsewhere: no honest template needs it",
            ) from error
        except _OF_TEMPLATES as error:
            raise InvalidInput(f"{TEMPLATE_SUBJECT} refuses this: {error}") from error

    def tokens(self, text: str) -> list[int]:
        """The tokens of a prompt; the template has already put in the special tokens."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def answer(self, body: Mapping[str, Any], emit: Emit, is_abandoned: Callable[[], bool]) -> None:
        """Send the chunks of the answer. Raises InvalidInput and ContextOverflow before the first
        chunk."""
        own = {name: value for name, value in body.items() if name != _KEEP_ON_DISK}
        parts = parse(own)
        if parts.schema is not None:
            raise InvalidInput("MLX cannot hold an answer to a schema")
        if parts.options.extra:
            raise InvalidInput(f"MLX has no option {min(parts.options.extra)!r}")
        prompt = self._tokens_of(parts, body.get("chat_template_kwargs") or {})
        room = self.context_tokens - len(prompt)
        if room < 1 or not prompt:
            raise ContextOverflow(
                f"the prompt has {len(prompt)} tokens, the context {self.context_tokens}",
                prompt_tokens=len(prompt),
                context_tokens=self.context_tokens,
            )
        conversation = self.conversations.take(prompt)
        conversation.private = not body.get(_KEEP_ON_DISK, True)
        run = _Run(
            self,
            parts,
            prompt,
            conversation,
            emit,
            is_abandoned,
            cached=len(conversation.tokens),
            shows_progress=bool(body.get("return_progress")),
        )
        try:
            with contextlib.suppress(_Abandoned):
                run.to_the_end(min(parts.options.max_tokens or room, room))
        finally:
            # After any other failure the content of the cache is unknown.
            if run.cache_is_known:
                self.conversations.give_back(conversation, self.context_tokens)
            mx.clear_cache()


@dataclass(slots=True)
class _Run:
    """The state of one answer while it is generated."""

    chat: Chat
    parts: RequestParts
    prompt: list[int]
    conversation: CachedConversation
    emit: Emit
    is_abandoned: Callable[[], bool]
    cached: int
    shows_progress: bool
    cache_is_known: bool = True
    generated: int = 0
    reasoning: int = 0
    calls: int = 0
    call_text: str = ""
    started: float = field(default_factory=time.perf_counter)
    first_at: float = 0.0
    writer: ChunkWriter = field(init=False)

    def __post_init__(self) -> None:
        self.writer = ChunkWriter(
            model=self.parts.model,
            answer_id=f"chatcmpl-{os.urandom(8).hex()}",
            created=int(time.time()),
        )

    def to_the_end(self, max_tokens: int) -> None:
        stops = StopStrings(self.parts.options.stop)
        state = self._initial_state()
        finish: FinishReason = "length"
        responses = self._responses(max_tokens)
        try:
            for response in responses:
                state, segments = TextStateMachine.split(state, response.text)
                self.reasoning += state[0] == _REASONING
                if response.finish_reason is not None:
                    state, rest, name = TextStateMachine.flush(state)
                    segments.append((name, rest))
                thoughts, text, calls = self._told_apart(segments)
                if response.finish_reason is not None:
                    made, unclear = self._whole_calls()
                    calls += made
                    text += unclear
                shown = stops.feed(text)
                if response.finish_reason is not None:
                    shown += stops.flush()
                self._send(ReasoningDelta(thoughts) if thoughts else None)
                self._send(TextDelta(shown) if shown else None)
                for call in calls:
                    self._send(call)
                self._send(self._logprobs(response))
                if stops.found or response.finish_reason == "stop":
                    finish = "stop"
                    break
        finally:
            responses.close()
        self._send_end("tool_calls" if self.calls and finish == "stop" else finish)

    def _told_apart(
        self, segments: list[tuple[str | None, str]]
    ) -> tuple[str, str, list[ToolCall]]:
        """The reasoning, the text and the whole tool calls in the segments of mlx-lm's
        `TextStateMachine`.

        A call is whole when another state follows. A segment that looks like a call is text if no
        tools were offered, or if it has another form than the template shows.
        """
        thoughts, shown, calls = "", "", []
        for state, text in segments:
            if state == _TOOL and self.parts.offered_tools:
                self.call_text += text
                continue
            made, unclear = self._whole_calls()
            calls += made
            shown += unclear
            if state == _REASONING:
                thoughts += text
            else:
                shown += text
        return thoughts, shown, calls

    def _whole_calls(self) -> tuple[list[ToolCall], str]:
        """The calls in the text gathered so far, or that text if it is none. Clears the gathered
        text."""
        text, self.call_text = self.call_text, ""
        if not text.strip():
            return [], ""
        tools = [wire_tool(tool) for tool in self.parts.tools]
        try:
            parsed = self.chat.tokenizer.tool_parser(text, tools)
            calls = [_call(each) for each in (parsed if isinstance(parsed, list) else [parsed])]
        except (ValueError, SyntaxError, KeyError, AttributeError, TypeError):
            return [], text
        self.calls += len(calls)
        return calls, ""

    def _responses(self, max_tokens: int) -> Generator[Any, None, None]:
        """Yields mlx-lm's responses, each with one token, and updates the list of cached tokens."""
        seed = self.parts.options.seed
        mx.random.seed(int.from_bytes(os.urandom(4)) if seed is None else seed)
        tokens = self.conversation.tokens
        fresh = self.prompt[self.cached :]

        def progress(done: int, total: int) -> None:
            tokens[self.cached :] = fresh[:done]
            # The last progress call counts the first answer token too.
            self.cache_is_known = done < total
            if self.shows_progress:
                self._send_progress(done)
            if self.cache_is_known and self.is_abandoned():
                raise _Abandoned

        self.cache_is_known = False
        for response in stream_generate(
            self.chat.model,
            self.chat.tokenizer,
            fresh,
            max_tokens=max_tokens,
            sampler=sampler(self.parts.options),
            logits_processors=processors(self.parts.options, self.prompt[: self.cached]),
            prompt_cache=self.conversation.cache,
            prefill_step_size=_PREFILL_STEP_TOKENS[mx.default_device().type],
            prompt_progress_callback=progress,
        ):
            self.generated += 1
            if self.generated == 1:
                self.first_at = time.perf_counter()
            # mlx-lm feeds each token back before it yields it.
            tokens.append(response.token)
            self.cache_is_known = True
            if self.is_abandoned():
                raise _Abandoned
            yield response
            self.cache_is_known = False
        self.cache_is_known = True

    def _initial_state(self) -> Any:
        """The state in which the answer begins: some templates open the reasoning at the prompt's
        end."""
        tokenizer = self.chat.tokenizer
        name = tokenizer.response_initial_state or "normal"
        if tokenizer.has_thinking:
            opened = tokenizer.rfind_think_start(self.prompt)
            closed = tokenizer.rfind_think_end(self.prompt)
            name = _REASONING if opened > closed else name
        return make_text_state_machine(tokenizer).make_state(name)

    def _logprobs(self, response: Any) -> TokenLogprobs | None:
        if self.parts.logprobs is None or response.finish_reason == "stop":
            return None
        own, likeliest = top_logprobs(response.logprobs, response.token, self.parts.logprobs)
        decode = self.chat.tokenizer.decode
        others = tuple((decode([token]), value) for token, value in likeliest)
        return TokenLogprobs(decode([response.token]), own, others)

    def _send(self, event: Event | None) -> None:
        if event is not None:
            for chunk in self.writer.chunks(event):
                self.emit(chunk)

    def _send_progress(self, done: int) -> None:
        self.emit(
            self.writer.progress(
                total=len(self.prompt),
                cached=self.cached,
                processed=self.cached + done,
                seconds=time.perf_counter() - self.started,
            )
        )

    def _send_end(self, finish_reason: FinishReason) -> None:
        usage = Usage(
            input_tokens=len(self.prompt),
            output_tokens=self.generated,
            cached_tokens=self.cached,
            reasoning_tokens=self.reasoning,
        )
        timings = Timings(
            prefill_tokens=len(self.prompt) - self.cached,
            prefill_s=self.first_at - self.started,
            decode_tokens=self.generated - 1,
            decode_s=time.perf_counter() - self.first_at,
            clock="server",
        )
        here = Locality(Zone.DEVICE, "this worker")
        self._send(Done(finish_reason, usage, timings, here))


def _call(parsed: Mapping[str, Any]) -> ToolCall:
    """A call in the form of mlx-lm's parsers, with an id of ours."""
    arguments = json.dumps(parsed.get("arguments") or {}, ensure_ascii=False)
    return ToolCall(f"call_{os.urandom(6).hex()}", str(parsed["name"]), arguments)


def _template_message(message: Message) -> dict[str, Any]:
    """A message in the form of chat templates: the arguments of its calls are objects."""
    if message.images:
        raise InvalidInput("MLX models answer text only here; pictures need another provider")
    wire: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.tool_calls:
        wire["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": arguments_of(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire
