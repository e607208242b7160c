"""Pull, create, delete and unload, against a real Ollama and a real registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.errors import LocalaiError, NotFound, ProviderRefused, Unreachable
from localai.net.target import Target, client_target
from localai.progress import WorkProgress
from localai.providers import ollama_models
from tests.support.answers import open_ollama
from tests.support.ollama import OllamaServer
from tests.support.processes import free_port
from tests.support.registry import OciRegistry


@pytest.fixture
def target(ollama_server: OllamaServer) -> Target:
    return client_target(ollama_server.host, 11434)


def names(server: OllamaServer, home: Path) -> set[str]:
    return {model.id for model in open_ollama(home, server.host).models()}


def test_a_pull_tells_how_far_it_is(
    target: Target, ollama_server: OllamaServer, oci_registry: OciRegistry, tmp_path: Path
) -> None:
    progress = list(ollama_models.pull(target, oci_registry.model, insecure=True))
    done = [each.done_bytes for each in progress]
    assert done == sorted(done)
    assert progress[-1].stage == "verifying"
    assert progress[-1].total_bytes is not None and progress[-1].total_bytes > 98_000_000
    assert progress[-1] == WorkProgress("verifying", progress[-1].total_bytes, done[-1])
    assert oci_registry.model in names(ollama_server, tmp_path)
    ollama_models.delete(target, oci_registry.model)
    assert oci_registry.model not in names(ollama_server, tmp_path)


def test_a_model_that_the_registry_lacks(target: Target, oci_registry: OciRegistry) -> None:
    with pytest.raises(LocalaiError) as caught:
        list(ollama_models.pull(target, f"{oci_registry.host}/library/no:such", insecure=True))
    assert type(caught.value) in (NotFound, ProviderRefused)


def test_a_file_becomes_a_model(
    target: Target, ollama_server: OllamaServer, smollm2_path: Path, tmp_path: Path
) -> None:
    ollama_models.create(target, "made:here", smollm2_path, system="You are brief.")
    try:
        model = open_ollama(tmp_path, ollama_server.host).resolve("made:here")
        assert model.system_prompt == "You are brief."
    finally:
        ollama_models.delete(target, "made:here")


def test_deleting_what_is_not_there(target: Target) -> None:
    with pytest.raises(NotFound):
        ollama_models.delete(target, "no-such-model")


def test_no_daemon() -> None:
    with pytest.raises(Unreachable) as caught:
        ollama_models.delete(client_target(f"127.0.0.1:{free_port()}", 11434), "m")
    assert caught.value.command == "ollama serve"
