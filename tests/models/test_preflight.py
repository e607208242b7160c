"""What a model would take is known before it is fetched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from localai.hardware.facts import Fact, Memory
from localai.models.adopt import plan_adoption
from localai.models.memory import MemoryNeed
from localai.models.partial import CHUNK_BYTES, Partial, RemoteFile
from localai.models.plan import PullPlan
from localai.models.preflight import host_bytes, preflight
from localai.paths import Paths, locate
from localai.render.preflight import preflight_document, preflight_lines
from tests.models.synthetic import Spec, write

GB = 10**9


def memory(total: int | None, available: int | None) -> Memory:
    def fact(value: int | None) -> Fact[int]:
        return Fact.unknown("asked nobody") if value is None else Fact(value, "the test")

    return Memory(
        total_bytes=fact(total),
        available_bytes=fact(available),
        limit_bytes=fact(total),
        limited_by=Fact("", "the test"),
        swap_total_bytes=fact(None),
        swap_used_bytes=fact(None),
    )


@pytest.fixture
def paths(localai_home: Path) -> Paths:
    return locate()


@pytest.fixture
def plan(smollm2_path: Path, paths: Paths, tmp_path: Path) -> PullPlan:
    (tmp_path / "model.gguf").symlink_to(smollm2_path)
    return plan_adoption(str(tmp_path / "model.gguf"), paths)


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
    assert preflight_document(found)["memory_bytes"] is None


def test_a_context_is_not_asked_beyond_the_models_own(paths: Paths, tmp_path: Path) -> None:
    [file] = write(tmp_path / "short.gguf", Spec("llama", context=512))
    found = preflight(plan_adoption(str(file), paths), memory(GB, GB), context_tokens=4096)
    assert [need.context_tokens for need in found.needs] == [512]


def test_a_base_model_is_said_to_be_one(paths: Paths, tmp_path: Path) -> None:
    [file] = write(tmp_path / "base.gguf", Spec("llama"))
    found = preflight(plan_adoption(str(file), paths), memory(GB, GB), context_tokens=512)
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
    from localai.engine.projection import DeviceShare

    shares = (
        DeviceShare("CUDA0 (big)", 9 * GB, GB, 0, 8 * GB),
        DeviceShare("Host", GB, 0, 0),
    )
    need = MemoryNeed(10 * GB, GB, 0, 11 * GB, 4096, "engine", shares)
    assert host_bytes(need) == GB


def test_the_table_is_short_and_says_all(plan: PullPlan) -> None:
    lines = preflight_lines(preflight(plan, memory(24 * GB, 20 * GB), context_tokens=4096))
    assert [line.split()[0] for line in lines] == ["model", "from", "into", "memory"]
    assert "(llama, 135M, Q4_1, context 8,192" in lines[0]
