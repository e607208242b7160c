"""Where a file came from that nobody vouches for: its address, and the server's word for its state.

Kept beside the file as `.NAME.origin.json`, so that the same file is not fetched twice, and one
that has changed on its server is, also when it has the same size.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localai.files import write_atomically

if TYPE_CHECKING:
    from localai.fetch.partial import RemoteFile

_LARGEST_BYTES: Final = 1 << 16


def origin_file(target: Path) -> Path:
    """Where the origin of the file `target` is, or would be."""
    return target.with_name(f".{target.name}.origin.json")


def remember_origin(file: RemoteFile, sha256: str) -> None:
    """Keep where the file at its target was fetched from, if the server says what state it is."""
    if file.validator is None:
        return
    with contextlib.suppress(OSError):
        document = {
            # A digest of the address: that may hold a signature.
            "address": file.key,
            "validator": file.validator,
            "sha256": sha256,
        }
        write_atomically(origin_file(file.target), json.dumps(document).encode())


def known_sha256(file: RemoteFile) -> str | None:
    """The SHA-256 that the file at the target had when it was fetched from this address in the
    state that the server has now; None if it was not. Whether it still has it, a hash tells."""
    try:
        with origin_file(file.target).open("rb") as opened:
            document: Any = json.loads(opened.read(_LARGEST_BYTES))
        same = (file.key, file.validator) == (document["address"], document["validator"])
        return str(document["sha256"]) if file.validator is not None and same else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
