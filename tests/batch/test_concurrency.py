"""How many requests are asked at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.batch.concurrency import allowed_concurrency, make_ready
from localai.chat.select import SelectedModel
from localai.config import load
from localai.errors import ContextOverflow, InsufficientResources
from localai.events import Events
from localai.paths import locate
from localai.providers.provider import Provider
from localai.types import ChatRequest, Message, Options, ResolvedModel, Zone

MODEL = ResolvedModel("small", "m", Zone.DEVICE, "", context_limit=8192)
REQUEST = ChatRequest(MODEL, (Message("user", "hello"),), Options(max_tokens=1000))


class SmallMachine(Provider):
    """A provider whose memory holds `tokens` of context."""

    name = "small"

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.prepared: list[tuple[int, int]] = []

    def models(self) -> list[ResolvedModel]:
        return [MODEL]

    def resolve(self, name: str) -> ResolvedModel:
        return MODEL

    def stream(self, request: ChatRequest) -> Events:
        yield from ()

    def prepare(self, request: ChatRequest, concurrency: int, context_tokens: int) -> int:
        self.prepared.append((concurrency, context_tokens))
        if context_tokens > self.tokens:
            raise InsufficientResources("too much")
        return context_tokens


def test_memory_for_fewer_means_fewer_at_once() -> None:
    machine = SmallMachine(3000)
    concurrency, _ = make_ready(SelectedModel(machine, MODEL), 8, [REQUEST])
    assert concurrency == 2
    assert [tried for tried, _ in machine.prepared] == [8, 4, 2]


def test_memory_for_none_is_the_error() -> None:
    with pytest.raises(InsufficientResources):
        make_ready(SelectedModel(SmallMachine(10), MODEL), 8, [REQUEST])


def test_a_line_that_no_context_holds_is_not_a_matter_of_memory() -> None:
    class Strict(SmallMachine):
        def prepare(self, request: ChatRequest, concurrency: int, context_tokens: int) -> int:
            super().prepare(request, concurrency, context_tokens)
            raise ContextOverflow("too long")

    machine = Strict(1 << 30)
    with pytest.raises(ContextOverflow):
        make_ready(SelectedModel(machine, MODEL), 8, [REQUEST])
    assert len(machine.prepared) == 1


@pytest.mark.parametrize(
    ("provider", "asked", "settings", "expected"),
    [
        ("llamacpp", None, "", 8),
        ("llamacpp", None, "[engine]\nslots = 3\n", 3),
        ("llamacpp", 16, "[engine]\nslots = 3\n", 16),
        ("llamacpp", 4096, "", 64),
        ("farm", None, '[endpoint.farm]\nurl = "http://127.0.0.1/v1"\n', 8),
        ("farm", None, '[endpoint.farm]\nurl = "http://127.0.0.1/v1"\nconcurrency = 48\n', 48),
        ("farm", 200, '[endpoint.farm]\nurl = "http://127.0.0.1/v1"\nconcurrency = 48\n', 200),
        ("a-third-party-s", None, "", 4),
    ],
)
def test_what_was_asked_for_goes_before_the_config_and_that_before_the_default(
    localai_home: Path, provider: str, asked: int | None, settings: str, expected: int
) -> None:
    (localai_home / "config.toml").write_text(settings)
    assert allowed_concurrency(provider, asked, load(locate())) == expected
