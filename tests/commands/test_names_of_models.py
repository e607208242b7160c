"""What belongs to a name and not to its bytes: an adapter, a licence, the file that it means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.output.documents.list import List
from localai.output.documents.show import Show
from tests.formats.synthetic import Spec, write
from tests.stores.test_lookup import put_in_ollama
from tests.support.command import RunLocalai
from tests.support.file_server import FileServer
from tests.support.promise import checked

LIBRARY = "registry.ollama.ai/library"


@pytest.fixture
def ollama_store(command_environment: dict[str, str], tmp_path: Path) -> Path:
    """A store of Ollama's, which does not run."""
    root = tmp_path / "ollama"
    command_environment |= {"OLLAMA_MODELS": str(root), "OLLAMA_HOST": "127.0.0.1:9"}
    return root


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    [path] = write(tmp_path / "tiny.gguf", Spec("llama", layers=1))
    return path


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as server:
        yield server


def test_an_adapted_model_is_listed_beside_its_base_and_removed_without_it(
    run_localai: RunLocalai, ollama_store: Path, tiny: Path
) -> None:
    put_in_ollama(ollama_store, tiny, f"{LIBRARY}/base/latest")
    put_in_ollama(ollama_store, tiny, f"{LIBRARY}/tuned/latest", {"adapter": "lora"})
    listed = checked(List, run_localai("list", "--json").stdout)["models"]
    engines = {each["model"]: each["providers"] for each in listed}
    assert "llamacpp" in engines["base:latest"]
    assert {"llamacpp", "ollama"} <= set(engines["tuned:latest"])
    asked = run_localai("chat", "-m", "tuned", "hello")
    assert asked.returncode in (3, 5)
    assert b"adapter" in asked.stderr
    removed = run_localai("rm", "--yes", "tuned")
    assert removed.returncode == 0, removed.stderr
    listed = checked(List, run_localai("list", "--json").stdout)["models"]
    assert [each["model"] for each in listed] == ["base:latest"]
    assert len(list((ollama_store / "blobs").iterdir())) == 1


def test_a_licence_is_that_of_the_name(
    run_localai: RunLocalai, ollama_store: Path, tiny: Path
) -> None:
    put_in_ollama(ollama_store, tiny, f"{LIBRARY}/bare/latest")
    put_in_ollama(ollama_store, tiny, f"{LIBRARY}/free/latest", {"license": "MIT License\n\n…"})
    put_in_ollama(ollama_store, tiny, f"{LIBRARY}/strict/latest", {"license": "Strict Terms 1.0"})
    licenses = {
        name: checked(Show, run_localai("show", "--json", name).stdout)["license"]
        for name in ("bare", "free", "strict")
    }
    assert licenses == {"bare": None, "free": "MIT License", "strict": "Strict Terms 1.0"}


def test_a_file_name_that_another_model_has_is_not_taken_from_it_unasked(
    run_localai: RunLocalai, server: FileServer, tiny: Path, localai_home: Path
) -> None:
    first = server.put("/one/model.gguf", tiny.read_bytes())
    other = server.put("/two/model.gguf", tiny.read_bytes() + bytes(32))
    kept = localai_home / "data/models/model.gguf"
    assert run_localai("pull", first).returncode == 0
    refused = run_localai("pull", other)
    assert refused.returncode == 2
    assert f"{kept} is another model's, and would be replaced" in refused.stderr.decode()
    assert kept.read_bytes() == tiny.read_bytes()
    assert run_localai("pull", f"{first}?signature=2").returncode == 0
    assert run_localai("pull", "--force", other).returncode == 0
    assert kept.read_bytes() == tiny.read_bytes() + bytes(32)


def test_an_adopted_file_keeps_its_name(
    run_localai: RunLocalai, server: FileServer, tiny: Path
) -> None:
    assert run_localai("pull", tiny).returncode == 0
    other = server.put("/tiny.gguf", tiny.read_bytes() + bytes(32))
    assert run_localai("pull", other).returncode == 2
    assert tiny.stat().st_size == len(server.files["/tiny.gguf"].content) - 32
