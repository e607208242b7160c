"""`localai quantize`: really made, by what the machine has, and kept only if it answers."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localai.formats.gguf import read_model
from localai.formats.gguf_quantization import quantize_file
from localai.stores.model_defaults import defaults_file, keep_defaults
from localai.types import ResolvedModel
from tests.formats.synthetic import MODELS, Spec, write
from tests.support.command import COMMAND, REPOSITORY, RunLocalai
from tests.support.ollama import OllamaServer, start_ollama
from tests.support.weights import SYSTEM_PROMPT, require

pytestmark = pytest.mark.usefixtures("used_home")

STOPPED = {"OLLAMA_HOST": "127.0.0.1:9"}


@pytest.fixture(scope="module")
def f16(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Path:
    """SmolLM2 as F16, decoded from the only file of it that there is."""
    path = tmp_path_factory.mktemp("f16") / "smol.F16.gguf"
    for _ in quantize_file([smollm2_path], read_model(smollm2_path), "F16", path):
        pass
    return path


@pytest.fixture
def source(f16: Path, localai_home: Path) -> Path:
    """The same in a store, with the system prompt that it wants: so the trial of what is made of it
    names Paris."""
    path = localai_home / "data/models" / f16.name
    path.parent.mkdir(parents=True)
    path.symlink_to(f16)
    keep_defaults(ResolvedModel("llamacpp", "smol", None, "", system_prompt=SYSTEM_PROMPT), path)
    return path


@pytest.fixture(scope="module")
def short_f16(tmp_path_factory: pytest.TempPathFactory, shortened_path: Path) -> Path:
    """A model of few layers as F16, for what is not about its answer."""
    path = tmp_path_factory.mktemp("short") / "smol.F16.gguf"
    for _ in quantize_file([shortened_path], read_model(shortened_path), "F16", path):
        pass
    return path


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OllamaServer]:
    with start_ollama(require("ollama"), tmp_path_factory.mktemp("ollama-quantize")) as server:
        yield server


def quantized(run_localai: RunLocalai, *arguments: str | Path, **env: str) -> dict[str, Any]:
    result = run_localai("quantize", "--json", *arguments, env={**STOPPED, **env})
    assert result.returncode == 0, result.stdout
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def answer(run_localai: RunLocalai, model: str) -> bytes:
    question = ("What is the capital of France?", "--max-tokens", "12", "-n")
    return run_localai("chat", "-m", model, "-o", "temperature", "0", *question).stdout


@pytest.mark.parametrize(("to", "bits"), [("q8_0", 8.5), ("q5_1", 6.5), ("q4_0", 5.4)])
def test_plain_types_are_made_and_answer(
    source: Path, localai_home: Path, run_localai: RunLocalai, to: str, bits: float
) -> None:
    there = {source.name, defaults_file(source).name}
    before = quantized(run_localai, source.stem, "--to", to, "--dry-run")
    assert {path.name for path in source.parent.iterdir()} == there
    document = quantized(run_localai, source.stem, "--to", to)
    made = localai_home / f"data/models/smol-{to}.gguf"
    assert (document["model"], document["path"]) == (f"smol-{to}", str(made))
    assert document["size_bytes"] == made.stat().st_size
    assert before["size_bytes"] == pytest.approx(made.stat().st_size, rel=0.001)
    header = read_model(made)
    assert header.quantization == to.upper()
    assert 8 * header.tensor_bytes / header.parameter_count == pytest.approx(bits, rel=0.03)
    assert document["memory"]["weights_bytes"] < 0.6 * document["source_memory"]["weights_bytes"]
    assert "Paris" in document["answer"]
    left = {path.name for path in made.parent.iterdir()}
    assert left - there == {made.name, defaults_file(made).name}


def test_k_types_are_made_by_ollama_which_keeps_nothing(
    source: Path, localai_home: Path, run_localai: RunLocalai, daemon: OllamaServer
) -> None:
    env = {"OLLAMA_HOST": daemon.host, "OLLAMA_MODELS": str(daemon.models)}
    document = quantized(run_localai, source.stem, "--to", "q4_k_m", "--name", "small", **env)
    assert document["made_by"] == "ollama"
    assert read_model(Path(document["path"])).quantization == "Q4_K_M"
    assert b"Paris" in answer(run_localai, "llamacpp/small")
    assert list((daemon.models / "blobs").iterdir()) == []
    assert [p for p in (daemon.models / "manifests").rglob("*") if p.is_file()] == []


@pytest.mark.parametrize(("to", "bits"), [("q5_k_m", 6.4), ("q4_k_m", 5.9), ("q6_k", 8.2)])
def test_k_types_are_made_without_ollama_too(
    source: Path, localai_home: Path, run_localai: RunLocalai, to: str, bits: float
) -> None:
    before = quantized(run_localai, source.stem, "--to", to, "--dry-run")
    document = quantized(run_localai, source.stem, "--to", to, "--name", "small")
    assert document["made_by"] == "llama.cpp"
    # Its width is 576, two blocks and a quarter: only what has rows of 1,536 becomes a K-type.
    shares = document["fallback_shares"]
    assert sum(shares.values()) == pytest.approx(0.80, abs=0.01)
    assert set(shares) <= {"Q5_0", "Q5_1", "Q8_0"}
    header = read_model(Path(document["path"]))
    assert header.quantization == to.upper()
    assert before["size_bytes"] == pytest.approx(document["size_bytes"], rel=0.001)
    assert 8 * header.tensor_bytes / header.parameter_count == pytest.approx(bits, rel=0.05)
    # Four bits are too few for so small a model, whose file had but four before.
    assert document["answer"]
    assert to == "q4_k_m" or "Paris" in document["answer"]


def test_the_share_that_becomes_a_larger_type_is_said(f16: Path, run_localai: RunLocalai) -> None:
    done = run_localai("quantize", f16, "--to", "q4_k_m", "--dry-run", env=STOPPED)
    assert b"rows of 80% of its weights are no whole blocks of that type" in done.stdout
    fits = run_localai("quantize", f16, "--to", "q8_0", "--dry-run", env=STOPPED)
    assert b"whole blocks" not in fits.stdout


@pytest.mark.parametrize("to", ["q4_k_m", "q8_0", "q4_0"])
def test_what_would_not_shrink_is_not_called_by_a_smaller_type(
    tmp_path: Path, localai_home: Path, run_localai: RunLocalai, to: str
) -> None:
    [path] = write(tmp_path / "odd.gguf", Spec("llama", layers=1, width=100))
    refused = run_localai("quantize", path, "--to", to, env=STOPPED)
    assert refused.returncode == 2
    assert f"would not become {to.replace('k_m', 'K_M')}: 7" in refused.stderr.decode()
    assert not (localai_home / "data/models").exists()


def test_what_was_quantized_before_needs_force(
    shortened_path: Path, localai_home: Path, run_localai: RunLocalai
) -> None:
    refused = run_localai("quantize", shortened_path, "--to", "q4_0", env=STOPPED)
    assert refused.returncode == 2
    assert b"Q4_1 already" in refused.stderr
    assert b"--force" in refused.stderr
    document = quantized(run_localai, shortened_path, "--to", "q8_0", "--force", "--name", "again")
    assert read_model(Path(document["path"])).quantization == "Q8_0"


def test_the_system_prompt_comes_along(
    localai_home: Path, run_localai: RunLocalai, smollm2_path: Path
) -> None:
    starter = localai_home / "data/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    starter.parent.mkdir(parents=True)
    starter.symlink_to(smollm2_path)
    document = quantized(run_localai, "starter", "--to", "q8_0", "--force")
    assert document["model"] == "SmolLM2-135M-Instruct-q8_0"
    assert "Paris" in document["answer"]
    sheet = json.loads(run_localai("show", document["model"], "--json").stdout)
    assert sheet["system_prompt"] == "You are a helpful assistant."


def test_an_mlx_folder_is_made_by_mlx(
    run_localai: RunLocalai, mlx_model_path: Path, mlx_python: Path
) -> None:
    env = {"LOCALAI_MLX_PYTHON": str(mlx_python)}
    document = quantized(run_localai, mlx_model_path, "--to", "8bit", "--name", "smol-8bit", **env)
    assert document["made_by"] == "mlx-lm"
    assert document["size_bytes"] < 0.5 * document["source_size_bytes"]
    assert document["answer"]
    models = json.loads(run_localai("list", "--json", env={**STOPPED, **env}).stdout)["models"]
    [made] = [model for model in models if model["model"] == "smol-8bit"]
    assert (made["quantization"], made["providers"]) == ("8bit", ["mlx"])


def test_a_model_that_does_not_load_is_not_kept(
    localai_home: Path, run_localai: RunLocalai, tmp_path: Path
) -> None:
    [nonsense] = write(tmp_path / "nonsense.gguf", MODELS["llama, tied"])
    result = run_localai("quantize", nonsense, "--to", "q8_0", "--force", env=STOPPED)
    assert result.returncode == 5, result.stderr
    assert list((localai_home / "data/models").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--to", "q9_9"), 2, b"--to takes"),
        (("--to", "q8_0", "--name", "../out"), 2, b"cannot be a name"),
        ((), 2, b"--to"),
    ],
)
def test_wrong_arguments_are_refused(
    f16: Path, run_localai: RunLocalai, arguments: tuple[str, ...], code: int, said: bytes
) -> None:
    result = run_localai("quantize", f16, *arguments, env=STOPPED)
    assert result.returncode == code
    assert said in result.stderr


EMBEDDER = Spec("nomic-bert", layers=1)
ADAPTER = Spec("llama", layers=1, general={"general.type": "adapter"})
PROJECTOR = Spec("clip", layers=1, general={"general.type": "mmproj"})


@pytest.mark.parametrize(
    ("name", "spec", "said"),
    [
        ("a.gguf", EMBEDDER, "embeds texts, and what is made is kept only if it answers"),
        ("a.gguf", ADAPTER, "is an adapter (LoRA), which changes another model"),
        ("a.gguf", PROJECTOR, "is a projector (mmproj), the image encoder of a model"),
        ("a.gguf", b"no model", "is not a GGUF file"),
        ("a.safetensors", b"no model", "is a part of a model, which is the whole folder"),
        ("folder/a.gguf", Spec("llama", layers=1), "is a folder, and the model is a file in it"),
        ("folder/pytorch_model.bin", b"", "has its weights in pytorch_model.bin"),
    ],
)
def test_what_cannot_be_quantized_is_told_why(
    tmp_path: Path, run_localai: RunLocalai, name: str, spec: Spec | bytes, said: str
) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    if isinstance(spec, bytes):
        file.write_bytes(spec)
    else:
        write(file, spec)
    if file.suffix == ".bin":
        file.with_name("config.json").write_text('{"model_type": "llama"}')
    source = file.parent if file.parent != tmp_path else file
    refused = run_localai("quantize", source, "--to", "q8_0", env=STOPPED)
    assert refused.returncode == 2, refused.stderr
    assert f"error: {source} {said}" in refused.stderr.decode()


@pytest.mark.parametrize(("gone", "left"), [(1, 0), (0, 1)])
def test_a_missing_part_is_named(
    tmp_path: Path, run_localai: RunLocalai, gone: int, left: int
) -> None:
    parts = write(tmp_path / "big.gguf", Spec("llama", layers=2), parts=2)
    parts[gone].unlink()
    refused = run_localai("quantize", parts[left], "--to", "q8_0", env=STOPPED)
    assert refused.returncode == 3
    said = f"{parts[left]} is one of 2 parts, and beside it is no {parts[gone].name}"
    assert said in refused.stderr.decode()


def test_a_model_that_has_no_file_here_is_not_looked_for_in_a_registry(
    run_localai: RunLocalai,
) -> None:
    refused = run_localai("quantize", "openai/gpt-4o", "--to", "q8_0", env=STOPPED)
    assert refused.returncode == 2
    assert b"openai/gpt-4o lies at openai" in refused.stderr
    assert b"pull" not in refused.stderr


def test_a_name_that_is_taken_is_refused(
    f16: Path, localai_home: Path, run_localai: RunLocalai
) -> None:
    taken = localai_home / "data/models/mine.gguf"
    taken.parent.mkdir(parents=True)
    taken.symlink_to(f16)
    result = run_localai("quantize", f16, "--to", "q8_0", "--name", "mine", env=STOPPED)
    assert result.returncode == 2
    assert b"localai rm mine" in result.stderr


def test_what_a_killed_run_left_is_swept_by_the_next(
    short_f16: Path,
    localai_home: Path,
    command_environment: dict[str, str],
    run_localai: RunLocalai,
) -> None:
    killed = (
        "import os, signal, sys; import localai.library.quantization.run as q\n"
        "q._verified = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from localai.cli import main; main(sys.argv[1:])"
    )
    command = [COMMAND[0], "-c", killed, "quantize", str(short_f16), "--to", "q4_0"]
    died = subprocess.run(
        command, env={**command_environment, **STOPPED}, check=False, capture_output=True
    )
    assert died.returncode == -signal.SIGKILL
    models = localai_home / "data/models"
    assert len(list((models / ".quantizing").iterdir())) == 1
    listed = json.loads(run_localai("list", "--json", env=STOPPED).stdout)
    assert listed["models"] == []
    quantized(run_localai, short_f16, "--to", "q4_0")
    assert [path.name for path in models.iterdir()] == ["smol-q4_0.gguf"]


@pytest.mark.real_process
@pytest.mark.parametrize("to", ["f16", "q8_0", "q4_k_m"])
def test_without_its_package_that_is_named_and_not_ollama(
    smollm2_path: Path, run_localai: RunLocalai, tmp_path: Path, to: str
) -> None:
    hidden = {"PYTHONPATH": f"{tmp_path}:{REPOSITORY}", **STOPPED}
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['gguf'] = None\n")
    done = run_localai("quantize", smollm2_path, "--to", to, "--force", env=hidden)
    said = done.stderr.decode()
    assert done.returncode == 3, said
    assert "the package gguf is needed, and it is not installed" in said
    assert "-m pip install 'gguf>=0.17'" in said
    assert "Ollama" not in said, "it quantizes nothing that was quantized"


@pytest.mark.real_process
def test_what_ollama_could_make_is_said_beside_the_missing_package(
    f16: Path, run_localai: RunLocalai, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['gguf'] = None\n")
    hidden = {"PYTHONPATH": f"{tmp_path}:{REPOSITORY}", **STOPPED}
    said = run_localai("quantize", f16, "--to", "q8_0", env=hidden).stderr.decode()
    assert "the package gguf is needed" in said
    assert "a running Ollama quantizes to it, too: ollama serve" in said
