"""A real OCI registry with a model that a real Ollama pushed, once a session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.ollama import OllamaServer
from tests.support.processes import bare_environment, free_port, running_server
from tests.support.weights import require

REPOSITORY = "library/smollm2"
TAG = "135m"

CONFIGURATION = """\
version: 0.1
storage:
  filesystem:
    rootdirectory: {storage}
http:
  addr: 127.0.0.1:{port}
"""


@dataclass(frozen=True, slots=True)
class OciRegistry:
    """A running registry over plain HTTP; its manifests want Docker's media type in Accept."""

    port: int
    pid: int
    storage: Path
    log: Path

    @property
    def host(self) -> str:
        """Host and port, as a model name carries them."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Its origin, without a slash at the end."""
        return f"http://{self.host}"

    @property
    def model(self) -> str:
        """The full name of the model in it."""
        return f"{self.host}/{REPOSITORY}:{TAG}"


@pytest.fixture(scope="session")
def oci_registry(
    ollama_server: OllamaServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OciRegistry]:
    """A real registry on a free port of loopback that holds `library/smollm2:135m`."""
    binary = require("registry")
    folder = tmp_path_factory.mktemp("registry")
    port, storage, log = free_port(), folder / "storage", folder / "registry.log"
    configuration = folder / "config.yml"
    configuration.write_text(CONFIGURATION.format(storage=storage, port=port))
    command: list[str | Path] = [binary, "serve", configuration]
    with running_server(command, bare_environment(folder), port, log) as process:
        registry = OciRegistry(port, process.pid, storage, log)
        ollama_server.copy("smollm2:135m", registry.model)
        ollama_server.run("push", "--insecure", registry.model)
        ollama_server.delete(registry.model)
        yield registry
