"""The digest of a KV state's file, by several threads: a user waits for it, and a state may have
gigabytes.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from localai.parallel import in_threads

_PART_BYTES: Final = 16 << 20
_PIECE_BYTES: Final = 1 << 20
_MOST_THREADS: Final = 4


def digest_of(file: Path) -> str:
    """The SHA-256 of the SHA-256s of the file's parts, of 16 MiB each, which are computed at the
    same time. Raises OSError."""

    def of_part(start: int) -> bytes:
        digest, left = hashlib.sha256(), _PART_BYTES
        with file.open("rb", buffering=0) as stream:
            stream.seek(start)
            while left and (piece := stream.read(min(left, _PIECE_BYTES))):
                digest.update(piece)
                left -= len(piece)
        return digest.digest()

    parts = range(0, file.stat().st_size, _PART_BYTES)
    most = min(_MOST_THREADS, os.cpu_count() or 1)
    return hashlib.sha256(b"".join(in_threads(of_part, parts, most))).hexdigest()
