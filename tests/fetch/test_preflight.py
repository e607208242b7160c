"""What a model would take is known before it is fetched."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from localai.fetch.local_file import plan_adoption
from localai.fetch.partial import CHUNK_BYTES, Partial, RemoteFile
from localai.fetch.plan import PullPlan
from localai.fetch.preflight import Preflight, host_bytes, preflight
from localai.hardware.facts import Fact, Machine, Memory
from localai.hardware.profiles import load_profile
from localai.output.documents.pull import dry_run_document
from localai.output.preflight import preflight_facts
from localai.paths import Paths, locate
from localai.sizing.memory import MemoryNeed
from localai.sizing.speed import PastRun
from tests.formats.synthetic import Spec, write

GB = 10**9


def memory(total: int | None, available: int | None) -> Machine:
    """A CPU with that much memory, which it reads with 50 GB/s."""

    def fact(value: int | None) -> Fact[int]:
        return Fact.unknown("asked nobody") if value is None else Fact(value, "the test")

    return replace(
        load_profile("laptop-16gb"),
        gpus=(),
        memory=Memory(
            total_bytes=fact(total),
            available_bytes=fact(available),
            limit_bytes=fact(total),
            limited_by=Fact("", "the test"),
            swap_total_bytes=fact(None),
            swap_used_bytes=fact(None),
        ),
        memory_bandwidth=Fact(50e9, "the test", "measured"),
    )


@pytest.fixture
def paths(localai_home: Path) -> Paths:
    return locate()


@pytest.fixture
def plan(smollm2_path: Path, paths: Paths, tmp_path: Path) -> PullPlan:
    (tmp_path / "model.gguf").symlink_to(smollm2_path)
    return plan_adoption(tmp_path / "model.gguf", paths)


def test_the_engine_says_what_it_takes_at_two_contexts(plan: PullPlan) -> None:
    found = preflight(plan, memory(24 * GB, 20 * GB), context_tokens=4096)
    assert [need.context_tokens for need in found.needs] == [4096, 8192]
    assert {need.basis for need in found.needs} == {"engine"}
    assert found.needs[0].total_bytes < found.needs[1].total_bytes
    assert (found.problems, found.remarks) == ((), ())


def test_what_is_more_than_the_machine_has_is_a_problem(plan: PullPlan) -> None:
    found = preflight(plan, memory(GB // 10, GB // 20), context_tokens=4096)
    [problem] = found.problems
    assert "of memory with a context of 4,096 tokens, and this machine has 100 MB" in problem


def test_what_fits_once_others_have_left_is_only_said(plan: PullPlan) -> None:
    found = preflight(plan, memory(24 * GB, GB // 20), context_tokens=4096)
    assert found.problems == ()
    assert "free at this moment" in found.remarks[0]


def test_unknown_memory_is_no_problem(plan: PullPlan) -> None:
    found = preflight(plan, memory(None, None), context_tokens=4096)
    assert found.problems == ()
    assert dry_run_document(found)["machine_memory_bytes"] is None


def test_a_context_is_not_asked_beyond_the_models_own(paths: Paths, tmp_path: Path) -> None:
    [file] = write(tmp_path / "short.gguf", Spec("llama", context=512))
    found = preflight(plan_adoption(file, paths), memory(GB, GB), context_tokens=4096)
    assert [need.context_tokens for need in found.needs] == [512]


def test_a_base_model_is_said_to_be_one(paths: Paths, tmp_path: Path) -> None:
    [file] = write(tmp_path / "base.gguf", Spec("llama"))
    found = preflight(plan_adoption(file, paths), memory(GB, GB), context_tokens=512)
    assert "base model" in found.remarks[0]


def test_only_what_is_still_to_come_needs_room(plan: PullPlan, tmp_path: Path) -> None:
    size = 3 * CHUNK_BYTES
    file = RemoteFile("f", "http://h/f", size, tmp_path / "f", tmp_path / "s", sha256="0" * 64)
    file.staging.mkdir()
    partial = Partial(file)
    partial.append(1, bytes(1000))
    partial.close()
    found = preflight(replace(plan, files=(file,)), memory(GB, GB), context_tokens=512)
    assert found.download_bytes == size - 1000


def test_too_little_disk_is_a_problem(plan: PullPlan, tmp_path: Path) -> None:
    huge = RemoteFile("f", "http://h/f", 10**18, tmp_path / "f", tmp_path / "s")
    found = preflight(replace(plan, files=(huge,)), memory(GB, GB), context_tokens=512)
    assert "are to be fetched" in found.problems[0]


def test_a_graphics_card_is_held_against_its_own_memory() -> None:
    from localai.engine.llamacpp.log import DeviceShare

    shares = (
        DeviceShare("CUDA0 (big)", 9 * GB, GB, 0, 8 * GB),
        DeviceShare("Host", GB, 0, 0),
    )
    need = MemoryNeed(10 * GB, GB, 0, 11 * GB, 4096, "engine", shares)
    assert host_bytes(need) == GB


def test_the_table_is_short_and_says_all(plan: PullPlan) -> None:
    facts = preflight_facts(preflight(plan, memory(24 * GB, 20 * GB), context_tokens=4096))
    assert [name for name, _ in facts] == ["model", "from", "into", "memory", "speed"]
    assert "(llama, 135M, Q4_1, context 8,192" in facts[0][1]


def test_the_speed_is_predicted_and_gives_way_to_past_runs(plan: PullPlan) -> None:
    found = preflight(plan, memory(24 * GB, 20 * GB), context_tokens=4096)
    assert found.speed is not None and found.speed.confidence == "inferred"
    line = dict(preflight_facts(found))["speed"]
    assert "tok/s" in line and "50 GB/s of memory" in line
    document = dry_run_document(found)["speed"]
    assert document is not None
    assert document["low_tokens_per_s"] is not None and document["high_tokens_per_s"] is not None
    assert document["low_tokens_per_s"] < document["high_tokens_per_s"]
    again = preflight(
        plan, memory(24 * GB, 20 * GB), context_tokens=4096, past_runs=[PastRun(77.0, 1024)]
    )
    assert again.speed is not None and again.speed.expected == pytest.approx(77.0)


def test_a_gpu_that_the_engine_does_not_see_is_a_remark(plan: PullPlan) -> None:
    found = preflight(plan, load_profile("rtx-4090"), context_tokens=4096)
    if any(share.device_bytes is not None for share in found.needs[0].devices):
        pytest.skip("the engine sees a GPU on this machine")
    assert found.speed is not None and "GeForce" not in found.speed.basis
    assert any("an engine that does would give" in remark for remark in found.remarks)


def test_another_machine_stands_in(plan: PullPlan) -> None:
    there = load_profile("rtx-4090")
    found = preflight(plan, there, context_tokens=4096, elsewhere=True)
    assert "that machine has 68.7 GB" in dict(preflight_facts(found))["memory"]
    assert found.download_bytes == plan.size_bytes
    assert found.disk_free_bytes == there.disk.free_bytes.value
    assert found.speed is not None and "GeForce" in found.speed.basis
    small = replace(there, disk=replace(there.disk, free_bytes=Fact(GB // 100, "the test")))
    assert preflight(plan, small, context_tokens=4096, elsewhere=True).problems


def test_a_model_that_writes_nothing_has_no_speed(tmp_path: Path, paths: Paths) -> None:
    write(tmp_path / "embed.gguf", Spec("llama", keys={"pooling_type": 1}))
    plan = plan_adoption(tmp_path / "embed.gguf", paths)
    found = preflight(plan, memory(24 * GB, 20 * GB), context_tokens=512)
    assert found.speed is None
    assert "speed" not in dict(preflight_facts(found))


def test_a_mixture_of_experts_of_mlx_is_as_fast_as_what_a_token_reads_of_it(
    tmp_path: Path,
) -> None:
    """And takes the memory of the whole."""

    def found(name: str, mixture: dict[str, int]) -> Preflight:
        folder = write_mixture(tmp_path / name, mixture)
        size = (folder / "model.safetensors").stat().st_size
        plan = PullPlan("m", "the hub", tmp_path, folder, (), size, None, folder, lambda: None)
        return preflight(plan, load_profile("m2-8gb"), context_tokens=512, elsewhere=True)

    dense = found("dense", {})
    sparse = found("sparse", {"num_experts": 64, "num_experts_per_tok": 2})
    assert dense.speed is not None and sparse.speed is not None
    assert dense.speed.expected is not None and sparse.speed.expected is not None
    assert 5 * dense.speed.expected < sparse.speed.expected
    assert sparse.needs[0].total_bytes == dense.needs[0].total_bytes
    assert sparse.needs[0].weights_bytes > GB


def write_mixture(folder: Path, mixture: dict[str, int]) -> Path:
    """An MLX folder of which nearly all weights are experts, without a byte of these."""
    folder.mkdir()
    sizes = {"model.layers.0.mlp.switch_mlp.up_proj.weight": GB, "model.norm.weight": GB // 100}
    ends = [sum(list(sizes.values())[: number + 1]) for number in range(len(sizes))]
    header = json.dumps(
        {
            name: {"dtype": "F16", "shape": [size // 2], "data_offsets": [end - size, end]}
            for (name, size), end in zip(sizes.items(), ends, strict=True)
        }
    ).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + ends[-1])
    config = {
        "model_type": "qwen3_moe",
        "hidden_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": 100,
        **mixture,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    return folder
