"""Ollama: a real one with SmolLM2, and the scripted server for what it does not do on demand."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from localai.types import ResolvedModel, Zone
from tests.contract.rows import Row, Subject
from tests.support.cpu import descendants, is_busy
from tests.support.ollama import OllamaServer
from tests.support.scripted_server import ScriptedServer
from tests.support.wires import OllamaWire


def real(fixture: str) -> Callable[[pytest.FixtureRequest], AbstractContextManager[Subject]]:
    """The provider against the real server that `fixture` starts."""

    @contextmanager
    def opened(request: pytest.FixtureRequest) -> Iterator[Subject]:
        from tests.support.answers import open_ollama

        server: OllamaServer = request.getfixturevalue(fixture)
        home = request.getfixturevalue("tmp_path_factory").mktemp("contract")
        provider = open_ollama(home, server.host)

        # Ollama computes in a runner, which is a child of the server.
        def kill() -> None:
            for runner in descendants(server.pid):
                os.kill(runner, signal.SIGKILL)

        model = provider.resolve("smollm2:135m")
        yield Subject(provider, model, lambda: is_busy(server.pid), kill)

    return opened


def scripted(server: ScriptedServer, home: Path) -> Subject:
    from tests.support.answers import open_ollama

    provider = open_ollama(home, server.address)
    model = ResolvedModel("ollama", "scripted:latest", Zone.DEVICE, "a scripted server")
    return Subject(provider, model)


ROW = Row(real=real("ollama_server"), scripted=scripted, wire=OllamaWire(), kill=True)
