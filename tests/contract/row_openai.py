"""OpenAI's SDK against llama.cpp's real `/v1/responses`, and against documented events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from localai.net.target import client_target
from localai.providers.destination import Destination
from localai.providers.openai import OpenAI
from tests.contract.rows import Row, Subject, identity
from tests.support.cloud_wires import ResponsesWire
from tests.support.own_server import MODEL, SLOT_TOKENS, LlamaServer
from tests.support.scripted_server import ScriptedServer
from tests.support.without_options import WithoutOptions


def provider_at(url: str, home: Path) -> OpenAI:
    """The provider, speaking to `url` instead of to OpenAI."""
    config, _ = identity(home)
    destination = Destination("openai", client_target(f"{url}/v1", 80), "openai")
    return OpenAI(config, destination, key=lambda: "test-key", key_remedy={"hint": "no hint"})


@contextmanager
def real(request: pytest.FixtureRequest) -> Iterator[Subject]:
    server: LlamaServer = request.getfixturevalue("llama_server")
    home: Path = request.getfixturevalue("tmp_path_factory").mktemp("openai")
    provider = provider_at(server.url, home)
    # The server's context; its list of models does not say it in this API's terms.
    model = replace(provider.resolve(MODEL), context_limit=SLOT_TOKENS)
    # The Responses API has no seed.
    yield Subject(WithoutOptions(provider, "seed"), model, server.is_computing)
    provider.close()


def scripted(server: ScriptedServer, home: Path) -> Subject:
    provider = provider_at(server.url, home)
    return Subject(provider, provider.resolve("scripted"))


_LEFT_OUT = "llama.cpp leaves out tools that a template does not know, without a word"

ROW = Row(
    real,
    scripted,
    ResponsesWire(),
    cannot={
        "test_stop": "the Responses API has no stop sequences; that it refuses is tested",
        "test_max_tokens": "llama.cpp says `completed` where OpenAI says `incomplete`",
        "test_tools_are_refused_where_the_template_knows_none": _LEFT_OUT,
        "test_schema": "llama.cpp's /v1/responses does not look at text.format",
    },
)
