"""The requests of one row: prompts of the right length, each beginning like none before it."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from typing import Final

from localai.bench.plan import Test
from localai.bench.recording import record
from localai.bench.subject import Subject
from localai.bench.workload import EDIT, code_begins, fitted_text, nonce
from localai.chat.request import AskSettings, build_request
from localai.errors import InvalidInput
from localai.types import ChatRequest, Message, Options
from localai.units import counted

# Asking for an answer only to learn how long the prompt was: no more often than this.
_MOST_ASKED: Final = 6


class Prompts:
    """Makes the requests of `test` for `subject`; `context_tokens` is the context to ask for, None
    to leave it. `source` draws what makes each prompt new."""

    def __init__(
        self,
        subject: Subject,
        test: Test,
        context_tokens: int | None,
        source: random.Random,
        keep_alive_s: float | None,
        force: bool,
    ) -> None:
        self._subject = subject
        self._test = test
        self._context_tokens = context_tokens
        self._source = source
        self._keep_alive_s = keep_alive_s
        self._force = force
        self._prefix_nonce = nonce(source)
        self._prefix = ""
        self._text = ""
        self._asked = 0

    def fit(self) -> None:
        """Find the texts that have the test's lengths. Counted by the provider, else by what it
        says of an answer. Raises what the provider raises."""
        test = self._test
        if test.depth_tokens:
            self._prefix = self._fitted(test.depth_tokens, lambda text: text, 0)
        tokens, skipped, end = test.depth_tokens + max(1, test.prompt_tokens), len(self._prefix), ""
        if test.profile == "code-edit":
            skipped, end = code_begins(), EDIT
        fitted = self._fitted(tokens, lambda text: self._after_prefix(text + end), skipped)
        self._text = fitted + end

    def prefix(self) -> ChatRequest | None:
        """The request after which the test's depth is in the cache; None for a test without."""
        if not self._test.depth_tokens:
            return None
        return self._request(self._prefix_nonce, self._prefix, 1, may_reuse=True)

    def next(self) -> ChatRequest:
        """A request of the test."""
        output = max(1, self._test.output_tokens)
        if self._test.depth_tokens:
            text = self._after_prefix(self._text)
            return self._request(self._prefix_nonce, text, output, may_reuse=True)
        return self._request(nonce(self._source), self._text, output)

    def loading(self) -> ChatRequest:
        """A request with which the model can be loaded."""
        return self._request("", "hello", 1)

    def _after_prefix(self, text: str) -> str:
        if not self._prefix:
            return text
        return f"{self._prefix}\n\n{nonce(self._source)}. {text}"

    def _fitted(self, tokens: int, whole: Callable[[str], str], skipped: int) -> str:
        first = nonce(self._source)
        self._asked = 0

        @cache
        def count(text: str) -> int | None:
            return self._count(self._request(first, whole(text), 1))

        shortest = count("") if self._test.prompt_tokens else None
        if shortest is not None and shortest > tokens:
            raise InvalidInput(
                f"a prompt of {counted(tokens, 'token')} is too short: with the words that make it"
                f" new and what the template adds it has {counted(shortest, 'token')} at least"
            )
        return fitted_text(count, tokens, skipped)

    def _count(self, request: ChatRequest) -> int | None:
        provider = self._subject.selected.provider
        counted = provider.count_tokens(request)
        if counted is not None or self._asked >= _MOST_ASKED:
            return counted
        self._asked += 1
        return record(provider, request, 0).sample.input_tokens

    def _request(
        self, first: str, text: str, output_tokens: int, *, may_reuse: bool = False
    ) -> ChatRequest:
        subject = self._subject
        extra = dict(subject.facts.when_measured)
        can_forget = "cache_prompt" in extra
        if may_reuse:
            extra.pop("cache_prompt", None)
        settings = AskSettings(
            system="",
            options=Options(temperature=0.0, max_tokens=output_tokens, extra=extra),
            context_tokens=self._context_tokens,
            keep_alive_s=self._keep_alive_s,
            force=self._force,
        )
        messages: tuple[Message, ...] = (Message("user", f"{first}. {text}" if first else text),)
        if first and not can_forget:
            # A template may begin with words of its own, which a cache would always have.
            messages = (Message("system", first), Message("user", text or "Go on."))
        return build_request(settings, subject.selected.model, messages, subject.config)
