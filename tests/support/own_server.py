"""A server of the user's own: llama.cpp's on loopback TCP with SmolLM2, once a session.

Nobody here wrote it. It speaks Chat Completions, OpenAI's Responses API and Anthropic's Messages
API. Two slots of 512 tokens each, and greedy where a request does not say otherwise.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import STARTUP_TIMEOUT_S, bare_environment, free_port, running_server

SLOT_TOKENS = 512
MODEL = "smollm2"


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """A running llama.cpp server."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """Its origin, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> Any:
        """The JSON answer to a GET."""
        # An opener of its own: urlopen would send loopback through a proxy of the environment.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url + path, timeout=30) as response:
            return json.load(response)

    def is_computing(self) -> bool:
        """Whether it generates right now."""
        return any(slot["is_processing"] for slot in self.get("/slots"))


@pytest.fixture(scope="session")
def llama_server(
    smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LlamaServer]:
    """llama.cpp's own server in a process of its own, on a free port of loopback."""
    home = tmp_path_factory.mktemp("llama-server")
    port = free_port()
    command = [sys.executable, "-m", "tests.support.own_server", str(smollm2_path), str(port)]
    own = {"PYTHONPATH": str(Path(__file__).parents[2])}
    environment = bare_environment(home) | own
    with running_server(command, environment, port, home / "log") as process:
        server = LlamaServer(port, process.pid)
        _wait_until_loaded(server)
        yield server


def _wait_until_loaded(server: LlamaServer) -> None:
    """It listens, and answers 503, before it has loaded the model."""
    deadline = time.monotonic() + STARTUP_TIMEOUT_S
    while time.monotonic() < deadline:
        with suppress(urllib.error.HTTPError):
            server.get("/health")
            return
        time.sleep(0.05)
    raise AssertionError("llama.cpp's server does not load its model")


def serve(model: str, port: int) -> None:
    """Serve `model` until the process is ended."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.model_alias = {MODEL}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_parallel = 2
    parameters.n_ctx = 2 * SLOT_TOKENS
    parameters.kv_unified = False
    parameters.cache_ram_mib = 64
    parameters.warmup = False
    parameters.ui = False
    parameters.endpoint_slots = True
    # The Messages API has no temperature any more; answers in tests shall repeat all the same.
    parameters.sampling.temp = 0.0
    server = xllamacpp.Server(parameters)
    time.sleep(3600)
    del server


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
