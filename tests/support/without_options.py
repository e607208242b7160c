"""A provider that is asked without the options its API does not have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from localai.types import ChatRequest, Event, Options, Provider, ResolvedModel, Zone


class WithoutOptions:
    """`provider`, with the options `names` taken out of each request.

    For the contract suite, whose questions are greedy with a seed: a cloud refuses what it does
    not know, which is a test of its own.
    """

    def __init__(self, provider: Provider, *names: str) -> None:
        self._provider = provider
        self._names = names
        self.name = provider.name

    @property
    def zone(self) -> Zone | None:
        return self._provider.zone

    def models(self) -> list[ResolvedModel]:
        return self._provider.models()

    def resolve(self, name: str) -> ResolvedModel:
        return self._provider.resolve(name)

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        without: dict[str, Any] = {name: getattr(Options(), name) for name in self._names}
        options = replace(request.options, **without)
        return self._provider.stream(replace(request, options=options))

    def close(self) -> None:
        self._provider.close()
