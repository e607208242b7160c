"""The slots of the embedded engine's worker: which holds what, and moving KV states in and out.

A slot is asked for by its number only where a state was put into it; otherwise the engine chooses,
and knows better. Requests of others may take a slot at any moment between two of ours, so what a
slot holds is believed only while the number of its last task is the one that was seen.
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

# Saving waits until a slot's answer has ended; a worker that hangs must not hang its user.
_PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot as the engine shows it: the task it had last, and the tokens it holds.

    `tag` is what `tagged` put into the request of that task.
    """

    number: int
    task: int | None
    tokens: int
    is_busy: bool
    tag: int | None


def tagged(body: dict[str, Any], tag: int) -> dict[str, Any]:
    """The request `body`, recognisable among the slots by `tag`.

    The number of tokens that a shift of the context would drop is shown again by `/slots`; shifting
    is off in our workers, so it means nothing else.
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
    """Put a state into an idle slot. False where it does not go in, the context being too small."""
    return int(_move(files, slot, "restore", state).get("n_restored", 0)) > 0


def save(files: WorkerFiles, slot: Slot, state: Path) -> int:
    """Write what `slot` holds to `state`, in the worker's folder for that; its tokens.

    0 where that is not what its task left there: another request has come in between. The file
    is then removed again, for nobody has agreed to have that request on the disk.
    """
    saved = 0
    try:
        # An answer that is just being cut may still be at it: the engine waits with saving for it.
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
    """Note for later commands that `slot` holds at least what `state` does."""
    document = {"worker": started_at, "task": slot.task, "state": state.name}
    with contextlib.suppress(OSError):
        write_atomically(_note(files, slot), json.dumps(document).encode())


def holders(
    files: WorkerFiles, started_at: float, state: Path, slots: list[Slot]
) -> Iterator[Slot]:
    """The slots that hold at least what `state` does."""
    for slot in slots:
        with contextlib.suppress(OSError, ValueError, RecursionError):
            noted = json.loads(_note(files, slot).read_bytes())
            mine = {"worker": started_at, "task": slot.task, "state": state.name}
            if noted == mine and slot.tokens > 0:
                yield slot


def _note(files: WorkerFiles, slot: Slot) -> Path:
    return files.directory / f"slot-{slot.number}.json"
