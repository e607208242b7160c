"""Deleting conversations from every place that has something of them: the database, the KV states
of the engines, the typed lines.

The database comes last: if the command is killed before, the same conversations can be deleted
again.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Iterator

from localai.chat import input_history
from localai.database import Database, StoredMessage
from localai.dataclass import dataclass
from localai.engine.llamacpp import kv_files
from localai.paths import Paths


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was deleted: bytes of KV states, and whether the database's log could be emptied, too.
    It cannot while another process reads it."""

    state_bytes: int
    log_emptied: bool


def delete_conversations(
    paths: Paths, database: Database, conversation_ids: Collection[str]
) -> Deleted:
    """Delete the conversations for good. Raises DatabaseUnavailable, OSError.

    MLX's caches are not separate by conversation, so all of them are deleted with one that MLX
    answered. MLX's workers are ended, because they write their caches when they leave.
    """
    # This includes states that were written while their conversation was being deleted.
    orphans = kv_files.conversations(paths.kv_dir) - database.conversation_ids()
    state_bytes = kv_files.delete_states(paths.kv_dir, orphans.union(conversation_ids))
    typed: set[str] = set()
    met_mlx = False
    for identifier in conversation_ids:
        messages = database.messages(identifier)
        typed.update(_typed(messages, database.title(identifier)))
        met_mlx = met_mlx or any(message.provider == "mlx" for message in messages)
    if met_mlx:
        state_bytes += _delete_mlx_caches(paths)
    input_history.remove(input_history.input_history_file(paths), conversation_ids, typed)
    return Deleted(state_bytes, database.delete_conversations(conversation_ids))


def _typed(messages: Iterable[StoredMessage], title: str | None) -> Iterator[str]:
    """The texts that were typed for these messages, also in another conversation. Of a question
    with files only the end was typed; the files end with their fences."""
    if title:
        yield title
    for message in messages:
        if message.role == "assistant":
            continue
        yield message.text
        for fence in re.finditer("```\n\n", message.text):
            yield message.text[fence.end() :]


def _delete_mlx_caches(paths: Paths) -> int:
    from localai.engine.lifecycle import stop, workers

    for files, info in workers(paths):
        if info.spec.kind == "mlx":
            stop(files, info)
    freed = 0
    for file in (paths.kv_dir / "mlx").rglob("*.safetensors"):
        with contextlib.suppress(OSError):
            size = file.stat().st_size
            file.unlink()
            freed += size
    return freed
