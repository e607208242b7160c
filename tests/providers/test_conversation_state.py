"""A conversation goes on where it was, after its worker was stopped: on the real engine."""

from __future__ import annotations

import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from localai.answers import PartialAnswer
from localai.config import load
from localai.engine.lifecycle import stop, workers
from localai.engine.llamacpp import kv_files, slots
from localai.engine.worker_files import WorkerFiles
from localai.events import Done, Events, TextDelta
from localai.paths import Paths
from localai.providers.conversation_state import ConversationState
from localai.providers.llamacpp import LlamaCpp
from localai.types import ChatRequest, Message, Options
from tests.support.weights import SYSTEM_PROMPT

FACTS = " ".join(f"The ship number {number} carries apples." for number in range(16))
SYSTEM = Message("system", SYSTEM_PROMPT)
FIRST = (SYSTEM, Message("user", f"{FACTS} What is the capital of France?"))
ANSWER_TOKENS = 6

Ask = Callable[..., tuple[str, Done]]


@pytest.fixture
def paths(home_with_short_model: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("LOCALAI_ENGINE_CONTEXT", "1024")
    return home_with_short_model


@pytest.fixture
def ask(paths: Paths) -> Ask:
    def ask(messages: tuple[Message, ...], conversation: str | None = "one") -> tuple[str, Done]:
        text, events = "", list(_stream(paths, messages, conversation))
        text = "".join(event.text for event in events if isinstance(event, TextDelta))
        assert isinstance(events[-1], Done)
        return text, events[-1]

    return ask


def _stream(
    paths: Paths,
    messages: tuple[Message, ...],
    conversation: str | None,
    max_tokens: int = ANSWER_TOKENS,
) -> Events:
    provider = LlamaCpp(load(paths), paths)
    options = Options(temperature=0, max_tokens=max_tokens)
    model = provider.resolve("short")
    return provider.stream(ChatRequest(model, messages, options, conversation=conversation))


def _stop(paths: Paths) -> None:
    for files, info in workers(paths):
        stop(files, info)


def _states(paths: Paths) -> list[Path]:
    return sorted(paths.kv_dir.rglob("*.kv"))


def _next(messages: tuple[Message, ...], answer: str, question: str) -> tuple[Message, ...]:
    return (*messages, Message("assistant", answer), Message("user", question))


def _cached(done: Done) -> int:
    assert done.usage.cached_tokens is not None
    return done.usage.cached_tokens


def _prompt(done: Done) -> int:
    assert done.usage.input_tokens is not None
    return done.usage.input_tokens


def test_a_stopped_engine_goes_on_without_prefilling_and_says_the_same(
    paths: Paths, ask: Ask
) -> None:
    answer, first = ask(FIRST)
    assert _cached(first) == 0
    question = _next(FIRST, answer, "And of Italy?")
    warm, _ = ask(question)
    _stop(paths)

    resumed, done = ask(question)

    assert _prompt(done) - _cached(done) < 30
    assert resumed == warm


def test_what_is_kept_is_its_owners_alone(paths: Paths, ask: Ask) -> None:
    ask(FIRST)
    [state] = _states(paths)
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    for folder in (state.parent, *state.parent.parents[:2]):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_without_a_conversation_nothing_is_kept(paths: Paths, ask: Ask) -> None:
    ask(FIRST, conversation=None)
    assert _states(paths) == []


def test_a_limit_of_nothing_keeps_nothing(
    paths: Paths, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALAI_ENGINE_KV_LIMIT", "0")
    ask(FIRST)
    assert _states(paths) == []


@pytest.mark.parametrize("damage", ["cut", "flipped", "not described"])
def test_a_damaged_state_costs_time_and_changes_no_token(
    paths: Paths, ask: Ask, damage: str
) -> None:
    answer, _ = ask(FIRST)
    question = _next(FIRST, answer, "And of Italy?")
    _stop(paths)
    computed, done = ask(question, conversation=None)
    assert _cached(done) == 0
    _stop(paths)
    [state] = _states(paths)
    content = bytearray(state.read_bytes())
    if damage == "cut":
        state.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        for at in range(len(content) // 2, len(content), 4096):
            content[at] ^= 0x40
        state.write_bytes(content)
    else:
        state.with_suffix(".json").write_bytes(b"{")

    again, done = ask(question)

    assert again == computed
    assert _cached(done) == 0
    assert state not in _states(paths) or damage == "not described"


def test_a_state_goes_into_a_worker_with_a_larger_context(
    paths: Paths, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, _ = ask(FIRST)
    monkeypatch.setenv("LOCALAI_ENGINE_CONTEXT", "2048")
    _, done = ask(_next(FIRST, answer, "And of Italy?"))
    assert done.context_tokens == 2048
    assert _prompt(done) - _cached(done) < 30


def test_the_context_of_a_worker_that_is_shared_is_the_models_at_most(paths: Paths) -> None:
    provider = LlamaCpp(load(paths), paths)
    model = replace(provider.resolve("short"), context_limit=1024)
    request = ChatRequest(model, FIRST, Options(temperature=0, max_tokens=ANSWER_TOKENS))
    assert provider.prepare(request, 4, 4096) == 4096
    *_, done = provider.stream(request)
    assert isinstance(done, Done)
    assert done.context_tokens == 1024
    [(_, info)] = workers(paths)
    assert info.context_tokens >= 4096


def test_conversations_that_take_turns_do_not_prefill_each_other_away(
    paths: Paths, ask: Ask
) -> None:
    other = (SYSTEM, Message("user", FACTS.replace("ship", "train") + " Who was first?"))
    first, _ = ask(FIRST, "one")
    second, _ = ask(other, "two")
    for messages, answer, conversation in ((FIRST, first, "one"), (other, second, "two")):
        _, done = ask(_next(messages, answer, "Go on."), conversation)
        assert _prompt(done) - _cached(done) < 30


def test_a_warm_slot_is_not_read_from_the_disk_again(
    paths: Paths, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, _ = ask(FIRST)
    monkeypatch.setattr(kv_files.SavedState, "is_whole", lambda _: pytest.fail("the disk was read"))
    question = _next(FIRST, answer, "And of Italy?")
    answer, done = ask(question)
    assert _prompt(done) - _cached(done) < 30
    _, done = ask(_next(question, answer, "And of Spain?"))
    assert _prompt(done) - _cached(done) < 30


def test_an_answer_that_is_cut_leaves_a_state_to_go_on_with(paths: Paths, ask: Ask) -> None:
    text = ""
    events = _stream(paths, FIRST, "one", max_tokens=300)
    with closing(events):
        for event in events:
            if isinstance(event, TextDelta):
                text += event.text
                if len(text) > 20:
                    break
    _stop(paths)
    _, done = ask(_next(FIRST, text, "Go on."))
    assert _prompt(done) - _cached(done) < 30


def test_another_request_in_the_slot_does_not_get_onto_the_disk(
    paths: Paths, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = ConversationState._keep

    def intrude(self: ConversationState, came: PartialAnswer) -> None:
        # It begins as the conversation does, so the engine gives it the same slot.
        ask((*FIRST, Message("user", "A secret.")), None)
        keep(self, came)

    move, moved = slots._move, []

    def note(files: WorkerFiles, slot: slots.Slot, action: str, state: Path) -> dict[str, Any]:
        moved.append(action)
        return move(files, slot, action, state)

    monkeypatch.setattr(ConversationState, "_keep", intrude)
    monkeypatch.setattr(slots, "_move", note)
    ask(FIRST)
    assert _states(paths) == []
    assert moved == [], "not even for a moment"


def test_a_request_that_takes_the_slot_while_it_is_saved_does_not_get_onto_the_disk(
    paths: Paths, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = slots._move

    def intrude(files: WorkerFiles, slot: slots.Slot, action: str, state: Path) -> dict[str, Any]:
        # After the last look at the slot, and before the engine writes what is in it.
        monkeypatch.setattr(slots, "_move", move)
        ask((*FIRST, Message("user", "A secret.")), None)
        return move(files, slot, action, state)

    monkeypatch.setattr(slots, "_move", intrude)
    ask(FIRST)
    assert slots._move is move, "nothing was saved"
    assert _states(paths) == []


def test_a_slot_is_believed_to_hold_a_state_until_its_next_task(tmp_path: Path) -> None:
    files = WorkerFiles(tmp_path, tmp_path / "log")
    state, slot = tmp_path / "one.kv", slots.Slot(0, 7, 300, is_busy=False, tag=None)

    def held(*, by: slots.Slot = slot, started_at: float = 1.0, what: Path = state) -> bool:
        return list(slots.slots_with(files, started_at, what, [by])) == [by]

    assert not held()
    slots.remember(files, 1.0, slot, state)
    assert held()
    assert not held(by=replace(slot, task=8)), "another request has come in between"
    assert not held(by=replace(slot, tokens=0)), "it was emptied"
    assert not held(by=replace(slot, number=1))
    assert not held(started_at=2.0), "another worker"
    assert not held(what=tmp_path / "two.kv")
