"""Anthropic's SDK against llama.cpp's real `/v1/messages`, and against documented events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from localai.net.target import client_target
from localai.providers.anthropic import Anthropic
from localai.providers.destination import Destination
from tests.contract.rows import Row, Subject, identity
from tests.support.cloud_wires import MessagesWire
from tests.support.own_server import MODEL, SLOT_TOKENS, LlamaServer
from tests.support.scripted_server import ScriptedServer
from tests.support.without_options import WithoutOptions


def provider_at(url: str, home: Path) -> Anthropic:
    """The provider, speaking to `url` instead of to Anthropic."""
    config, _ = identity(home)
    destination = Destination("anthropic", client_target(url, 80), "anthropic")
    return Anthropic(config, destination, key=lambda: "test-key")


@contextmanager
def real(request: pytest.FixtureRequest) -> Iterator[Subject]:
    server: LlamaServer = request.getfixturevalue("llama_server")
    home: Path = request.getfixturevalue("tmp_path_factory").mktemp("anthropic")
    provider = provider_at(server.url, home)
    # The server's context; its list of models does not say it in this API's terms.
    model = replace(provider.resolve(MODEL), context_limit=SLOT_TOKENS)
    # The Messages API has no seed, and no temperature since its version 2026-10-21.
    yield Subject(WithoutOptions(provider, "seed", "temperature"), model, server.is_computing)
    provider.close()


def scripted(server: ScriptedServer, home: Path) -> Subject:
    provider = provider_at(server.url, home)
    return Subject(provider, provider.resolve("scripted"))


_LEFT_OUT = "llama.cpp leaves out tools that a template does not know, without a word"

ROW = Row(
    real,
    scripted,
    MessagesWire(),
    cannot={
        "test_schema": "llama.cpp's /v1/messages does not look at output_config",
        "test_tools_are_refused_where_the_template_knows_none": _LEFT_OUT,
    },
)
