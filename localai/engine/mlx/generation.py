"""Answers by MLX: from Chat Completions bodies to the chunks of their streams.

Owns the model while it computes, and decides between two tokens who is computed: one answer alone,
or all that wait together, as far as their caches fit the room. Only the worker imports this module,
and only its computing thread calls it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import field
from typing import TYPE_CHECKING, Any

import mlx.core as mx
from mlx_lm.models.cache import make_prompt_cache

from localai.dataclass import dataclass
from localai.engine.mlx.answer_stream import AnswerStream
from localai.engine.mlx.conversations import CachedConversation, CachedConversations
from localai.engine.mlx.decoding import Alone, Run, Together
from localai.engine.mlx.prompts import Prompts
from localai.errors import ContextOverflow, InvalidInput
from localai.wires.chat_completions.server import parse

if TYPE_CHECKING:
    from localai.engine.mlx.server import Job

MOST_TOGETHER = 32
# The field of a request that localai adds to the wire's own.
_KEEP_ON_DISK = "keep_on_disk"
# mlx-lm's caches grow by so many tokens at a time.
_CACHE_STEP_TOKENS = 256


@dataclass(slots=True)
class Chat:
    """A loaded model and the conversations whose caches it keeps.

    `context_tokens` is the limit of a prompt and its answer together, `room_tokens` that of all
    caches which are computed together.
    """

    model: Any
    tokenizer: Any
    conversations: CachedConversations
    context_tokens: int
    room_tokens: int
    prompts: Prompts = field(init=False)
    _waiting: deque[Run] = field(default_factory=deque)
    _decoder: Alone | Together | None = None
    _most: int = field(init=False)

    def __post_init__(self) -> None:
        self.prompts = Prompts(self.tokenizer)
        caches = make_prompt_cache(self.model)
        self._most = MOST_TOGETHER if all(hasattr(cache, "merge") for cache in caches) else 1

    @property
    def is_busy(self) -> bool:
        """Whether an answer is computed, or waits for that."""
        return bool(self._waiting) or self._decoder is not None

    def begin(self, job: Job) -> None:
        """Have the answer to a Chat Completions body computed by the next steps. Raises
        InvalidInput and ContextOverflow."""
        parts = parse({name: value for name, value in job.body.items() if name != _KEEP_ON_DISK})
        if parts.schema is not None:
            raise InvalidInput("MLX cannot hold an answer to a schema")
        if parts.options.extra:
            raise InvalidInput(f"MLX has no option {min(parts.options.extra)!r}")
        prompt = self.prompts.tokens_of(parts, job.body.get("chat_template_kwargs") or {})
        room = self.context_tokens - len(prompt)
        if room < 1 or not prompt:
            raise ContextOverflow(
                f"the prompt has {len(prompt)} tokens, the context {self.context_tokens}",
                prompt_tokens=len(prompt),
                context_tokens=self.context_tokens,
            )
        answer = AnswerStream(
            self.tokenizer,
            parts,
            prompt,
            job.emit,
            shows_progress=bool(job.body.get("return_progress")),
        )
        run = Run(
            job,
            answer,
            ends_with=frozenset(self.tokenizer.eos_token_ids),
            max_tokens=min(parts.options.max_tokens or room, room),
            conversation=CachedConversation([], []),
            todo=prompt,
        )
        self._waiting.append(run)

    def step(self) -> list[Run]:
        """Compute a token of each answer, or a part of a prompt. Returns who has ended; of one that
        failed, `failure` says why."""
        known = self._runs()
        try:
            ended = self._without_abandoned() + self._admitted()
            if self._decoder is not None and self._decoder.runs:
                ended += self._decoder.step()
                self._make_room()
            for run in ended:
                self._give_back(run)
        except Exception as error:  # noqa: BLE001 - whatever MLX raises; the worker goes on
            # What the caches hold is unknown.
            self.conversations.forget()
            self._decoder = None
            ended = [run for run in known if run not in self._waiting]
            for run in ended:
                run.failure = run.failure or (None if run.has_ended else error)
        if self._decoder is not None and not self._decoder.runs:
            self._decoder.close()
            self._decoder = None
            mx.clear_cache()
        return ended

    def stop(self) -> list[Run]:
        """Stop with all answers and keep their caches. Returns whose these were."""
        for run in self._runs():
            run.job.cancelled.set()
        return self.step()

    def _runs(self) -> list[Run]:
        return [*(self._decoder.runs if self._decoder else ()), *self._waiting]

    def _without_abandoned(self) -> list[Run]:
        """Those whose client no longer waits, who are no longer computed either."""
        abandoned = [run for run in self._runs() if run.job.cancelled.is_set()]
        for run in abandoned:
            if run in self._waiting:
                self._waiting.remove(run)
            elif self._decoder is not None:
                self._decoder.take_out(run)
        return abandoned

    def _admitted(self) -> list[Run]:
        """Let in those who wait, in their order. Returns who ended by that."""
        ended = []
        while self._waiting and self._has_room(self._waiting[0]):
            run = self._waiting.popleft()
            if not run.answer.has_started:
                self._lend_cache(run)
            if isinstance(self._decoder, Together):
                self._decoder.add(run)
            elif self._decoder is None or not self._decoder.runs:
                self._decoder = Alone(self.model, run)
            else:
                [first] = self._decoder.runs
                self._decoder.leave()
                self._decoder = Together(self.model, run.ends_with, self._most)
                ended += [first] if first.has_ended else []
                for each in (first, run):
                    if not each.has_ended:
                        self._decoder.add(each)
        return ended

    def _lend_cache(self, run: Run) -> None:
        run.conversation = self.conversations.take(run.answer.prompt)
        run.conversation.private = not run.job.body.get(_KEEP_ON_DISK, True)
        cached = len(run.conversation.tokens)
        run.todo = run.answer.prompt[cached:]
        run.answer.starts(cached)

    def _has_room(self, run: Run) -> bool:
        """Whether `run` may be computed beside the others now."""
        runs = self._decoder.runs if self._decoder else []
        return not runs or (
            len(runs) < self._most and _padded_tokens([*runs, run]) <= self.room_tokens
        )

    def _make_room(self) -> None:
        """Let those who came last wait, until the others have room."""
        while isinstance(self._decoder, Together):
            runs = self._decoder.runs
            if len(runs) < 2 or _padded_tokens(runs) <= self.room_tokens:
                return
            self._decoder.suspend(runs[-1])
            self._waiting.appendleft(runs[-1])

    def _give_back(self, run: Run) -> None:
        if run.failure is None:
            self.conversations.give_back(run.conversation, self.room_tokens)


def _padded_tokens(runs: list[Run]) -> int:
    """What the caches of `runs` take together: each is as long as the longest, in whole steps."""
    longest = max(run.length for run in runs) + 1
    return len(runs) * (-(-longest // _CACHE_STEP_TOKENS) * _CACHE_STEP_TOKENS)
