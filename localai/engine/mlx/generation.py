"""One answer by MLX: from a Chat Completions body to the chunks of its stream.

Owns the model while it computes and checks between tokens whether anybody still wants the answer.
Only the worker imports this module, and only its computing thread calls it: MLX's streams belong
to the thread that made them.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
from jinja2 import TemplateError
from mlx_lm.generate import TextStateMachine, make_text_state_machine, stream_generate

from localai.engine.mlx.conversations import Conversation, Conversations
from localai.engine.mlx.sampling import processors, sampler, top_logprobs
from localai.engine.mlx.server import Refused
from localai.engine.mlx.stop_strings import StopStrings

Emit = Callable[[Mapping[str, Any]], None]
_REASONING = "reasoning"
_CHUNK = "chat.completion.chunk"
# Between two steps a client that went away is noticed. On a CPU larger ones are no faster: 17
# tokens a second with steps of 26 and of 512 alike (SmolLM2, 2 cores).
_PREFILL_STEP_TOKENS = {mx.DeviceType.gpu: 512, mx.DeviceType.cpu: 32}


class _Abandoned(Exception):
    """Nobody wants the answer any more."""


@dataclass(slots=True)
class Chat:
    """A loaded model and the conversations it remembers.

    `context_tokens` is the most that a prompt and its answer may have together.
    """

    model: Any
    tokenizer: Any
    conversations: Conversations
    context_tokens: int

    def prompt(self, body: Mapping[str, Any]) -> str:
        """The text that the model's template makes of the messages. Raises Refused."""
        if not self.tokenizer.has_chat_template:
            raise _invalid("the model has no chat template: it continues texts, it does not chat")
        messages = [_text_message(message) for message in body.get("messages") or ()]
        options = body.get("chat_template_kwargs") or {}
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    messages, tokenize=False, add_generation_prompt=True, **options
                )
            )
        except (TemplateError, TypeError, ValueError) as error:
            raise _invalid(f"the model's chat template refuses this: {error}") from error

    def tokens(self, text: str) -> list[int]:
        """The tokens of a prompt that the template made; it has its special tokens already."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def answer(self, body: Mapping[str, Any], emit: Emit, is_abandoned: Callable[[], bool]) -> None:
        """Send the chunks of the answer. Raises Refused before the first, or none at all."""
        if body.get("response_format"):
            raise _invalid("MLX cannot hold an answer to a schema")
        prompt = self.tokens(self.prompt(body))
        room = self.context_tokens - len(prompt)
        if room < 1 or not prompt:
            raise Refused(
                400,
                f"the prompt has {len(prompt)} tokens, the context {self.context_tokens}",
                "exceed_context_size_error",
                n_prompt_tokens=len(prompt),
                n_ctx=self.context_tokens,
            )
        conversation = self.conversations.take(prompt)
        conversation.private = not body.get("keep_on_disk", True)
        cached = len(conversation.tokens)
        run = _Run(self, body, prompt, conversation, emit, is_abandoned, cached)
        try:
            with contextlib.suppress(_Abandoned):
                run.to_the_end(min(body.get("max_tokens") or room, room))
        finally:
            # After any other failure nobody knows what the cache holds.
            if run.cache_is_known:
                self.conversations.give_back(conversation, self.context_tokens)
            mx.clear_cache()


@dataclass(slots=True)
class _Run:
    """One answer in the making."""

    chat: Chat
    options: Mapping[str, Any]
    prompt: list[int]
    conversation: Conversation
    emit: Emit
    is_abandoned: Callable[[], bool]
    cached: int
    cache_is_known: bool = True
    generated: int = 0
    reasoning: int = 0
    started: float = field(default_factory=time.perf_counter)
    first_at: float = 0.0

    def to_the_end(self, max_tokens: int) -> None:
        stops = StopStrings(_stops(self.options))
        state = self._initial_state()
        finish = "length"
        responses = self._responses(max_tokens)
        try:
            for response in responses:
                state, segments = TextStateMachine.split(state, response.text)
                self.reasoning += state[0] == _REASONING
                if response.finish_reason is not None:
                    state, rest, name = TextStateMachine.flush(state)
                    segments.append((name, rest))
                thoughts, text = _told_apart(segments)
                shown = stops.feed(text)
                if response.finish_reason is not None:
                    shown += stops.flush()
                self._send(thoughts, shown, self._logprobs(response))
                if stops.found or response.finish_reason == "stop":
                    finish = "stop"
                    break
        finally:
            responses.close()
        self._send_end(finish)

    def _responses(self, max_tokens: int) -> Generator[Any, None, None]:
        """What mlx-lm yields, each with one token; keeps the books of what the cache holds."""
        seed = self.options.get("seed")
        mx.random.seed(int.from_bytes(os.urandom(4)) if seed is None else seed)
        tokens = self.conversation.tokens
        fresh = self.prompt[self.cached :]

        def progress(done: int, total: int) -> None:
            tokens[self.cached :] = fresh[:done]
            # At the last call the first token of the answer is in the cache as well.
            self.cache_is_known = done < total
            if self.options.get("return_progress"):
                self._send_progress(done)
            if self.cache_is_known and self.is_abandoned():
                raise _Abandoned

        self.cache_is_known = False
        for response in stream_generate(
            self.chat.model,
            self.chat.tokenizer,
            fresh,
            max_tokens=max_tokens,
            sampler=sampler(self.options),
            logits_processors=processors(self.options, self.prompt[: self.cached]),
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
        """Some templates open the thinking themselves, at the end of the prompt."""
        tokenizer = self.chat.tokenizer
        name = tokenizer.response_initial_state or "normal"
        if tokenizer.has_thinking:
            opened = tokenizer.rfind_think_start(self.prompt)
            closed = tokenizer.rfind_think_end(self.prompt)
            name = _REASONING if opened > closed else name
        return make_text_state_machine(tokenizer).make_state(name)

    def _logprobs(self, response: Any) -> list[dict[str, Any]]:
        if not self.options.get("logprobs") or response.finish_reason == "stop":
            return []
        count = int(self.options.get("top_logprobs") or 0)
        own, likeliest = top_logprobs(response.logprobs, response.token, count)
        decode = self.chat.tokenizer.decode
        others = [{"token": decode([token]), "logprob": value} for token, value in likeliest]
        return [{"token": decode([response.token]), "logprob": own, "top_logprobs": others}]

    def _send(self, reasoning: str, text: str, logprobs: list[dict[str, Any]]) -> None:
        delta = {"reasoning_content": reasoning, "content": text}
        choice: dict[str, Any] = {"index": 0, "delta": {k: v for k, v in delta.items() if v}}
        if logprobs:
            choice["logprobs"] = {"content": logprobs}
        if choice["delta"] or logprobs:
            self.emit({"object": _CHUNK, "choices": [choice]})

    def _send_progress(self, done: int) -> None:
        progress = {
            "total": len(self.prompt),
            "cache": self.cached,
            "processed": self.cached + done,
            "time_ms": (time.perf_counter() - self.started) * 1000,
        }
        self.emit({"object": _CHUNK, "choices": [], "prompt_progress": progress})

    def _send_end(self, finish_reason: str) -> None:
        now = time.perf_counter()
        choice = {"index": 0, "delta": {}, "finish_reason": finish_reason}
        self.emit({"object": _CHUNK, "choices": [choice]})
        usage = {
            "prompt_tokens": len(self.prompt),
            "completion_tokens": self.generated,
            "total_tokens": len(self.prompt) + self.generated,
            "prompt_tokens_details": {"cached_tokens": self.cached},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning},
        }
        timings = {
            "cache_n": self.cached,
            "prompt_n": len(self.prompt) - self.cached,
            "prompt_ms": (self.first_at - self.started) * 1000,
            # As llama.cpp does: the first token is counted, and its time is not.
            "predicted_n": self.generated,
            "predicted_ms": (now - self.first_at) * 1000,
        }
        self.emit({"object": _CHUNK, "choices": [], "usage": usage, "timings": timings})


def _told_apart(segments: list[tuple[str | None, str]]) -> tuple[str, str]:
    """The reasoning and the text in what mlx-lm's state machine split."""
    reasoning = "".join(text for state, text in segments if state == _REASONING)
    return reasoning, "".join(text for state, text in segments if state != _REASONING)


def _stops(options: Mapping[str, Any]) -> list[str]:
    stop = options.get("stop") or []
    return [stop] if isinstance(stop, str) else [str(one) for one in stop]


def _text_message(message: Mapping[str, Any]) -> dict[str, str]:
    content = message.get("content") or ""
    if not isinstance(content, str):
        if any(part.get("type") != "text" for part in content):
            raise _invalid("MLX models answer text only here; pictures need another provider")
        content = "".join(part["text"] for part in content)
    return {"role": str(message.get("role")), "content": content}


def _invalid(message: str) -> Refused:
    return Refused(400, message, "invalid_request_error")
