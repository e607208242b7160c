"""KV states of conversations on disk: finding them, proving that they are whole, bounding them.

    KV_DIR/llamacpp/<32 hex of model, engine and settings>/
        <conversation>-<8 hex>.kv      what the engine wrote
        <conversation>-<8 hex>.json    which messages it is the state of, and its digest

A state belongs to one conversation, so that both are deleted together. Its messages are known
only by a chain of hashes. The digest keeps a damaged file from the engine: llama.cpp aborts its
process on a truncated state and takes flipped bits for what was said. A state without a
description belongs to nobody and is removed.

Files only: `localai.engine.llamacpp.slots` asks the engine to read and write them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path
from typing import Final

from localai.dataclass import dataclass
from localai.engine.llamacpp.kv_digest import digest_of
from localai.engine.worker_files import Draft, FlashAttention, KvType
from localai.files import write_atomically
from localai.paths import private_dir
from localai.types import Message, Tool

# The shortest state worth saving, in tokens.
LEAST_TOKENS: Final = 128
# The assumed speed of the disk, for the decision whether a state is worth writing and reading.
_DISK_BYTES_PER_S: Final = 500_000_000
_WORTH: Final = 2.0
# The engine aborts on a full disk, so this much of it is left free.
_LEAST_FREE_BYTES: Final = 1 << 30
# The age, in seconds, from which a file without a description is a killed writer's.
_ABANDONED_S: Final = 3600.0
_EDGE_BYTES: Final = 1 << 20
_STATES: Final = ("*.kv", "*.safetensors")


@dataclass(frozen=True, slots=True)
class Link:
    """One message in the chain of a conversation: the hash of everything up to it, and its
    length."""

    digest: str
    characters: int


@dataclass(frozen=True, slots=True)
class SavedState:
    """A state on disk: which messages it is of, and how many tokens."""

    file: Path
    chain: tuple[Link, ...]
    tokens: int
    digest: str

    @property
    def description(self) -> Path:
        """The JSON file that describes the state."""
        return self.file.with_suffix(".json")

    def spares(self, chain: Sequence[Link]) -> int:
        """About how many tokens of `chain` this state saves computing."""
        common = _common(self.chain, chain)
        if common == len(self.chain):
            return self.tokens
        parts = [link.characters for link in self.chain]
        return self.tokens * sum(parts[:common]) // max(sum(parts), 1)

    def is_whole(self) -> bool:
        """Whether the file has the content that the engine wrote; reads all of it."""
        try:
            return digest_of(self.file) == self.digest
        except OSError:
            return False

    def remove(self) -> None:
        """Delete the state. A missing file is no error."""
        for file in (self.description, self.file):
            with contextlib.suppress(OSError):
                file.unlink()

    def used(self) -> None:
        """Record that it was used now: the least recently used states are removed first."""
        with contextlib.suppress(OSError):
            os.utime(self.file)


def chain_of(messages: Iterable[Message], tools: Iterable[Tool] = ()) -> tuple[Link, ...]:
    """The chain of a conversation. Two conversations share its beginning as far as they are the
    same.

    Most templates put the `tools` before the first message, so other tools make another chain.
    """
    links: list[Link] = []
    so_far = b""
    for tool in tools:
        offered = json.dumps([tool.name, tool.description, tool.parameters])
        so_far = hashlib.blake2b(so_far + offered.encode(), digest_size=16).digest()
    for message in messages:
        digest = hashlib.blake2b(so_far, digest_size=16)
        digest.update(f"{message.role}\0{message.text}\0{message.tool_call_id}".encode())
        for picture in message.pictures:
            digest.update(picture.data)
        for call in message.tool_calls:
            digest.update(f"\0{call.id}\0{call.name}\0{call.arguments}".encode())
        so_far = digest.digest()
        links.append(Link(so_far.hex(), len(message.text)))
    return tuple(links)


def state_folder(
    kv_dir: Path,
    model: Path,
    *,
    engine: str,
    gpu_layers: int | None,
    context_tokens: int,
    kv_type: KvType = "f16",
    flash_attention: FlashAttention = "auto",
    chat_template: str | None = None,
    draft: Draft = "off",
) -> Path:
    """The folder of the states that a worker can use; it is created if it is missing.

    Each model file, engine build and setting that changes a state has a folder of its own.

    Raises OSError if the model cannot be read, InvalidInput if the folder cannot be made.
    """
    start, key = _model_key(model)
    # The state depends on the context's size only if positions are scaled for it: LongRoPE has
    # other factors beyond the original context, and its models name that.
    scaled = context_tokens if b"rope.scaling.original_context_length" in start else None
    settings = f"{engine}\0{gpu_layers}\0{scaled}\0{kv_type}\0{flash_attention}"
    if chat_template is not None:
        settings += f"\0{chat_template}"
    if draft == "mtp":
        # The state of the layers that draft is a part of it.
        settings += "\0mtp"
    name = f"{key}-{hashlib.blake2b(settings.encode(), digest_size=8).hexdigest()}"
    private_dir(kv_dir)
    return private_dir(kv_dir / "llamacpp" / name)


def delete_states_of_model(kv_dir: Path, model: Path) -> int:
    """Delete the states of the model file `model`, of every engine build. Returns the bytes freed.

    Raises OSError if the model cannot be read.
    """
    _, key = _model_key(model)
    freed = 0
    for folder in (kv_dir / "llamacpp").glob(f"{key}-*"):
        freed += sum(file.stat().st_size for file in folder.iterdir())
        shutil.rmtree(folder, ignore_errors=True)
    return freed


def _model_key(model: Path) -> tuple[bytes, str]:
    """The first bytes of a model file, and a key from its size, mtime, first and last bytes."""
    status = model.stat()
    with model.open("rb") as file:
        start = file.read(_EDGE_BYTES)
        file.seek(max(0, status.st_size - _EDGE_BYTES))
        end = file.read()
    facts = f"{status.st_size}\0{status.st_mtime_ns}\0"
    return start, hashlib.blake2b(facts.encode() + start + end, digest_size=8).hexdigest()


def find_state(folder: Path, conversation: str, chain: Sequence[Link]) -> SavedState | None:
    """The state of `conversation` that saves most of `chain`; None if none is worth reading."""
    found = [(state.spares(chain), state) for state in _states_of(folder, conversation)]
    spared, best = max(found, key=lambda each: each[0], default=(0, None))
    return best if spared >= LEAST_TOKENS else None


def is_worth_saving(
    tokens: int, *, prefill_tokens_per_s: float | None, state_bytes: int | None
) -> bool:
    """Whether a state that saves `tokens` is worth its writing and reading.

    An unknown speed counts as slow; a state of unknown size is never written.
    """
    if tokens < LEAST_TOKENS or state_bytes is None:
        return False
    if prefill_tokens_per_s is None:
        return True
    return tokens / prefill_tokens_per_s >= _WORTH * state_bytes / _DISK_BYTES_PER_S


def has_room(folder: Path, state_bytes: int, limit_bytes: int) -> bool:
    """Whether the limits and the disk allow another state of about that size."""
    free = shutil.disk_usage(folder).free
    return state_bytes <= limit_bytes and free - 2 * state_bytes >= _LEAST_FREE_BYTES


def bytes_per_token(folder: Path) -> float | None:
    """The size of a token in the longest state in the folder; None if there is none."""
    longest = max(_states_of(folder, "*"), key=lambda state: state.tokens, default=None)
    if longest is None:
        return None
    with contextlib.suppress(OSError):
        return longest.file.stat().st_size / max(longest.tokens, 1)
    return None


def new_state_file(folder: Path, conversation: str) -> Path:
    """A path where the engine may write a state of `conversation`; it counts only after
    `accept`."""
    return folder / f"{conversation}-{os.urandom(4).hex()}.kv"


def accept(file: Path, conversation: str, chain: Sequence[Link], tokens: int) -> SavedState:
    """Record that `file`, which the engine wrote, is the state of `chain`.

    States of an earlier stage of the conversation are removed. Raises OSError.
    """
    state = SavedState(file, tuple(chain), tokens, digest_of(file))
    shorter = [
        old
        for old in _states_of(file.parent, conversation)
        if _common(old.chain, chain) == len(old.chain)
    ]
    document = {
        "chain": [asdict(link) for link in state.chain],
        "tokens": tokens,
        "digest": state.digest,
    }
    write_atomically(state.description, json.dumps(document).encode())
    for old in shorter:
        old.remove()
    return state


def evict(kv_dir: Path, limit_bytes: int) -> None:
    """Remove the files of killed writers, and the least recently used states of all models and
    engines until the rest takes no more than `limit_bytes`."""
    known = []
    for file in _all_files(kv_dir):
        with contextlib.suppress(OSError):
            status = file.stat()
            known.append((status.st_mtime, status.st_size, file))
    total = sum(size for _, size, _ in known)
    for used_at, size, file in sorted(known):
        abandoned = file.suffix == ".kv" and not file.with_suffix(".json").exists()
        if total > limit_bytes or (abandoned and time.time() - used_at > _ABANDONED_S):
            _remove(file)
            total -= size


def delete_states(kv_dir: Path, conversations: Iterable[str]) -> int:
    """Delete every state of these conversations, of any engine. Returns the bytes freed."""
    wanted = set(conversations)
    freed = 0
    for file in _all_files(kv_dir):
        if file.name.partition("-")[0] in wanted:
            with contextlib.suppress(OSError):
                freed += file.stat().st_size
            _remove(file)
    return freed


def conversations(kv_dir: Path) -> set[str]:
    """The ids of the conversations that have a state."""
    return {file.name.partition("-")[0] for file in kv_dir.rglob("*-*.kv")}


def _all_files(kv_dir: Path) -> Iterator[Path]:
    for pattern in _STATES:
        yield from kv_dir.rglob(pattern)


def _remove(file: Path) -> None:
    for each in (file.with_suffix(".json"), file):
        with contextlib.suppress(OSError):
            each.unlink()


def _states_of(folder: Path, conversation: str) -> Iterator[SavedState]:
    for description in folder.glob(f"{conversation}-*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            document = json.loads(description.read_bytes())
            yield SavedState(
                description.with_suffix(".kv"),
                tuple(Link(**link) for link in document["chain"]),
                int(document["tokens"]),
                str(document["digest"]),
            )


def _common(first: Sequence[Link], second: Sequence[Link]) -> int:
    pairs = zip(first, second, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
