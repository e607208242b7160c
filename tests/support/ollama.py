"""Real Ollamas with SmolLM2 in them, each once a session."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import bare_environment, free_port, running_server
from tests.support.weights import SYSTEM_PROMPT, require

NOBODY = 9
"""A port on which nobody listens."""
# With several threads each waits for the others by computing: beside other tests' programs that
# takes all their time, and a small model gains nothing by it.
ONE_THREAD = "PARAMETER num_thread 1"
"""A line of every Modelfile."""


@dataclass(frozen=True, slots=True)
class OllamaServer:
    """A running Ollama that has `smollm2:135m` and, the same under another name, `qwen3:8b`."""

    binary: Path
    port: int
    pid: int
    home: Path
    models: Path
    log: Path

    @property
    def host(self) -> str:
        """What OLLAMA_HOST should say to reach it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Its origin, without a slash at the end."""
        return f"http://{self.host}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the server, which its command-line client needs too."""
        own = {
            "OLLAMA_HOST": self.host,
            "OLLAMA_MODELS": str(self.models),
            # Tests are offline, and at each start it asks its makers for news.
            "HTTPS_PROXY": f"http://127.0.0.1:{NOBODY}",
        }
        return bare_environment(self.home) | own

    def run(self, *arguments: str | Path) -> None:
        """Run `ollama ARGUMENTS` against it. Raises CalledProcessError with its output."""
        subprocess.run(
            [self.binary, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            check=True,
            capture_output=True,
            timeout=120,
        )

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON answer to a POST of `body`. Raises HTTPError as urllib does."""
        return json.loads(self._send("POST", path, body))

    def _send(self, method: str, path: str, body: dict[str, Any]) -> bytes:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), method=method)
        # An opener of its own: urlopen would send loopback through a proxy of the environment.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=120) as response:
            content: bytes = response.read()
        return content

    def create_cloud_alias(self, name: str, remote_host: str = "https://ollama.com:443") -> None:
        """Make a model that looks local, and whose prompts the server sends to `remote_host`."""
        body = {"model": name, "from": "gpt-oss:120b", "remote_host": remote_host, "stream": False}
        assert self.post("/api/create", body) == {"status": "success"}

    def copy(self, name: str, to: str) -> None:
        """Give a model another name besides."""
        self._send("POST", "/api/copy", {"source": name, "destination": to})

    def delete(self, name: str) -> None:
        """Remove a model. What computes stays in memory for its other names: `ollama rm` ends it
        first, and loading it again is most of a second of processor time."""
        self._send("DELETE", "/api/delete", {"model": name})


@pytest.fixture(scope="session")
def ollama_server(
    smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OllamaServer]:
    """A real Ollama on a free port of loopback, with models and a home of its own."""
    with _filled(require("ollama"), tmp_path_factory.mktemp("ollama"), smollm2_path) as server:
        yield server


@pytest.fixture(scope="session")
def newer_ollama_server(
    smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OllamaServer]:
    """The same of a version that computes in llama.cpp's server."""
    home = tmp_path_factory.mktemp("newer-ollama")
    with _filled(require("newer-ollama"), home, smollm2_path) as server:
        yield server


@contextmanager
def _filled(binary: Path, home: Path, smollm2: Path) -> Iterator[OllamaServer]:
    with start_ollama(binary, home) as server:
        modelfile = home / "Modelfile"
        text = f'FROM {smollm2}\nSYSTEM "{SYSTEM_PROMPT}"\n{ONE_THREAD}\n'
        modelfile.write_text(text)
        server.run("create", "smollm2:135m", "--file", modelfile)
        server.copy("smollm2:135m", "qwen3:8b")
        yield server


@contextmanager
def start_ollama(binary: Path, home: Path) -> Iterator[OllamaServer]:
    """Run an Ollama whose files are all under `home`; it has no models that are not there yet."""
    port, log = free_port(), home / "ollama.log"
    stopped = OllamaServer(binary, port, 0, home, home / "models", log)
    with running_server([binary, "serve"], stopped.environment, port, log) as process:
        yield replace(stopped, pid=process.pid)
