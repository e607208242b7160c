"""What a model will take in memory: the engine's own projection against real loads."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import psutil
import pytest

from localai.engine import worker_files
from localai.engine.llamacpp import memory_projection
from localai.engine.llamacpp.log import DeviceShare, first_table
from localai.engine.llamacpp.steps import chosen_steps
from localai.errors import InvalidInput, NotFound
from localai.formats import gguf
from localai.formats.mlx_folder import read_folder
from localai.hardware.apple import metal_working_set
from localai.sizing.gguf_formula import gguf_memory
from localai.sizing.memory import HeaderFile, MemoryNeed, project
from tests.formats import synthetic
from tests.sizing import real_load
from tests.support.clock import within

MIB = 1 << 20
# The engine gives whole MiB of each part, cut off: that much a tiny model may differ.
GRAIN = 2 * MIB


def header_file(path: Path) -> HeaderFile:
    """`path` as if it were on a server: its header and its size, and nothing else."""
    end = gguf.read_header(path).data_offset
    with path.open("rb") as file:
        return HeaderFile(path.name, file.read(end), path.stat().st_size)


def agrees(need: MemoryNeed, real: real_load.Allocated, share: float) -> None:
    for name in ("weights_bytes", "context_bytes", "compute_bytes", "total_bytes"):
        expected = getattr(real, name)
        assert getattr(need, name) == pytest.approx(expected, rel=share, abs=GRAIN), name


@pytest.fixture(scope="module")
def asked_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of the tests that want to know the same of the same file."""
    return tmp_path_factory.mktemp("asked-once")


