"""A server of the user's own: llama.cpp's real one, and one that misbehaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localai.config import Endpoint
from localai.providers.endpoint import open_endpoint
from localai.providers.provider import Provider
from tests.contract.rows import Row, Subject, identity
from tests.support.own_server import MODEL, SLOT_TOKENS, LlamaServer
from tests.support.scripted_server import ScriptedServer
from tests.support.wires import ChatCompletionsWire


def provider_at(url: str, home: Path, context: int | None = None) -> Provider:
    config, _ = identity(home)
    return open_endpoint(Endpoint("work", f"{url}/v1", context=context), config)


@contextmanager
def real(request: pytest.FixtureRequest) -> Iterator[Subject]:
    server: LlamaServer = request.getfixturevalue("llama_server")
    home: Path = request.getfixturevalue("tmp_path_factory").mktemp("endpoint")
    provider = provider_at(server.url, home, SLOT_TOKENS)
    yield Subject(provider, provider.resolve(MODEL), server.is_computing)


def scripted(server: ScriptedServer, home: Path) -> Subject:
    provider = provider_at(server.url, home)
    return Subject(provider, provider.resolve("scripted"))


_LEFT_OUT = "llama.cpp leaves out tools that a template does not know, without a word"

ROW = Row(
    real,
    scripted,
    ChatCompletionsWire(),
    cannot={"test_tools_are_refused_where_the_template_knows_none": _LEFT_OUT},
)
