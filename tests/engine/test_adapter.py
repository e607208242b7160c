"""An adapter (LoRA) changes what the engine answers, from Ollama's layer and from a preset."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFWriter

from localai.chat.request import AskSettings, build_request
from localai.config import load
from localai.engine.lifecycle import workers
from localai.errors import InvalidInput
from localai.paths import Paths, locate
from localai.stores.oci_manifest import MediaType
from localai.stores.starter import starter_path
from localai.types import Message, ResolvedModel, Zone
from tests.stores.test_lookup import put_in_ollama
from tests.support.command import RunLocalai

LIBRARY = "registry.ollama.ai/library"
# SmolLM2 135M's feed-forward: 1,536 to 576.
INNER, WIDTH, RANK = 1536, 576, 4
ASK = ("--temperature", "0", "--max-tokens", "12", "--no-log", "--json", "The capital of France?")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA that turns the last layers of SmolLM2 into noise: its answers are others."""
    path = tmp_path_factory.mktemp("adapter") / "noise-lora.gguf"
    noise = np.random.default_rng(1)
    writer = GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 64.0)
    for layer in range(20, 30):
        name = f"blk.{layer}.ffn_down.weight"
        for end, shape in ((".lora_a", (RANK, INNER)), (".lora_b", (WIDTH, RANK))):
            writer.add_tensor(name + end, noise.normal(0, 0.3, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def answer_of(run_localai: RunLocalai, model: str, **environ: str) -> str:
    done = run_localai("chat", "-m", model, *ASK, env=environ)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["text"])


def test_an_adapter_changes_the_answer_and_its_absence_changes_it_back(
    home_with_starter: Paths, run_localai: RunLocalai, adapter: Path, tmp_path: Path
) -> None:
    plain = answer_of(run_localai, "starter")
    made = run_localai("preset", "new", "noisy", "--from", "starter", "--adapter", adapter)
    assert made.returncode == 0, made.stderr
    adapted = answer_of(run_localai, "noisy")
    assert adapted != plain
    [(_, info)] = workers(locate())
    assert info.spec.adapter_path == str(adapter)
    assert answer_of(run_localai, "starter") == plain

    # The same two files as Ollama stores them.
    store = tmp_path / "ollama"
    put_in_ollama(store, starter_path(home_with_starter), f"{LIBRARY}/base/latest")
    blob = store / "blobs" / f"sha256-{'a' * 64}"
    blob.write_bytes(adapter.read_bytes())
    manifest = store / "manifests" / LIBRARY / "base" / "latest"
    document = json.loads(manifest.read_text())
    document["layers"].append(
        {"mediaType": MediaType.ADAPTER, "digest": f"sha256:{'a' * 64}", "size": 1}
    )
    tuned = manifest.parent.parent / "tuned" / "latest"
    tuned.parent.mkdir()
    tuned.write_text(json.dumps(document))
    other = {"OLLAMA_MODELS": str(store), "LOCALAI_CHAT_SYSTEM": "You are a helpful assistant."}
    base = answer_of(run_localai, "llamacpp/base", **other)
    assert answer_of(run_localai, "llamacpp/tuned", **other) != base


def test_what_is_no_adapter_is_refused_when_the_preset_is_made(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    model = starter_path(home_with_starter)
    made = run_localai("preset", "new", "noisy", "--from", "starter", "--adapter", model)
    assert made.returncode == 2 and b"is no adapter" in made.stderr


def test_an_adapter_is_given_for_one_question_and_refused_elsewhere(
    home_with_starter: Paths, run_localai: RunLocalai, adapter: Path
) -> None:
    plain = answer_of(run_localai, "starter")
    done = run_localai("chat", "-m", "starter", "--adapter", adapter, *ASK)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["text"] != plain
    elsewhere = ResolvedModel("ollama", "m", Zone.DEVICE, "")
    question = (Message("user", "hello"),)
    with pytest.raises(InvalidInput, match="ollama applies no adapter"):
        build_request(AskSettings(adapter=adapter), elsewhere, question, load(home_with_starter))
    missing = run_localai("chat", "-m", "starter", "--adapter", "nowhere.gguf", "hello")
    assert missing.returncode == 3 and b"nowhere.gguf" in missing.stderr
