"""Tokens out of a loaded model: of one answer alone, or of several together.

`Alone` computes in place in the conversation's cache. `Together` is mlx-lm's `BatchGenerator`: each
token reads the weights once for all answers, and each cache is padded to the longest. Only the
worker imports this module, and only its computing thread calls it: MLX's streams belong to the
thread that made them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import field
from typing import TYPE_CHECKING, Any

import mlx.core as mx
from mlx_lm.generate import BatchGenerator, generation_stream
from mlx_lm.models.cache import can_trim_prompt_cache, make_prompt_cache, trim_prompt_cache

from localai.dataclass import dataclass
from localai.engine.mlx.answer_stream import AnswerStream, Last
from localai.engine.mlx.conversations import CachedConversation
from localai.engine.mlx.sampling import PENALTY_WINDOW_TOKENS, Sampler, processors, sampler

if TYPE_CHECKING:
    from localai.engine.mlx.server import Job

# Tokens of a prompt that are computed in one step, alone and beside others. A client that went away
# is noticed, and the others' next tokens come, between two steps. mlx-lm's own step is 2048: on an
# M4 Max a prompt took 1.17 of its time with 512 (mlx-lm #406). On a CPU larger steps are no faster:
# 17 tokens a second with steps of 26 and of 512 (SmolLM2, 2 cores).
_ALONE_TOKENS = {mx.DeviceType.gpu: 2048, mx.DeviceType.cpu: 32}
_BESIDE_OTHERS_TOKENS = {mx.DeviceType.gpu: 512, mx.DeviceType.cpu: 32}
# MLX keeps the memory of arrays for the next ones of their size, and a cache grows.
_CLEAR_EVERY_TOKENS = 256


@dataclass(slots=True)
class Run:
    """One answer while it is computed.

    `conversation` has the cache and the tokens in it, `todo` the tokens that must be computed next.
    The last of these is computed for what follows it.
    """

    job: Job
    answer: AnswerStream
    ends_with: frozenset[int]
    max_tokens: int
    conversation: CachedConversation
    todo: list[int]
    has_ended: bool = False
    failure: Exception | None = None
    _seed: int = field(init=False)

    def __post_init__(self) -> None:
        seed = self.answer.parts.options.seed
        self._seed = int.from_bytes(os.urandom(4)) if seed is None else seed

    @property
    def length(self) -> int:
        """The tokens of the prompt and of the answer so far."""
        return len(self.answer.prompt) + self.answer.generated

    @property
    def left(self) -> int:
        """How many tokens the answer may still have."""
        return self.max_tokens - self.answer.generated

    def sampler(self) -> Sampler:
        """Chooses this answer's tokens from the next one on, whoever is computed beside it."""
        return sampler(self.answer.parts.options, self._seed, self.answer.generated)

    def send(self, token: int, logprobs: mx.array) -> bool:
        """Send the next token of the answer. True when it has ended, or failed."""
        last: Last = None
        if token in self.ends_with:
            last = "stop"
        elif self.left == 1:
            last = "length"
        try:
            self.has_ended = self.answer.feed(token, logprobs, last)
        except Exception as error:  # noqa: BLE001 - one answer must not end those beside it
            self.failure = error
            self.has_ended = True
        return self.has_ended


