"""KV states on disk: found by what was said, proven whole, bounded, and forgotten on request."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from localai.engine.llamacpp import kv_files
from localai.engine.llamacpp.kv_digest import digest_of
from localai.engine.worker_files import FlashAttention, KvType
from localai.paths import private_dir
from localai.types import Message, Picture, Tool, ToolCall

SAID = (
    Message("system", "Be brief."),
    Message("user", "a" * 400),
    Message("assistant", "b" * 400),
)
CHAIN = kv_files.chain_of(SAID)
MORE = kv_files.chain_of((*SAID, Message("user", "c" * 400)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return private_dir(tmp_path / "kv" / "llamacpp" / "model")


def _state(
    folder: Path,
    conversation: str = "one",
    chain: tuple[kv_files.Link, ...] = CHAIN,
    *,
    tokens: int = 800,
    content: bytes = b"state" * 100,
) -> kv_files.SavedState:
    file = kv_files.new_state_file(folder, conversation)
    file.write_bytes(content)
    return kv_files.accept(file, conversation, chain, tokens)


def _files(folder: Path) -> set[Path]:
    return set(folder.rglob("*.*"))


def test_a_state_is_found_by_the_conversation_that_goes_on_with_it(folder: Path) -> None:
    state = _state(folder)
    assert kv_files.find_state(folder, "one", MORE) == state
    assert kv_files.find_state(folder, "two", MORE) is None
    assert state.spares(MORE) == 800


def test_a_state_spares_the_part_that_was_said_the_same(folder: Path) -> None:
    state = _state(folder)
    forked = kv_files.chain_of((*SAID[:2], Message("user", "another question")))
    assert 350 < state.spares(forked) < 450
    assert kv_files.find_state(folder, "one", forked) == state
    assert (
        kv_files.find_state(folder, "one", kv_files.chain_of([Message("system", "Be long.")]))
        is None
    )
    only_the_system_prompt = kv_files.chain_of([*SAID[:1], Message("user", "else")])
    assert kv_files.find_state(folder, "one", only_the_system_prompt) is None


def test_the_branch_that_spares_most_is_chosen(folder: Path) -> None:
    other = kv_files.chain_of((*SAID[:2], Message("assistant", "d" * 400), Message("user", "e")))
    _state(folder, chain=other)
    best = _state(folder, chain=CHAIN)
    assert kv_files.find_state(folder, "one", MORE) == best


def test_a_longer_state_replaces_the_shorter_one_and_leaves_other_branches(folder: Path) -> None:
    branch = _state(folder, chain=kv_files.chain_of((SAID[0], Message("user", "f" * 400))))
    short = _state(folder, chain=CHAIN)
    longer = _state(folder, chain=MORE)
    assert not short.file.exists()
    assert not short.description.exists()
    assert branch.file.exists()
    assert kv_files.find_state(folder, "one", MORE) == longer


def test_pictures_are_part_of_what_was_said() -> None:
    first, second = (
        Message("user", "look", (Picture(data, "image/png"),)) for data in (b"1", b"2")
    )
    assert kv_files.chain_of([first]) != kv_files.chain_of([second])


def test_tools_on_offer_calls_and_results_are_part_of_what_was_said() -> None:
    offered = [Tool("weather", "of a city"), Tool("weather", "of a planet"), Tool("time")]
    call = Message("assistant", "", tool_calls=(ToolCall("1", "weather", "{}"),))
    other = Message("assistant", "", tool_calls=(ToolCall("1", "weather", '{"a": 1}'),))
    chains = [
        CHAIN,
        *(kv_files.chain_of(SAID, [tool]) for tool in offered),
        kv_files.chain_of((*SAID, call)),
        kv_files.chain_of((*SAID, other)),
        kv_files.chain_of((*SAID, Message("tool", "x", tool_call_id="1"))),
        kv_files.chain_of((*SAID, Message("tool", "x", tool_call_id="2"))),
    ]
    assert len({chain[-1].digest for chain in chains}) == len(chains)
    assert kv_files.chain_of(SAID, offered[:1])[0] != CHAIN[0], "none of it is common"


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing"])
def test_a_damaged_state_is_not_whole(folder: Path, damage: str) -> None:
    state = _state(folder)
    assert state.is_whole()
    content = bytearray(state.file.read_bytes())
    if damage == "cut":
        state.file.write_bytes(content[:-1])
    elif damage == "flipped":
        content[250] ^= 1
        state.file.write_bytes(content)
    else:
        state.file.unlink()
    assert not state.is_whole()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"chain": [{}], "tokens": 1}'])
def test_a_damaged_description_is_no_state(folder: Path, content: bytes) -> None:
    _state(folder).description.write_bytes(content)
    assert kv_files.find_state(folder, "one", MORE) is None


def test_the_least_recently_used_states_go_until_the_rest_fits(folder: Path) -> None:
    kv_dir = folder.parents[1]
    mlx = private_dir(kv_dir / "mlx" / "model") / "three-0123.safetensors"
    mlx.write_bytes(b"m" * 500)
    os.utime(mlx, (50, 50))
    old, recent = _state(folder, "one"), _state(folder, "two")
    os.utime(old.file, (100, 100))
    kv_files.evict(kv_dir, 1000)
    assert not mlx.exists()
    assert old.file.exists()
    old.used()
    os.utime(recent.file, (200, 200))
    kv_files.evict(kv_dir, 999)
    assert _files(folder) == {old.file, old.description}


def test_what_a_killed_writer_left_is_swept_away_once_nobody_can_be_writing(folder: Path) -> None:
    fresh, abandoned = (kv_files.new_state_file(folder, "one") for _ in range(2))
    fresh.write_bytes(b"x")
    abandoned.write_bytes(b"x")
    long_ago = time.time() - 7200
    os.utime(abandoned, (long_ago, long_ago))
    kv_files.evict(folder.parents[1], 1 << 30)
    assert _files(folder) == {fresh}


def test_a_forgotten_conversation_leaves_nothing_of_any_engine(folder: Path) -> None:
    kv_dir = folder.parents[1]
    mlx = private_dir(kv_dir / "mlx" / "model") / "one-0123.safetensors"
    mlx.write_bytes(b"m" * 500)
    _state(folder, "one")
    other = _state(folder, "onetwo")
    assert kv_files.delete_states(kv_dir, ["one"]) == 1000
    assert _files(kv_dir) == {other.file, other.description}


def test_files_are_their_owners_alone(folder: Path) -> None:
    state = _state(folder)
    assert stat.S_IMODE(state.description.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_another_model_engine_or_setting_has_another_folder(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"

    def folder(
        engine: str = "1",
        gpu_layers: int | None = None,
        context: int = 512,
        kv_type: KvType = "f16",
        flash_attention: FlashAttention = "auto",
    ) -> Path:
        return kv_files.state_folder(
            tmp_path / "kv",
            model,
            engine=engine,
            gpu_layers=gpu_layers,
            context_tokens=context,
            kv_type=kv_type,
            flash_attention=flash_attention,
        )

    model.write_bytes(b"GGUF" + b"\0" * 3_000_000)
    first = folder()
    assert folder() == first
    assert folder(context=1024) == first, "a state fits any context that is large enough"
    assert folder(engine="2") != first
    assert folder(gpu_layers=3) != first
    assert folder(kv_type="q8_0") != first, "what was kept as f16 is not read as q8_0"
    assert folder(flash_attention="off") != first, "values then lie the other way round"
    model.write_bytes(b"GGUF" + b"\0" * 2_999_999 + b"1")
    assert folder() != first


def test_a_model_whose_positions_depend_on_the_context_has_a_folder_for_each(
    tmp_path: Path,
) -> None:
    model = tmp_path / "phi.gguf"
    model.write_bytes(b"GGUF phi3.rope.scaling.original_context_length")
    folders = {
        kv_files.state_folder(tmp_path, model, engine="1", gpu_layers=None, context_tokens=context)
        for context in (512, 1024)
    }
    assert len(folders) == 2


@pytest.mark.parametrize(
    ("tokens", "speed", "size", "worth"),
    [
        (4900, 200.0, 114_000_000, True),
        (100, 200.0, 2_000_000, False),
        (300, None, 7_000_000, True),
        (300, 200.0, None, False),
        (300, 3000.0, 1_000_000_000, False),
        (8000, 300.0, 1_000_000_000, True),
    ],
)
def test_only_what_takes_longer_to_compute_than_to_read_is_worth_saving(
    tokens: int, speed: float | None, size: int | None, worth: bool
) -> None:
    found = kv_files.is_worth_saving(tokens, prefill_tokens_per_s=speed, state_bytes=size)
    assert found is worth


def test_a_state_is_not_written_where_the_disk_is_short_or_the_limit_small(folder: Path) -> None:
    assert kv_files.has_room(folder, 1000, 1000)
    assert not kv_files.has_room(folder, 1001, 1000)
    assert not kv_files.has_room(folder, 1 << 60, 1 << 61)


def test_any_flipped_bit_and_any_missing_end_changes_the_digest(tmp_path: Path) -> None:
    file = tmp_path / "state"
    content = bytearray((20 << 20) + 3)
    file.write_bytes(content)
    whole = digest_of(file)
    assert digest_of(file) == whole
    for at in (0, (16 << 20) - 1, 16 << 20, len(content) - 1):
        content[at] ^= 1
        file.write_bytes(content)
        assert digest_of(file) != whole, at
        content[at] ^= 1
    for size in (len(content) - 1, 16 << 20, 0):
        file.write_bytes(content[:size])
        assert digest_of(file) != whole, size
