"""`localai rm`: what goes, what stays, and that a kill in the middle leaves no ruin."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localai.paths import Paths
from localai.stores.starter import starter_path
from tests.formats.synthetic import MODELS, write
from tests.support.command import COMMAND, RunLocalai
from tests.support.ollama import OllamaServer, start_ollama
from tests.support.terminal import Terminal
from tests.support.weights import require

STOPPED = {"OLLAMA_HOST": "127.0.0.1:9"}


@pytest.fixture
def own_model(home_with_starter: Paths) -> Path:
    """A model of our own beside the starter, called `small`."""
    [path] = write(home_with_starter.models_dir / "small.gguf", MODELS["llama, tied"])
    return path


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, laconic_path: Path) -> Iterator[OllamaServer]:
    """An Ollama whose models may be removed."""
    home = tmp_path_factory.mktemp("ollama-rm")
    with start_ollama(require("ollama"), home) as server:
        (home / "Modelfile").write_text(f"FROM {laconic_path}\n")
        server.run("create", "first", "--file", home / "Modelfile")
        yield server


def removed(run_localai: RunLocalai, *arguments: str, **env: str) -> dict[str, Any]:
    result = run_localai("rm", "--json", *arguments, env={**STOPPED, **env})
    assert result.returncode == 0, result.stdout
    document: dict[str, Any] = json.loads(result.stdout)
    return document["removed"][0]


def names(run_localai: RunLocalai, **env: str) -> set[str]:
    result = run_localai("list", "--json", env={**STOPPED, **env})
    models = json.loads(result.stdout)["models"]
    return {place["name"] for model in models for place in model["places"]}


def test_a_model_of_our_own_goes_and_says_what_it_freed(
    own_model: Path, run_localai: RunLocalai
) -> None:
    size = own_model.stat().st_blocks * 512
    assert removed(run_localai, "small")["freed_bytes"] == size
    assert not own_model.exists()
    assert names(run_localai) == {"starter"}


def test_who_names_the_model_is_told(own_model: Path, run_localai: RunLocalai) -> None:
    for preset, base in (("critic", "small"), ("kind", "critic"), ("other", "starter")):
        assert run_localai("preset", "new", preset, "--from", base).returncode == 0
    assert run_localai("config", "set", "model", "llamacpp/small").returncode == 0

    result = run_localai("rm", "--dry-run", "small", env=STOPPED)
    said = result.stderr.decode()
    assert "the preset critic is made of small: localai preset edit critic" in said
    assert "small is the default model: localai config unset model" in said
    assert "kind" not in said and "other" not in said

    document = removed(run_localai, "small")
    assert (document["dependent_presets"], document["is_default"]) == (["critic"], True)
    of_preset = run_localai("rm", "critic", env=STOPPED).stderr.decode()
    assert "the preset kind is made of critic: localai preset edit kind" in of_preset
    assert "default model" not in of_preset
    assert removed(run_localai, "kind")["dependent_presets"] == []


def test_dry_run_removes_nothing(own_model: Path, run_localai: RunLocalai) -> None:
    result = run_localai("rm", "--dry-run", "small")
    assert result.stdout.decode().split() == [str(own_model)]
    assert own_model.exists()


def test_every_part_goes(home_with_starter: Paths, run_localai: RunLocalai) -> None:
    parts = write(home_with_starter.models_dir / "split.gguf", MODELS["llama, tied"], parts=3)
    sizes = [part.stat().st_blocks * 512 for part in parts]
    assert removed(run_localai, "split")["freed_bytes"] == sum(sizes)
    assert not any(part.exists() for part in parts)
    assert names(run_localai) == {"starter"}


def test_an_mlx_folder_goes_whole_and_its_second_name_stays(
    localai_home: Path, run_localai: RunLocalai, mlx_model_path: Path
) -> None:
    folder = localai_home / "data/models/smol-mlx"
    shutil.copytree(mlx_model_path, folder)
    assert run_localai("cp", "smol-mlx", "twin").returncode == 0
    twin = folder.with_name("twin")
    assert (twin / "model.safetensors").samefile(folder / "model.safetensors")
    assert removed(run_localai, "smol-mlx")["freed_bytes"] < 100_000
    assert not folder.exists()
    assert removed(run_localai, "twin")["freed_bytes"] > 100_000_000
    assert not twin.exists()


def test_an_adopted_file_is_forgotten_and_stays(
    localai_home: Path, run_localai: RunLocalai, tmp_path: Path
) -> None:
    [mine] = write(tmp_path / "mine.gguf", MODELS["llama, tied"])
    assert run_localai("pull", "./mine.gguf").returncode == 0
    assert names(run_localai) == {"mine"}
    assert removed(run_localai, "mine")["kept_path"] == str(mine)
    assert mine.exists()
    assert names(run_localai) == set()


def test_an_adopted_file_that_is_gone_can_be_forgotten(
    localai_home: Path, run_localai: RunLocalai, tmp_path: Path
) -> None:
    [mine] = write(tmp_path / "mine.gguf", MODELS["llama, tied"])
    run_localai("pull", "./mine.gguf")
    mine.unlink()
    removed(run_localai, "mine")
    assert not (localai_home / "data/models/mine.gguf").is_symlink()


def test_a_model_in_memory_is_stopped_first(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    assert run_localai("chat", "-n", "--max-tokens", "2", "hello").returncode == 0
    assert b"would stop it and free" in run_localai("rm", "--dry-run", "starter").stderr
    assert b"starter" in run_localai("ps").stdout
    assert removed(run_localai, "starter")["in_memory"] is True
    assert json.loads(run_localai("ps", "--json").stdout)["workers"] == []
    assert not starter_path(home_with_starter).is_symlink()


def test_states_of_conversations_go_with_their_model(
    localai_home: Path, run_localai: RunLocalai, shortened_path: Path
) -> None:
    model = localai_home / "data/models/copy.gguf"
    model.parent.mkdir(parents=True)
    model.write_bytes(shortened_path.read_bytes())
    long = "The cat sat on the mat. " * 120
    answer = run_localai("chat", "-m", "llamacpp/copy", "--max-tokens", "2", long)
    assert answer.returncode == 0, answer.stderr
    assert run_localai("stop", "--all").returncode == 0
    states = localai_home / "cache/kv/llamacpp"
    assert list(states.iterdir())
    removed(run_localai, "copy")
    assert list(states.iterdir()) == []


def test_another_programs_store_needs_a_yes(
    run_localai: RunLocalai, ollama_server: OllamaServer
) -> None:
    env = {"OLLAMA_MODELS": str(ollama_server.models)}
    refused = run_localai("rm", "qwen3:8b", env={**STOPPED, **env})
    assert refused.returncode == 2
    assert b"localai rm --yes qwen3:8b" in refused.stderr
    assert "qwen3:8b" in names(run_localai, **env)


def test_a_person_is_asked_and_can_say_no(
    pty: Callable[..., Terminal], ollama_server: OllamaServer
) -> None:
    env = {"OLLAMA_MODELS": str(ollama_server.models), **STOPPED}
    terminal = pty("rm", "qwen3:8b", env=env)
    terminal.wait_for("[y/N]")
    assert "another program" in terminal.screen
    terminal.send("\r")
    assert terminal.wait_exit() == 130
    assert (ollama_server.models / "manifests/registry.ollama.ai/library/qwen3/8b").exists()


def test_a_running_ollama_removes_it_itself(run_localai: RunLocalai, daemon: OllamaServer) -> None:
    daemon.run("cp", "first", "second")
    env = {"OLLAMA_MODELS": str(daemon.models), "OLLAMA_HOST": daemon.host}
    answer = {"model": "second", "prompt": "Hi", "stream": False, "options": {"num_predict": 2}}
    assert daemon.post("/api/generate", answer)["response"]
    document = removed(run_localai, "--yes", "second", **env)
    assert document["in_memory"] is True
    assert document["freed_bytes"] < 10_000  # the weights are the first one's, too
    assert names(run_localai, **env) == {"first:latest"}


def test_a_running_ollama_with_another_store_keeps_its_model_of_the_same_name(
    run_localai: RunLocalai, daemon: OllamaServer, tmp_path: Path
) -> None:
    daemon.run("cp", "first", "one")
    root = tmp_path / "store"
    _store_of_two_names(root, tmp_path)
    env = {"OLLAMA_MODELS": str(root), "OLLAMA_HOST": daemon.host}
    removed(run_localai, "--yes", "one", **env)
    assert not (root / "manifests/registry.ollama.ai/library/one/latest").exists()
    assert (daemon.models / "manifests/registry.ollama.ai/library/one/latest").exists()
    daemon.delete("one")


def test_without_ollama_shared_blobs_stay_and_the_last_name_takes_them(
    run_localai: RunLocalai, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    blob = _store_of_two_names(root, tmp_path)
    env = {"OLLAMA_MODELS": str(root)}
    assert removed(run_localai, "-y", "one", **env)["freed_bytes"] == 0
    assert blob.exists()
    assert removed(run_localai, "-y", "two", **env)["freed_bytes"] > 0
    assert not blob.exists()
    assert list(root.rglob("latest")) == []


def test_an_unreadable_manifest_keeps_every_blob(run_localai: RunLocalai, tmp_path: Path) -> None:
    root = tmp_path / "store"
    blob = _store_of_two_names(root, tmp_path)
    (root / "manifests/registry.ollama.ai/library/two/latest").write_text("{")
    removed(run_localai, "-y", "one", OLLAMA_MODELS=str(root))
    assert blob.exists()


def test_a_removal_that_was_killed_is_finished_by_the_next(
    own_model: Path, command_environment: dict[str, str], run_localai: RunLocalai, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    blob = _store_of_two_names(root, tmp_path)
    (root / "manifests/registry.ollama.ai/library/two/latest").unlink()
    killed = (
        "import os, signal, sys; from pathlib import Path; from localai.cli import main\n"
        "unlink = Path.unlink\n"
        "def dying(self, missing_ok=False):\n"
        "    unlink(self, missing_ok)\n"
        "    if self.name == 'latest': os.kill(os.getpid(), signal.SIGKILL)\n"
        "Path.unlink = dying; main(sys.argv[1:])"
    )
    env = {**command_environment, **STOPPED, "OLLAMA_MODELS": str(root)}
    died = subprocess.run([COMMAND[0], "-c", killed, "rm", "-y", "one"], env=env, check=False)
    assert died.returncode == -signal.SIGKILL
    assert blob.exists()
    removed(run_localai, "small", OLLAMA_MODELS=str(root))
    assert not blob.exists()


def test_the_hubs_blob_goes_with_its_last_link(
    localai_home: Path, run_localai: RunLocalai, command_environment: dict[str, str], tmp_path: Path
) -> None:
    repository = Path(command_environment["HOME"]) / ".cache/huggingface/hub/models--org--m-GGUF"
    [model] = write(tmp_path / "m.gguf", MODELS["llama, tied"])
    blob = repository / "blobs" / hashlib.sha256(model.read_bytes()).hexdigest()
    blob.parent.mkdir(parents=True)
    model.rename(blob)
    link = repository / "snapshots" / ("c" * 40) / "m.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(os.path.relpath(blob, link.parent))
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("c" * 40)
    assert removed(run_localai, "--yes", "org/m-GGUF")["freed_bytes"] > 0
    assert not repository.exists()


def test_an_unknown_name_removes_nothing_of_the_others(
    own_model: Path, run_localai: RunLocalai
) -> None:
    result = run_localai("rm", "small", "nothing-like-it", env=STOPPED)
    assert result.returncode == 3
    assert own_model.exists()


def _store_of_two_names(root: Path, folder: Path) -> Path:
    """An Ollama store in which `one` and `two` are the same model; its blob."""
    [model] = write(folder / "m.gguf", MODELS["llama, tied"])
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    blob = root / "blobs" / f"sha256-{digest}"
    blob.parent.mkdir(parents=True)
    model.rename(blob)
    layer = {
        "mediaType": "application/vnd.ollama.image.model",
        "digest": f"sha256:{digest}",
        "size": blob.stat().st_size,
    }
    for name in ("one", "two"):
        manifest = root / "manifests/registry.ollama.ai/library" / name / "latest"
        manifest.parent.mkdir(parents=True)
        manifest.write_text(json.dumps({"schemaVersion": 2, "layers": [layer]}))
    return blob
