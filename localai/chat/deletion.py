"""Deleting conversations wherever something of them is: the database, the KV states of the engines,
the lines that were typed.

The database comes last: whoever is killed on the way can delete the same conversations again.
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
    """What went: bytes of KV states, and whether the database's log could be emptied, too, which
    it cannot while another process reads it."""

    state_bytes: int
    log_emptied: bool


def delete_conversations(
    paths: Paths, database: Database, conversation_ids: Collection[str]
) -> Deleted:
    """Delete the conversations for good. Raises DatabaseUnavailable, OSError.

    The caches of MLX are not a conversation's own, so all of them go with one that MLX answered,
    and its workers end, for they write what they hold when they leave.
    """
    # States, too, that were written while their conversation was being deleted.
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
    """What was typed for them, also in another conversation: after files, whose fences end so, only
    the end of a question was."""
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
