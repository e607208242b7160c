"""One conversation's KV state around one answer: loaded into a slot before, saved after.

The worker knows nothing of conversations: the command that asks works with the worker's slots.
Nothing here raises if a state is gone, damaged or refused: that costs time, but no answer.
"""

from __future__ import annotations

import os
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from localai.answers import PartialAnswer
from localai.engine.lifecycle import Lease
from localai.engine.llamacpp import kv_files
from localai.engine.llamacpp.slots import (
    Slot,
    remember,
    restore,
    save,
    slots_of,
    slots_with,
    tagged,
)
from localai.errors import Unreachable
from localai.events import Done, Events, Loading
from localai.loops import Looping
from localai.net.framing import ServerRefused
from localai.types import ChatRequest

_PATIENCE_OF_LEAVING_S = 5.0
_FAILURES = (OSError, Unreachable, ServerRefused)


class ConversationState:
    """The state of the conversation that `request` belongs to, on a leased worker."""

    def __init__(self, lease: Lease, request: ChatRequest, kv_dir: Path, limit_bytes: int) -> None:
        assert lease.info.kv_folder is not None
        assert request.conversation is not None
        self._lease = lease
        self._files = lease.files
        self._folder = Path(lease.info.kv_folder)
        self._kv_dir = kv_dir
        self._limit_bytes = limit_bytes
        self._conversation = request.conversation
        self._messages = request.messages
        self._tools = request.tools
        self._tag = int.from_bytes(os.urandom(4)) >> 2
        self._base: kv_files.SavedState | None = None
        self._slot: Slot | None = None

    def with_saved_state(self, body: dict[str, Any]) -> dict[str, Any]:
        """The request `body`, addressed to the slot that contains the conversation's saved state.

        If no slot has the state, it is loaded into one. Without a saved state the engine chooses
        the slot.
        """
        body = tagged(body, self._tag)
        with suppress(*_FAILURES):
            slot = self._slot_with_state()
            if slot is not None:
                return {**body, "id_slot": slot.number}
        return body

    def saving_after(self, events: Events) -> Events:
        """Passes on the `events` of the answer.

        When they end or are closed early, the state is saved, if computing it again would take
        longer than writing and reading it.
        """
        answer = PartialAnswer()
        try:
            with closing(events):
                for event in events:
                    answer.add(event)
                    try:
                        yield event
                    except Looping as loop:
                        end = events.throw(loop)
                        answer.add(end)
                        yield end
                        break
                    if self._slot is None and not isinstance(event, Loading | Done):
                        self._watch()
        except (GeneratorExit, KeyboardInterrupt):
            # A worker that hangs must not keep a user who wants to leave.
            with suppress(*_FAILURES):
                slots_of(self._files, _PATIENCE_OF_LEAVING_S)
                self._keep(answer)
            raise
        self._keep(answer)

    def _slot_with_state(self) -> Slot | None:
        chain = kv_files.chain_of(self._messages, self._tools)
        while (state := kv_files.find_state(self._folder, self._conversation, chain)) is not None:
            idle = [slot for slot in slots_of(self._files) if not slot.is_busy]
            loaded = next(slots_with(self._files, self._started_at, state.file, idle), None)
            if loaded is None and not idle:
                return None
            if loaded is None and not state.is_whole():
                state.remove()
                continue
            # Prefer an empty slot: the content of the others may be wanted again, too.
            slot = loaded or min(idle, key=lambda slot: slot.tokens)
            if loaded is None and not restore(self._files, slot, state.file):
                return None
            state.used()
            self._base = state
            return slot
        return None

    def _watch(self) -> None:
        """Find the slot in which the answer is being made."""
        with suppress(*_FAILURES):
            mine = [slot for slot in slots_of(self._files) if slot.tag == self._tag]
            self._slot = next(iter(mine), None)

    def _keep(self, answer: PartialAnswer) -> None:
        reply, done = answer.message(), answer.done
        if self._slot is None or not (reply.text or reply.tool_calls):
            return
        chain = kv_files.chain_of((*self._messages, reply), self._tools)
        with suppress(*_FAILURES):
            if not self._save(self._slot, chain, done):
                self._remember_base(self._slot, chain, done)

    def _save(self, slot: Slot, chain: tuple[kv_files.Link, ...], done: Done | None) -> bool:
        now = slots_of(self._files)[slot.number]
        spared = 0 if self._base is None else self._base.spares(chain)
        size = self._state_bytes(now.tokens)
        speed = None if done is None else done.timings.prefill_tokens_per_s
        if not kv_files.is_worth_saving(
            now.tokens - spared, prefill_tokens_per_s=speed, state_bytes=size
        ) or not kv_files.has_room(self._folder, size or 0, self._limit_bytes):
            return False
        file = kv_files.new_state_file(self._folder, self._conversation)
        tokens = save(self._files, slot, file)
        if tokens == 0:
            return False
        state = kv_files.accept(file, self._conversation, chain, tokens)
        remember(self._files, self._started_at, slot, state.file)
        kv_files.evict(self._kv_dir, self._limit_bytes)
        return True

    def _remember_base(
        self, slot: Slot, chain: tuple[kv_files.Link, ...], done: Done | None
    ) -> None:
        """Note that the slot still contains the state it started from."""
        if self._base is None or done is None:
            return
        if 10 * (done.usage.cached_tokens or 0) >= 9 * self._base.spares(chain):
            remember(self._files, self._started_at, slot, self._base.file)

    def _state_bytes(self, tokens: int) -> int | None:
        """About how much a state of so many tokens takes on the disk, in bytes."""
        each = kv_files.bytes_per_token(self._folder)
        if each is None:
            context = self._lease.context_bytes()
            if context is None:
                return None
            each = context / self._lease.info.context_tokens
        return int(each * tokens)

    @property
    def _started_at(self) -> float:
        return self._lease.info.started_at