@pytest.fixture(scope="module")
def synthetic_path(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The file of a synthetic model, which is written once."""
    folder = tmp_path_factory.mktemp("synthetic")
    return cache(lambda name: synthetic.write(folder / f"{name}.gguf", synthetic.MODELS[name])[0])


@pytest.mark.parametrize("context_tokens", [2048, 8192])
@pytest.mark.parametrize("which", ["smollm2_path", "gemma3_path"])
def test_the_projection_is_what_a_real_load_takes(
    which: str, context_tokens: int, asked_once: Path, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(which)
    need = project(path, context_tokens, cache_folder=asked_once)
    assert need.basis == "engine"
    assert need.context_tokens == context_tokens
    real = real_load.load(path, context_tokens)
    agrees(need, real, 0.05)
    assert need.total_bytes == pytest.approx(real.total_bytes, rel=0.05)


@pytest.mark.parametrize("name", synthetic.MODELS)
def test_every_kind_of_architecture_is_projected(
    name: str, asked_once: Path, synthetic_path: Callable[[str], Path]
) -> None:
    path = synthetic_path(name)
    need = project(path, 32768, cache_folder=asked_once)
    assert need.basis == "engine", need.reason
    agrees(need, real_load.load(path, 32768), 0.05)


@pytest.mark.parametrize("kv_type", ["q8_0", "q4_0"])
def test_a_smaller_kv_type_is_projected(
    kv_type: worker_files.KvType, smollm2_path: Path, asked_once: Path
) -> None:
    need = project(smollm2_path, 8192, kv_type=kv_type)
    agrees(need, real_load.load(smollm2_path, 8192, kv_type), 0.05)
    assert (
        need.context_bytes
        < 0.6 * project(smollm2_path, 8192, cache_folder=asked_once).context_bytes
    )


@pytest.mark.parametrize("which", ["smollm2_path", "gemma3_path"])
def test_the_header_alone_gives_the_same_answer(
    which: str, asked_once: Path, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(which)
    assert project(header_file(path), 8192) == project(path, 8192, cache_folder=asked_once)


def test_a_split_model_is_asked_about_from_its_headers(tmp_path: Path) -> None:
    spec = synthetic.MODELS["llama, grouped queries"]
    parts = synthetic.write(tmp_path / "m.gguf", spec, parts=3)
    [whole] = synthetic.write(tmp_path / "whole.gguf", spec)
    expected = project(whole, 8192)
    assert project(parts[0], 8192) == expected
    assert project([header_file(part) for part in parts], 8192) == expected


def test_a_model_larger_than_this_machine_is_asked_about_before_it_is_here(
    tmp_path: Path,
) -> None:
    spec = synthetic.Spec(
        "llama", 8192, 80, heads=64, kv_heads=8, head_length=128, feed_forward=28672
    )
    path = tmp_path / "m.gguf"
    size = synthetic.write_header(path, spec)
    assert size > 120 << 30
    need = project(HeaderFile("70b", path.read_bytes(), size), 4096)
    assert need.basis == "engine", need.reason
    assert need.weights_bytes == pytest.approx(size, rel=0.01)
    assert need.context_bytes == 2 * 80 * 8 * 128 * 2 * 4096


@pytest.mark.clock
def test_what_is_asked_twice_is_remembered(
    tmp_path: Path, smollm2_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = project(smollm2_path, 1024, cache_folder=tmp_path)
    monkeypatch.setattr(subprocess, "Popen", forbidden)
    with within(0.1):
        assert project(smollm2_path, 1024, cache_folder=tmp_path) == first
    with pytest.raises(AssertionError, match="asked again"):
        project(smollm2_path, 1025, cache_folder=tmp_path)
    with pytest.raises(AssertionError, match="asked again"):
        project(smollm2_path, 1024, slots=2, cache_folder=tmp_path)


def forbidden(*_: object, **__: object) -> None:
    raise AssertionError("asked again")


def test_a_digest_is_remembered_wherever_the_file_is(
    tmp_path: Path, smollm2_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = header_file(smollm2_path)
    first = project(remote, 512, cache_folder=tmp_path, digest="sha256:b179")
    monkeypatch.setattr(subprocess, "Popen", forbidden)
    assert project(smollm2_path, 512, cache_folder=tmp_path, digest="sha256:b179") == first


def test_a_file_that_changed_is_asked_about_again(tmp_path: Path) -> None:
    [path] = synthetic.write(tmp_path / "m.gguf", synthetic.MODELS["llama, tied"])
    first = project(path, 32768, cache_folder=tmp_path)
    synthetic.write(path, synthetic.MODELS["llama, all heads"])
    assert project(path, 32768, cache_folder=tmp_path).context_bytes > first.context_bytes


@pytest.mark.parametrize("value", [None, [], {}, {"devices": 1}, {"devices": [{"a": 1}]}])
def test_a_memory_that_cannot_be_read_is_made_anew(value: object, tmp_path: Path) -> None:
    [path] = synthetic.write(tmp_path / "m.gguf", synthetic.MODELS["llama, tied"])
    first = project(path, 512, cache_folder=tmp_path)
    remembered = tmp_path / "memory.json"
    document = json.loads(remembered.read_bytes())
    document["entries"] = dict.fromkeys(document["entries"], value)
    remembered.write_text(json.dumps(document))
    assert project(path, 512, cache_folder=tmp_path) == first
    [entry] = json.loads(remembered.read_bytes())["entries"].values()
    assert entry["basis"] == "engine"


def test_an_architecture_that_the_engine_does_not_know_gets_a_formula(tmp_path: Path) -> None:
    spec = replace(synthetic.MODELS["llama, grouped queries"], architecture="llama9")
    [path] = synthetic.write(tmp_path / "m.gguf", spec)
    need = project(path, 32768, cache_folder=tmp_path)
    assert need.basis == "formula"
    assert need.reason is not None
    assert "unknown model architecture: 'llama9'" in need.reason
    assert need.context_bytes == 32 * MIB
    assert need.devices == ()
    # A later engine may know it: nothing is remembered.
    assert not (tmp_path / "memory.json").exists()


@pytest.mark.parametrize("name", synthetic.MODELS)
def test_the_formula_agrees_with_the_engine(
    name: str, asked_once: Path, synthetic_path: Callable[[str], Path]
) -> None:
    path = synthetic_path(name)
    asked = project(path, 32768, cache_folder=asked_once)
    on_cpu = all(share.device_bytes is None for share in asked.devices)
    micro_batch = chosen_steps(None, None, short=on_cpu).micro_batch
    parts = gguf_memory(gguf.read_header(path), 32768, "f16", 1, micro_batch)
    for field in ("weights_bytes", "context_bytes", "compute_bytes"):
        assert getattr(parts, field) == pytest.approx(getattr(asked, field), rel=0.05, abs=4 * MIB)


def test_of_layers_at_an_interval_only_every_nth_keeps_keys_and_values(tmp_path: Path) -> None:
    keys: synthetic.Keys = {
        "full_attention_interval": 4,
        "ssm.inner_size": 512,
        "ssm.state_size": 16,
        "ssm.group_count": 1,
        "ssm.conv_kernel": 4,
    }
    spec = synthetic.Spec("qwen3next", layers=8, keys=keys)
    [path] = synthetic.write(tmp_path / "m.gguf", spec)
    parts = gguf_memory(gguf.read_header(path), 4096, "f16", 1)
    # Keys and values, 2 heads of 32 in 2 bytes, of 2 layers; of the 6 others 3 past inputs of
    # 512 + 2 x 16 and a state of 16 x 512, in 4 bytes.
    assert parts.context_bytes == 2 * 2 * 2 * 32 * 2 * 4096 + 6 * 4 * (3 * 544 + 8192)


def test_an_engine_that_does_not_answer_in_time_gets_a_formula(
    smollm2_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_projection, "TIME_LIMIT_S", 0.01)
    need = project(smollm2_path, 8192)
    assert need.basis == "formula"
    assert need.reason is not None
    assert "has not projected" in need.reason
    assert need.context_bytes == 180 * MIB


def test_on_a_mac_metal_has_the_time_to_compile_its_shaders_and_that_is_said(
    smollm2_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as mac:
        mac.setattr(sys, "platform", "darwin")
        importlib.reload(memory_projection)
    try:
        assert memory_projection.TIME_LIMIT_S == 120
        monkeypatch.setattr(memory_projection, "TIME_LIMIT_S", 0.01)
        reason = project(smollm2_path, 8192).reason
        assert reason is not None
        assert "has not projected" in reason
        assert "Metal compiles its shaders for the first process that asks" in reason
    finally:
        monkeypatch.undo()
        importlib.reload(memory_projection)
    assert memory_projection.TIME_LIMIT_S == 30


def test_the_engine_is_gone_once_it_has_answered(smollm2_path: Path) -> None:
    project(smollm2_path, 256)
    assert "localai.engine.llamacpp.memory_projection" not in [
        argument
        for child in psutil.Process().children(recursive=True)
        for argument in _command_line(child)
    ]


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # it has ended
        return []


def test_it_works_behind_the_guard_and_from_any_folder(tmp_path: Path, smollm2_path: Path) -> None:
    (tmp_path / "localai.py").write_text("raise SystemExit('the wrong localai')\n")
    code = (
        "from pathlib import Path; from localai.privacy import guard; guard.install(); "
        "from localai.sizing.memory import project; "
        f"print(project(Path({str(smollm2_path)!r}), 8192).basis)"
    )
    root = str(Path(__file__).parents[2])
    result = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "engine"


def test_a_file_that_is_no_model_is_refused_with_the_readers_reason(tmp_path: Path) -> None:
    path = tmp_path / "page.gguf"
    path.write_text("<html>")
    with pytest.raises(InvalidInput, match="is not a GGUF file"):
        project(path, 4096)
    with pytest.raises(NotFound, match=r"absent\.gguf"):
        project(tmp_path / "absent.gguf", 4096)


@pytest.mark.parametrize(("context_tokens", "slots"), [(0, 1), (-1, 1), (4096, 0)])
def test_an_impossible_question_is_refused(
    context_tokens: int, slots: int, smollm2_path: Path
) -> None:
    with pytest.raises(InvalidInput):
        project(smollm2_path, context_tokens, slots=slots)


def test_the_least_that_can_be_asked_about_is_one_token(smollm2_path: Path) -> None:
    assert project(smollm2_path, 1, slots=1).context_tokens == 1


def test_an_mlx_folder_gets_a_formula(mlx_model_path: Path) -> None:
    need = project(mlx_model_path, 8192)
    assert need.basis == "formula"
    folder = read_folder(mlx_model_path)
    assert need.weights_bytes == folder.size_bytes
    assert need.context_bytes == 2 * 30 * 3 * 64 * folder.float_bytes * 8192
    assert project(mlx_model_path, 8192, slots=2).context_bytes == 2 * need.context_bytes


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"config\.json"):
        project(tmp_path, 4096)


CAPTURES = Path(__file__).with_name("captures")


def test_a_graphics_processors_share_is_read_apart_from_the_hosts() -> None:
    assert first_table((CAPTURES / "fit-rtx-5090.log").read_text()) == (
        DeviceShare("CUDA0 (RTX 5090)", 16386 * MIB, 4950 * MIB, 495 * MIB, 32606 * MIB),
        DeviceShare("Host", 682 * MIB, 0, 276 * MIB),
    )


def test_a_mac_tells_metals_working_set() -> None:
    metal, host = first_table((CAPTURES / "fit-m1-8gb.log").read_text()) or ()
    assert (metal.device, metal.device_bytes) == ("MTL0 (Apple M1)", 5461 * MIB)
    assert metal_working_set(8 << 30, 0).value == pytest.approx(5461.33 * MIB, rel=1e-5)
    assert host.weights_bytes == 2288 * MIB


def test_every_graphics_processor_has_its_row() -> None:
    first, second = first_table((CAPTURES / "fit-two-gpus.log").read_text()) or ()
    assert (first.weights_bytes, second.weights_bytes) == (212 * MIB, 551 * MIB)
    assert first.device == "CUDA0 (RTX PRO 6000 Blackwell Workstation Edition)"


def test_a_table_counts_once_it_is_whole_and_only_the_first_one() -> None:
    log = (CAPTURES / "fit-rtx-5090.log").read_text()
    for cut in range(len(log) - 1):
        assert first_table(log[:cut]) is None
    # Once layers that did not fit have been moved off, a second table follows.
    assert first_table(log + log.replace("16386", " 6000")) == first_table(log)
