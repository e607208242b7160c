"""One file from a server to the disk: in parallel chunks, resumed, verified, then named.

Every fault of a server ends in an error that says what the server did; only bytes from which a
later run can continue are kept. The connections and threads of one attempt are in `fetch.transfer`.

If no SHA-256 of a file is published, `.NAME.origin.json` beside it records where it came from.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from localai.errors import InvalidInput, NotFound, PolicyRefused
from localai.fetch.allowed_hosts import AllowedHosts
from localai.fetch.connection import HttpConnection
from localai.fetch.partial import DownloadLock, Partial, RemoteFile, is_other_file
from localai.fetch.plan import Pulled, PullEvent
from localai.fetch.remote import RemotePrefix
from localai.fetch.transfer import FileChanged, NoRanges, Transfer
from localai.files import hash_file, write_atomically
from localai.progress import WorkNote, WorkProgress

PATIENCE_S: Final = 90.0
"""How long nothing may arrive, over all reconnections, before a download gives up."""

_MOST_RESTARTS: Final = 2
_LARGEST_PROVENANCE_BYTES: Final = 1 << 16


def fetch_file(
    file: RemoteFile, hosts: AllowedHosts, *, patience_s: float = PATIENCE_S
) -> Iterator[PullEvent]:
    """Fetch `file` to its target, whole and verified; the last event is `Pulled`.

    A second fetch of the same file at the same time waits for the first and uses its result. A
    fetch that is killed is resumed by the next one. Raises the errors of `HttpConnection.get`,
    InvalidInput if the file is not the promised one (nothing of it is kept), and
    InsufficientResources if the disk is full (the bytes that have arrived are kept).
    """
    lock = DownloadLock(file)
    while not lock.take():
        yield WorkProgress("waiting")
        time.sleep(0.2)
    try:
        digest = yield from _digest_of_target(file)
        if digest is not None:
            yield Pulled(file.target, file.size_bytes, digest, fetched=False)
            return
        if is_other_file(file):
            yield WorkNote(f"{file.name} has changed on the server: from the start again")
        yield from _fetch(file, hosts, patience_s)
    finally:
        lock.release()


def provenance_file(target: Path) -> Path:
    """The file that records where the file `target` was fetched from; it need not exist."""
    return target.with_name(f".{target.name}.origin.json")


def record_provenance(file: RemoteFile, sha256: str) -> None:
    """Write down where the file at its target was fetched from, and with which SHA-256.

    The next pull then fetches it again only if the server's validator has changed, even if the size
    has not.
    """
    with contextlib.suppress(OSError):
        document = {
            # Digests of the address, because the address may have a signature in it.
            "address": file.key,
            "source": _source(file),
            "validator": file.validator,
            "sha256": sha256,
        }
        write_atomically(provenance_file(file.target), json.dumps(document).encode())


def is_of_another_source(file: RemoteFile) -> bool:
    """Whether the file at the target was not fetched from the address of `file`, whatever its
    query: it is another server's model, or one that was adopted or made here."""
    if not os.path.lexists(file.target):
        return False
    if file.target.is_symlink():
        return True
    return _provenance(file).get("source") != _source(file)


def known_sha256(file: RemoteFile) -> str | None:
    """The SHA-256 that the file at the target had when it was fetched from this address, if the
    server's validator is still the same; else None. Only a hash shows whether the file still has
    it."""
    document = _provenance(file)
    same = (file.key, file.validator) == (document.get("address"), document.get("validator"))
    digest = document.get("sha256")
    return digest if file.validator is not None and same and isinstance(digest, str) else None


def _provenance(file: RemoteFile) -> dict[str, Any]:
    """The provenance of the file at the target; empty if it cannot be read."""
    try:
        with provenance_file(file.target).open("rb") as opened:
            document: Any = json.loads(opened.read(_LARGEST_PROVENANCE_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _source(file: RemoteFile) -> str:
    return hashlib.sha256(file.url.partition("?")[0].encode()).hexdigest()


def _digest_of_target(file: RemoteFile) -> Generator[PullEvent, None, str | None]:
    """The SHA-256 of the file that is at the target already; None if it is not this file."""
    expected = file.sha256 or known_sha256(file)
    try:
        if file.target.stat().st_size != file.size_bytes or expected is None:
            return None
        digest = yield from hash_file(
            file.target, lambda done_bytes: WorkProgress("verifying", done_bytes, file.size_bytes)
        )
    except OSError:
        return None
    return expected if digest == expected else None


def _fetch(file: RemoteFile, hosts: AllowedHosts, patience_s: float) -> Iterator[PullEvent]:
    for _ in range(1 + _MOST_RESTARTS):
        partial = Partial(file)
        keep = False
        try:
            digest = yield from Transfer(partial, hosts, patience_s).run()
            if file.sha256 in (None, digest):
                partial.finish()
                keep = True
                if file.sha256 is None:
                    record_provenance(file, digest)
                yield Pulled(file.target, file.size_bytes, digest, fetched=True)
                return
            if not partial.resumed_bytes:
                raise InvalidInput(
                    f"what {file.name} was served as has SHA-256 {digest}, expected {file.sha256}",
                    hint="the server or something before it damages files; nothing was kept",
                )
            why = "what an earlier run had left is damaged"
        except FileChanged:
            why = f"{file.name} has changed on the server"
            file = _as_it_is_now(file, hosts)
        except NoRanges:
            why = "the server does not give parts of files"
            file = replace(file, ranges=False)
        except (InvalidInput, PolicyRefused, NotFound):
            raise
        except BaseException:
            keep = True
            raise
        finally:
            partial.close()
            if not keep:
                partial.discard()
        yield WorkNote(f"{why}: from the start again")
    raise InvalidInput(f"{file.name} is another file each time it is asked for")


def _as_it_is_now(file: RemoteFile, hosts: AllowedHosts) -> RemoteFile:
    connection = HttpConnection(hosts)
    try:
        now = RemotePrefix(connection, file.url, file.name)
        now.close()
    finally:
        connection.close()
    return replace(file, size_bytes=now.size_bytes, validator=now.validator, ranges=now.ranges)
