"""The slots of llama.cpp's worker: which contains what, and moving KV states in and out.

A request names a slot only if a state was put into it; otherwise the engine chooses, which it does
better. Other commands' requests may take a slot between two of ours. So a slot's content is trusted
only while its last task number is unchanged.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from localai.dataclass import dataclass
from localai.engine.worker_files import WorkerFiles
from localai.files import write_atomically
from localai.net.framing import ServerRefused
from localai.net.http import call

# Saving waits until a slot's answer has ended; a worker that hangs must not make its user wait for
# ever.
_PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot as the engine shows it: the number of its last task, and the tokens that it
    contains.

    `tag` is the one that `tagged` put into the request of that task.
    """

    number: int
    task: int | None
    tokens: int
    is_busy: bool
    tag: int | None


def tagged(body: dict[str, Any], tag: int) -> dict[str, Any]:
    """The request `body`, recognisable among the slots by `tag`.

    The tag is sent as `n_discard`, which `/slots` shows again and which has no other effect, as
    context shifting is off.
    """
    return {**body, "n_discard": tag}


def slots_of(files: WorkerFiles, patience_s: float = _PATIENCE_S) -> list[Slot]:
    """The slots of the worker. Raises Unreachable after `patience_s` without an answer."""
    return [_slot(each) for each in call(files.socket, "GET", "/slots", timeout_s=patience_s)]


def _slot(shown: dict[str, Any]) -> Slot:
    return Slot(
        int(shown["id"]),
        shown.get("id_task"),
        int(shown.get("n_prompt_tokens") or 0),
        bool(shown["is_processing"]),
        (shown.get("params") or {}).get("n_discard"),
    )


def restore(files: WorkerFiles, slot: Slot, state: Path) -> bool:
    """Put a state into an idle slot. Returns False if it does not go in, because the context is too
    small."""
    return int(_move(files, slot, "restore", state).get("n_restored", 0)) > 0


def save(files: WorkerFiles, slot: Slot, state: Path) -> int:
    """Save the slot to `state`. Returns the number of tokens, 0 if another request changed the
    slot.

    `state` is in the worker's folder for KV states. If the slot was changed, the file is removed:
    the other request may not be meant for the disk.
    """
    saved = 0
    try:
        # The answer may still be ending: the engine delays the saving until it has.
        if slots_of(files)[slot.number].task == slot.task:
            saved = int(_move(files, slot, "save", state).get("n_saved", 0))
        now = slots_of(files)[slot.number]
        if now.task != slot.task or now.is_busy:
            saved = 0
    finally:
        if saved == 0:
            state.unlink(missing_ok=True)
    return saved


def _move(files: WorkerFiles, slot: Slot, action: str, state: Path) -> dict[str, Any]:
    url = f"/slots/{slot.number}?action={action}"
    try:
        moved: dict[str, Any] = call(
            files.socket, "POST", url, {"filename": state.name}, timeout_s=_PATIENCE_S
        )
    except ServerRefused:
        return {}
    return moved


def remember(files: WorkerFiles, started_at: float, slot: Slot, state: Path) -> None:
    """Note for later commands that `slot` contains at least the tokens of `state`."""
    document = {"worker": started_at, "task": slot.task, "state": state.name}
    with contextlib.suppress(OSError):
        write_atomically(_note(files, slot), json.dumps(document).encode())


def slots_with(
    files: WorkerFiles, started_at: float, state: Path, slots: list[Slot]
) -> Iterator[Slot]:
    """The slots that contain at least the tokens of `state`."""
    for slot in slots:
        with contextlib.suppress(OSError, ValueError, RecursionError):
            noted = json.loads(_note(files, slot).read_bytes())
            mine = {"worker": started_at, "task": slot.task, "state": state.name}
            if noted == mine and slot.tokens > 0:
                yield slot


def _note(files: WorkerFiles, slot: Slot) -> Path:
    return files.directory / f"slot-{slot.number}.json"
