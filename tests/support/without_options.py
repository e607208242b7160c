"""A provider that is asked without the options its API does not have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from localai.events import Events
from localai.providers.provider import Provider
from localai.types import ChatRequest, Options, ResolvedModel


class WithoutOptions(Provider):
    """`provider`, with the options `names` taken out of each request.

    For the contract suite, whose questions are greedy with a seed: a cloud refuses what it does
    not know, which is a test of its own.
    """

    def __init__(self, provider: Provider, *names: str) -> None:
        self._provider = provider
        self._names = names
        self.name = provider.name

    def models(self) -> list[ResolvedModel]:
        return self._provider.models()

    def resolve(self, name: str) -> ResolvedModel:
        return self._provider.resolve(name)

    def stream(self, request: ChatRequest) -> Events:
        without: dict[str, Any] = {name: getattr(Options(), name) for name in self._names}
        options = replace(request.options, **without)
        return self._provider.stream(replace(request, options=options))

    def destination(self, model: ResolvedModel) -> str | None:
        return self._provider.destination(model)

    def prepare(self, request: ChatRequest, concurrency: int, context_tokens: int) -> int | None:
        return self._provider.prepare(request, concurrency, context_tokens)

    def loaded(self, model: ResolvedModel) -> bool | None:
        return self._provider.loaded(model)

    def warm(self, request: ChatRequest) -> None:
        self._provider.warm(request)

    def unload(self, model: ResolvedModel) -> None:
        self._provider.unload(model)

    def close(self) -> None:
        self._provider.close()
