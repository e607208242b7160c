"""Servers whose head never ends, read by the official SDKs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localai.errors import LocalaiError
from localai.fetch.allowed_hosts import AllowedHosts, web_server
from localai.fetch.hub import Hub
from localai.net.target import client_target
from localai.providers import ollama_models
from localai.stores.references import HubReference
from localai.wires import limits
from tests.contract import row_anthropic, row_openai
from tests.providers.scripted import question
from tests.support.clock import within
from tests.support.endless_heads import HEADS, endless_head

pytestmark = pytest.mark.clock

_LIMITS = (
    "localai.providers.sdk._LONGEST_BODY_S",
    "localai.providers.ollama_models._LONGEST_PART_S",
    "localai.fetch.hub_client._LONGEST_S",
)


@pytest.fixture(params=HEADS)
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(limits, "LONGEST_HIDDEN_PAUSE_S", 0.3)
    for limit in _LIMITS:
        monkeypatch.setattr(limit, 0.3)
    with endless_head(request.param) as port:
        yield f"http://127.0.0.1:{port}"


def _openai_answers(url: str, home: Path) -> None:
    list(row_openai.provider_at(url, home).stream(question()))


def _openai_lists(url: str, home: Path) -> None:
    row_openai.provider_at(url, home).models()


def _anthropic_answers(url: str, home: Path) -> None:
    list(row_anthropic.provider_at(url, home).stream(question()))


def _anthropic_finds(url: str, home: Path) -> None:
    row_anthropic.provider_at(url, home).resolve("m")


def _ollama_pulls(url: str, home: Path) -> None:
    list(ollama_models.pull(client_target(url, 11434), "m"))


def _ollama_deletes(url: str, home: Path) -> None:
    ollama_models.delete(client_target(url, 11434), "m")


def _hub_lists(url: str, home: Path) -> None:
    with AllowedHosts() as hosts:
        hosts.permit(web_server(url))
        Hub(url, hosts, {"HF_HUB_CACHE": str(home)}).plan(HubReference("org/repo", None))


@pytest.mark.parametrize(
    "ask",
    [
        _openai_answers,
        _openai_lists,
        _anthropic_answers,
        _anthropic_finds,
        _ollama_pulls,
        _ollama_deletes,
        _hub_lists,
    ],
)
def test_a_head_without_an_end_is_an_error(
    url: str, tmp_path: Path, ask: Callable[[str, Path], None]
) -> None:
    with within(20), pytest.raises(LocalaiError) as caught:
        ask(url, tmp_path)
    assert type(caught.value) is not LocalaiError
    assert "not ended in 0 s" in str(caught.value) or "nothing of an answer" in str(caught.value)