class Alone:
    """Decodes one answer, token by token."""

    def __init__(self, model: Any, run: Run) -> None:
        self._model = model
        self._run = run
        self._choose = run.sampler()
        self._processors = processors(run.answer.parts.options)
        # The next token, which is not in the cache yet, and the log probabilities it came from.
        self._next: tuple[mx.array, mx.array] | None = None

    @property
    def runs(self) -> list[Run]:
        """Whom it computes."""
        return [] if self._run.has_ended else [self._run]

    def step(self) -> list[Run]:
        """Compute a part of the prompt, or a token. Returns who has ended."""
        with mx.stream(generation_stream):
            if self._next is None:
                self._read()
                return []
            return [self._run] if self._decode(*self._next) else []

    def leave(self) -> None:
        """Stop, so that another may go on with the run, unless it ends by that."""
        if self._next is not None:
            token, logprobs = self._next
            number = int(token.item())
            self._run.todo = [number]
            self._run.send(number, logprobs)

    def take_out(self, run: Run) -> None:
        """Stop with an answer that nobody waits for; its cache stays as it is."""
        run.has_ended = True

    def close(self) -> None:
        """Free what it holds."""

    def _read(self) -> None:
        run = self._run
        most = _ALONE_TOKENS[mx.default_device().type]
        part = run.todo[: min(most, len(run.todo) - 1)] or run.todo
        if part == run.todo:
            self._next = self._forward(mx.array(part))
            mx.async_eval(*self._next)
        else:
            cache = run.conversation.cache
            self._model(mx.array(part)[None], cache=cache)
            mx.eval([layer.state for layer in cache])
            mx.clear_cache()
        run.conversation.tokens += part
        run.todo = run.todo[len(part) :]
        run.answer.has_read(len(run.conversation.tokens))

    def _decode(self, token: mx.array, logprobs: mx.array) -> bool:
        run = self._run
        goes_on = run.left > 1
        if goes_on:
            # Begun before the last one is waited for, so that the device is never idle.
            self._next = self._forward(token)
            mx.async_eval(*self._next)
        number = int(token.item())
        if goes_on:
            run.conversation.tokens.append(number)
        if run.answer.generated % _CLEAR_EVERY_TOKENS == 0:
            mx.clear_cache()
        return run.send(number, logprobs)

    def _forward(self, tokens: mx.array) -> tuple[mx.array, mx.array]:
        """The token that follows `tokens`, and all tokens' log probabilities."""
        conversation = self._run.conversation
        logits = self._model(tokens[None], cache=conversation.cache)[:, -1, :]
        if self._processors:
            last = conversation.tokens[-PENALTY_WINDOW_TOKENS:]
            before = mx.concatenate([mx.array(last, mx.int32), tokens])
            for process in self._processors:
                logits = process(before, logits)
        logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        return self._choose(logprobs), logprobs.squeeze(0)


class Together:
    """Decodes several answers, a token of each at a time; `most` at once."""

    def __init__(self, model: Any, ends_with: Iterable[int], most: int) -> None:
        self._model = model
        self._generator = BatchGenerator(
            model,
            stop_tokens=[[token] for token in ends_with],
            completion_batch_size=most,
            # Together no more than one alone computes in a step: that much memory is reckoned with.
            prefill_batch_size=4,
            prefill_step_size=_BESIDE_OTHERS_TOKENS[mx.default_device().type],
        )
        self._runs: dict[int, Run] = {}
        self._tokens_before: dict[int, int] = {}

    @property
    def runs(self) -> list[Run]:
        """Whom it computes, the one who came last at the end."""
        return list(self._runs.values())

    def add(self, run: Run) -> None:
        """Compute `run`, too, from its next token on."""
        tokens = list(run.conversation.tokens)
        [number] = self._generator.insert(
            [list(run.todo)],
            max_tokens=[run.left],
            caches=[run.conversation.cache],
            all_tokens=[tokens],
            samplers=[run.sampler()],
            logits_processors=[processors(run.answer.parts.options)],
        )
        self._runs[number] = run
        self._tokens_before[number] = len(tokens)
        # It has gone into the common cache; here it would take its memory once more.
        run.conversation.cache = []

    def step(self) -> list[Run]:
        """Compute a token of each answer, and a part of the prompts. Returns who has ended."""
        read, made = self._generator.next()
        for part in read:
            self._runs[part.uid].answer.has_read(self._tokens_before[part.uid] + part.progress[0])
        ended = []
        for response in made:
            run = self._runs[response.uid]
            has_ended = run.send(response.token, response.logprobs)
            if response.finish_reason is not None:
                self._forget(response.uid, response.prompt_cache, response.all_tokens)
            elif has_ended:
                self.take_out(run)
            if has_ended:
                ended.append(run)
        return ended

    def take_out(self, run: Run) -> None:
        """Stop with `run`; its cache and the tokens in it are its own again."""
        number = next(number for number, each in self._runs.items() if each is run)
        found = self._generator.remove([number], return_prompt_caches=True)
        self._forget(number, *found[number])

    def suspend(self, run: Run) -> None:
        """Stop with `run` so that it may go on later."""
        self.take_out(run)
        conversation = run.conversation
        computed = len(conversation.tokens)
        if computed < run.length - run.answer.generated:
            run.todo = run.answer.prompt[computed:]
        elif can_trim_prompt_cache(conversation.cache):
            trim_prompt_cache(conversation.cache, 1)
            run.todo = [conversation.tokens.pop()]
        else:
            run.todo = conversation.tokens
            conversation.tokens = []
            conversation.cache = make_prompt_cache(self._model)

    def close(self) -> None:
        """Free what it holds."""
        self._generator.close()

    def _forget(self, number: int, cache: list[Any], tokens: list[int]) -> None:
        run = self._runs.pop(number)
        del self._tokens_before[number]
        run.conversation.cache = cache
        run.conversation.tokens = list(tokens)
