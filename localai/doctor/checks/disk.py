"""Disks and folders: full, read-only, closed or slow."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, for_each, known
from localai.doctor.checks.subjects import Disk, disks, is_mac, places, store_of
from localai.doctor.facts.machine import Folder
from localai.doctor.facts.snapshot import Snapshot
from localai.units import bytes_text

_LEAST_BYTES = 1_000_000_000
_FULL_SHARE = 0.05
_ROOMY_BYTES = 20_000_000_000
_SLOW = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "fuse.rclone", "drvfs", "afpfs", "davfs")
_MUCH_PARTIAL = 1_000_000_000


@check(
    code="disk-full",
    group="disk",
    severity="fail",
    title="the disk is full",
    when="less than 1 GB is free where models or localai's data lie; under 5% (and 20 GB) is a "
    "warning",
    cause="models are gigabytes, and the partition that holds them is often the smallest",
    fix=Fix(
        ("localai dedupe --dry-run", "localai list"),
        "user",
        hint="localai rm MODEL frees the most; what else lies there: du -xh -d1 FOLDER | sort -h",
    ),
    source="ollama #1311, #15547",
)
@for_each(disks)
def disk_full(facts: Snapshot, disk: Disk) -> Iterator[Hit]:
    """The free space is judged for each disk and not for each folder. A read-only disk needs
    none."""
    place = disk.places[0]
    if known(place.read_only, f"places: whether {disk.name} is read-only"):
        return
    free = known(place.free_bytes, f"places: free space at {disk.name}")
    total = known(place.total_bytes, f"places: the size of the disk at {disk.name}")
    is_out = free < _LEAST_BYTES
    if not is_out and not (free < total * _FULL_SHARE and free < _ROOMY_BYTES):
        return
    how = "full" if is_out else "nearly full"
    if total < 2 * _LEAST_BYTES and free > total * _FULL_SHARE:
        how = "too small for models"
    yield Hit(
        f"disk:{disk.name}",
        (
            Evidence("free", f"{bytes_text(free)} of {bytes_text(total)}", f"statvfs {disk.name}"),
            Evidence("holds", disk.holds, str(place.path)),
        ),
        title=f"the disk at {disk.name} is {how}",
        severity="fail" if is_out else "warn",
    )


@check(
    code="inodes-out",
    group="disk",
    severity="fail",
    title="the disk has room and no file can be made on it",
    when="less than 1% of its inodes is free",
    cause="many small files use up the inodes, of which each file needs one",
    fix=Fix(("df -i",), "user", hint="remove the folders with the most files"),
    source="moby #10915",
)
@for_each(disks)
def inodes_out(facts: Snapshot, disk: Disk) -> Iterator[Hit]:
    """The free inodes. File systems that do not count them report 0."""
    total = known(disk.places[0].total_inodes, f"places: inodes of {disk.name}")
    free = known(disk.places[0].free_inodes, f"places: free inodes of {disk.name}")
    if total and free * 100 < total:
        yield Hit(
            f"disk:{disk.name}",
            (
                Evidence("inodes free", f"{free:,} of {total:,}", f"statvfs {disk.name}"),
                Evidence("holds", disk.holds, str(disk.places[0].path)),
            ),
            title=f"the disk at {disk.name} has room and no file can be made on it",
            fix=Fix(
                (f"sudo du --inodes -xS {shlex.quote(disk.name)} | sort -rn | head",),
                "root",
                hint="it names the folders with the most files; remove what nobody needs",
            ),
        )


@check(
    code="disk-read-only",
    group="disk",
    severity="fail",
    title="the disk is read-only",
    when="localai's data or Ollama's models lie on a file system that is mounted read-only",
    cause="it was mounted so, or the kernel made it so after errors of the disk",
    fix=Fix(("sudo dmesg | grep -i -E 'remount|i/o error'",), "root"),
    source="ollama #2701",
)
@for_each(disks)
def disk_read_only(facts: Snapshot, disk: Disk) -> Iterator[Hit]:
    """A disk is read-only that localai or Ollama must write to."""
    written = [place for place in disk.places if place.purpose != "the hub's cache"]
    if not written or not known(written[0].read_only, f"places: whether {disk.name} is read-only"):
        return
    yield Hit(
        f"disk:{disk.name}",
        (
            Evidence("mount", f"{disk.name} is read-only", "statvfs"),
            Evidence("holds", disk.holds, str(written[0].path)),
        ),
        title=f"the disk at {disk.name} is read-only",
        fix=Fix(
            (
                f"sudo mount -o remount,rw {shlex.quote(disk.name)}",
                "sudo dmesg | grep -i -E 'remount|i/o error'",
            ),
            "root",
            hint="or set LOCALAI_HOME to a folder elsewhere",
        ),
    )


@check(
    code="folder-closed",
    group="disk",
    severity="fail",
    title="a folder on the way to a store may not be entered",
    when="a parent of the folder lacks the permission x for this user",
    cause="a file can be opened only if every folder above it may be entered",
    fix=Fix(("chmod u+x FOLDER",), "user"),
    source="ollama #2701",
)
@for_each(places)
def folder_closed(facts: Snapshot, place: Folder) -> Iterator[Hit]:
    """The first closed parent folder. It is reported once for all folders behind it."""
    blocked = known(place.blocked_by, f"places: the way to {place.purpose}")
    behind = [each for each in places(facts) if each.blocked_by == blocked]
    if blocked and behind[0] is place:
        yield Hit(
            f"folder:{place.path}",
            (
                Evidence("closed", blocked, "access(2)"),
                Evidence("on the way to", ", ".join(str(each.purpose) for each in behind), blocked),
            ),
            title=f"{blocked} may not be entered",
            fix=Fix(
                (f"chmod u+x {shlex.quote(blocked)}",),
                "user",
                undo=f"chmod u-x {shlex.quote(blocked)}",
            ),
        )


@check(
    code="folder-not-writable",
    group="disk",
    severity="fail",
    title="a folder of localai's may not be written to",
    when="this user has no right to write there",
    cause=(
        "it belongs to another user, for example after a command with sudo, or was made read-only"
    ),
    fix=Fix(("sudo chown -R $USER FOLDER",), "root"),
    source="ollama #2701",
    after=("disk-read-only", "folder-closed"),
)
@for_each(places)
def folder_not_writable(facts: Snapshot, place: Folder) -> Iterator[Hit]:
    """Only localai's folders count; on Linux, Ollama's store belongs to its service."""
    if not known(place.purpose, "places: what a folder is for").startswith("localai"):
        return
    if known(place.writable, f"places: rights to {place.purpose}") is False:
        disk = place.mount or str(place.path)
        yield Hit(
            f"folder:{place.path}",
            _rights(place),
            title=f"the folder of {place.purpose} may not be written to",
            fix=_open_fix(place),
            within=(f"disk:{disk}",),
        )


@check(
    code="models-on-slow-disk",
    group="disk",
    severity="info",
    title="models lie on a slow disk",
    when="their folder is on a network, FUSE or Windows file system, or on a hard disk",
    cause="the whole model is read before its first word: 5 GB take a minute at 80 MB/s",
    fix=Fix(
        ("export OLLAMA_MODELS=/path/on/a/fast/disk",),
        "user",
        undo="unset OLLAMA_MODELS",
        hint="for localai's own: LOCALAI_HOME",
    ),
    source="ollama #5826, #12431",
)
@for_each(disks)
def models_on_slow_disk(facts: Snapshot, disk: Disk) -> Iterator[Hit]:
    """The kinds of the file system and of the disk decide."""
    if is_mac(facts):
        return
    for place in disk.places:
        if "models" not in known(place.purpose, "places: what a folder is for"):
            continue
        if not known(place.exists, f"places: whether {place.purpose} are there"):
            continue
        kind = known(place.kind, f"places: the file system of {place.purpose}")
        slow = kind.startswith(_SLOW)
        if slow or place.rotational:
            what = kind if slow else f"{kind} on a disk that turns"
            yield Hit(f"disk:{disk.name}", (Evidence(str(place.purpose), what, str(place.path)),))
            return


@check(
    code="partial-downloads",
    group="disk",
    severity="info",
    title="broken-off downloads take disk space",
    when="more than 1 GB of `-partial` files in Ollama's store",
    cause=(
        "they stay so that `ollama pull` can continue; a restart of the server removes "
        "them unless OLLAMA_NOPRUNE is set"
    ),
    fix=Fix(("ollama pull MODEL",), "user", hint="or remove them: rm …/blobs/*-partial*"),
    source="Ollama's server/download.go",
)
def partial_downloads(facts: Snapshot) -> Iterator[Hit]:
    """The disk space of partial downloads."""
    store = store_of(facts)
    if not known(store.readable, "ollama_store: whether it can be read"):
        return
    size = known(store.partial_bytes, "ollama_store: partial downloads")
    if size > _MUCH_PARTIAL:
        folder = f"{store.path}/blobs"
        yield Hit(
            "store:ollama",
            (Evidence("partial files", f"{store.partial_files}, {bytes_text(size)}", folder),),
            fix=Fix((f"rm -i {shlex.quote(folder)}/*-partial*",), "user"),
        )


def _rights(place: Folder) -> tuple[Evidence, ...]:
    mode = "" if place.mode is None else f", mode {place.mode:o}"
    return (Evidence("owner", f"{place.owner or 'unknown'}{mode}", str(place.path)),)


def _open_fix(place: Folder) -> Fix:
    path = shlex.quote(str(place.path))
    if place.mode is not None and not place.mode & 0o200:
        return Fix((f"chmod u+w {path}",), "user", undo=f"chmod u-w {path}")
    return Fix((f'sudo chown -R "$USER" {path}',), "root", hint="or set LOCALAI_HOME elsewhere")
