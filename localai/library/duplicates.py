"""Files with the same bytes: found by SHA-256, and made one file by hard links.

Looks only at whole files of models in stores. Files with another owner, group or mode are not
linked: whoever may change one could change the other. A file that a process has open is left alone.
A link is made beside the file and renamed over it, so that there is a whole file at every moment;
the next run removes what a killed run left beside it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
import time
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localai.dataclass import dataclass
from localai.durable import put_on_disk
from localai.errors import InvalidInput, LocalaiError
from localai.files import freed_bytes, inode_of, same_content, sync_folder
from localai.formats.gguf import part_paths, read_header
from localai.progress import WorkProgress
from localai.stores.digests import DigestCache
from localai.stores.folders import (
    StoredModel,
    StoreName,
    hub_cache,
    lmstudio_folders,
    stored_folders,
)
from localai.stores.inventory import stored_models
from localai.stores.ollama import ollama_roots
from localai.stores.open_files import open_in_processes

if TYPE_CHECKING:
    from localai.paths import Paths

# The smallest file that is looked at; many smaller ones are equal by chance.
_LEAST_BYTES: Final = 1 << 20
_ABANDONED_S: Final = 60.0
_TEMPORARY: Final = ".localai-dedupe-"
# The ioctl _IOW(0x94, 9, int), which makes a reflink: a file that shares the blocks of another.
_FICLONE: Final = 0x40049409


@dataclass(frozen=True, slots=True)
class Copy:
    """One file of a model in a store, by its real path. `names` are the models that it belongs
    to. `is_adopted`: it is the user's own file, adopted by a link, and lies in no store."""

    store: StoreName
    names: tuple[str, ...]
    path: Path
    status: os.stat_result
    is_adopted: bool = False

    @property
    def inode(self) -> tuple[int, int]:
        """The device and the inode, which all names of one file share."""
        return inode_of(self.status)


@dataclass(frozen=True, slots=True)
class Step:
    """What would be done with a copy: it is linked, or left for the reason in `refused`."""

    copy: Copy
    refused: str | None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Files of the same bytes, in at least two inodes.

    The others are linked to `kept`. `freed_bytes` is what the steps that are not refused free.
    """

    digest: str
    size_bytes: int
    kept: Copy
    steps: tuple[Step, ...]
    freed_bytes: int


def find_duplicates(
    paths: Paths, environ: Mapping[str, str] | None = None
) -> Generator[WorkProgress, None, list[Duplicate]]:
    """Every duplicate, the largest first. Files of the same size are read, and their SHA-256 is
    remembered. Yields the progress of the reading."""
    environ = os.environ if environ is None else environ
    by_size: dict[int, list[Copy]] = defaultdict(list)
    for copy in _copies(paths, environ):
        by_size[copy.status.st_size].append(copy)
    suspects = [
        copy
        for copies in by_size.values()
        if len({copy.inode for copy in copies}) > 1
        for copy in copies
    ]
    digests = DigestCache(paths)
    by_digest: dict[str, list[Copy]] = defaultdict(list)
    done, total = 0, sum(copy.status.st_size for copy in suspects)
    for copy in suspects:
        try:
            digest = yield from digests.compute(
                copy.path, partial(_progress, before=done, total=total)
            )
            by_digest[digest].append(copy)
        except (OSError, LocalaiError):
            # A file that cannot be read, or that is being written to, is no duplicate.
            continue
        finally:
            done += copy.status.st_size
    digests.save()
    groups = {
        digest: copies
        for digest, copies in by_digest.items()
        if len({copy.inode for copy in copies}) > 1
    }
    used = (
        open_in_processes([copy.path for copies in groups.values() for copy in copies])
        if groups
        else {}
    )
    found = [_planned(digest, copies, used) for digest, copies in groups.items()]
    return sorted(found, key=lambda each: -each.size_bytes)


def _progress(done: int, *, before: int, total: int) -> WorkProgress:
    return WorkProgress("verifying", before + done, total)


def link(duplicate: Duplicate) -> int:
    """Replace the copies by links to the one that is kept. Returns the bytes freed.

    A file that has changed since it was read is left alone. Raises InvalidInput if the file system
    cannot link.
    """
    replaced: list[Copy] = []
    for step in duplicate.steps:
        try:
            if step.refused is None and _replace(duplicate.kept, step.copy):
                replaced.append(step.copy)
        except OSError as error:
            raise InvalidInput(f"{step.copy.path} cannot be linked: {error.strerror}") from error
    return freed_bytes(copy.status for copy in replaced)


def _copies(paths: Paths, environ: Mapping[str, str]) -> list[Copy]:
    """Every file of a model from `_LEAST_BYTES` on, each real path once."""
    roots = [
        paths.models_dir,
        *ollama_roots(environ),
        *lmstudio_folders(),
        hub_cache(environ),
    ]
    real_roots = [root.resolve() for root in roots]
    found: dict[Path, Copy] = {}
    for store, name, file in _files(paths, environ):
        with contextlib.suppress(OSError):
            path = file.resolve()
            status = path.stat()
            if not stat.S_ISREG(status.st_mode) or status.st_size < _LEAST_BYTES:
                continue
            is_adopted = not any(path.is_relative_to(root) for root in real_roots)
            before = found.get(path)
            names = (name,) if before is None else (*before.names, name)
            found[path] = Copy(store, names, path, status, is_adopted)
    for folder in {copy.path.parent for copy in found.values() if not copy.is_adopted}:
        _sweep(folder)
    return list(found.values())


def _files(paths: Paths, environ: Mapping[str, str]) -> Iterator[tuple[StoreName, str, Path]]:
    for stored in stored_models(paths, environ):
        for file in (*_parts(stored), *filter(None, [stored.projector])):
            yield stored.store, stored.name, file
    for folder in stored_folders(paths, environ):
        for file in folder.path.glob("*.safetensors"):
            yield folder.store, folder.name, file


def _parts(stored: StoredModel) -> tuple[Path, ...]:
    """The files of a model; empty if it is not whole."""
    try:
        return part_paths(stored.path, read_header(stored.path))
    except LocalaiError:
        return ()


def _planned(digest: str, copies: list[Copy], used: Mapping[Path, str]) -> Duplicate:
    """The plan that frees most: each copy is tried as the one that is kept."""
    plans = []
    for kept in copies:
        others = [copy for copy in copies if copy.inode != kept.inode]
        steps = tuple(Step(copy, _refusal(kept, copy, used)) for copy in others)
        freed = freed_bytes(step.copy.status for step in steps if step.refused is None)
        plans.append(Duplicate(digest, kept.status.st_size, kept, steps, freed))
    return max(plans, key=lambda plan: (plan.freed_bytes, -_refused(plan)))


def _refused(plan: Duplicate) -> int:
    return sum(step.refused is not None for step in plan.steps)


def _refusal(kept: Copy, copy: Copy, used: Mapping[Path, str]) -> str | None:
    """Why `copy` must not become a link to `kept`; None if it may."""
    if copy.is_adopted:
        return f"{copy.path} is your own file, which was adopted and stays as it is"
    if kept.is_adopted:
        # Whoever changed it would change the model in the store.
        return f"{kept.path} is your own file, which was adopted: nothing is linked to it"
    ours, theirs = kept.status, copy.status
    if (ours.st_uid, ours.st_gid) != (theirs.st_uid, theirs.st_gid):
        return f"owner or group differs from that of {kept.path}"
    if stat.S_IMODE(ours.st_mode) != stat.S_IMODE(theirs.st_mode):
        modes = (stat.S_IMODE(theirs.st_mode), stat.S_IMODE(ours.st_mode))
        return f"permissions differ: {modes[0]:04o} here, {modes[1]:04o} at {kept.path}"
    if ours.st_dev != theirs.st_dev:
        return f"on another file system than {kept.path}"
    if copy.path in used:
        return f"open in {used[copy.path]}"
    if not os.access(copy.path.parent, os.W_OK | os.X_OK):
        return "its folder cannot be written"
    return None


def _replace(kept: Copy, copy: Copy) -> bool:
    """Link the name of `copy` to the file of `kept`. Returns False if either has changed."""
    temporary = copy.path.with_name(f"{_TEMPORARY}{secrets.token_hex(8)}")
    try:
        _share(kept.path, temporary, copy.status)
        if not all(same_content(each.status, each.path.stat()) for each in (kept, copy)):
            return False
        temporary.replace(copy.path)
        sync_folder(copy.path.parent)
        return True
    finally:
        temporary.unlink(missing_ok=True)


def _share(source: Path, target: Path, status: os.stat_result) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        # Some file systems can share blocks but have no hard links, or limit their number.
        if sys.platform != "linux":
            raise
        import fcntl

        with source.open("rb") as reading, target.open("xb") as writing:
            fcntl.ioctl(writing.fileno(), _FICLONE, reading.fileno())
            os.fchmod(writing.fileno(), stat.S_IMODE(status.st_mode))
            put_on_disk(writing.fileno())


def _sweep(folder: Path) -> None:
    """Remove the temporary links and clones of killed runs."""
    for file in folder.glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(OSError):
            # Another run may be about to rename a young one.
            if time.time() - file.stat().st_ctime > _ABANDONED_S:
                file.unlink()
