"""Disks and folders: full, read-only, closed, slow."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, known
from localai.doctor.facts import Place, Snapshot
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
    told="less than 1 GB is free where models or localai's data lie; under 5% (and 20 GB) is a "
    "warning",
    cause="models are gigabytes, and the partition that holds them is often the smallest",
    fix=Fix(("localai list", "localai dedupe --dry-run"), "user"),
    source="ollama #1311, #15547",
)
def disk_full(facts: Snapshot) -> Iterator[Hit]:
    """Free space by disk, not by folder."""
    seen: set[str] = set()
    for place in known(facts.places, "places"):
        if place.purpose == "temporary files" or place.read_only:
            continue
        disk = place.mount or str(place.path)
        free = known(place.free_bytes, f"places: free space for {place.purpose}")
        total = known(place.total_bytes, f"places: size of the disk for {place.purpose}")
        is_out = free < _LEAST_BYTES
        if not is_out and not (free < total * _FULL_SHARE and free < _ROOMY_BYTES):
            continue
        if disk in seen:
            continue
        seen.add(disk)
        yield Hit(
            f"disk:{disk}",
            (
                Evidence("free", f"{bytes_text(free)} of {bytes_text(total)}", f"statvfs {disk}"),
                Evidence("holds", str(place.purpose), str(place.path)),
            ),
            title=f"the disk at {disk} is full" if is_out else f"the disk at {disk} is nearly full",
            severity="fail" if is_out else "warn",
            fix=Fix(
                (f"df -h {shlex.quote(disk)}", "localai dedupe --dry-run", "localai list"), "user"
            ),
        )


@check(
    code="inodes-out",
    group="disk",
    severity="fail",
    title="the disk has room and no file can be made on it",
    told="less than 1% of its inodes is free",
    cause="many small files have taken the numbers that a file needs",
    fix=Fix(("df -i",), "user"),
    source="doctor.md 75",
)
def inodes_out(facts: Snapshot) -> Iterator[Hit]:
    """Inodes; file systems that count none say 0."""
    seen: set[str] = set()
    for place in known(facts.places, "places"):
        total, free = place.total_inodes, place.free_inodes
        disk = place.mount or str(place.path)
        if total and free is not None and free * 100 < total and disk not in seen:
            seen.add(disk)
            yield Hit(
                f"disk:{disk}", (Evidence("inodes free", f"{free:,} of {total:,}", "statvfs"),)
            )


@check(
    code="disk-read-only",
    group="disk",
    severity="fail",
    title="the disk is read-only",
    told="localai's data or Ollama's models lie on a file system that is mounted read-only",
    cause="it was mounted so, or the kernel made it so after errors of the disk",
    fix=Fix(("sudo dmesg | grep -i -E 'remount|i/o error'",), "root"),
    source="ollama #2701",
)
def disk_read_only(facts: Snapshot) -> Iterator[Hit]:
    """What has to be written to."""
    seen: set[str] = set()
    for place in known(facts.places, "places"):
        if place.purpose == "the hub's cache" or not place.read_only:
            continue
        disk = place.mount or str(place.path)
        if disk not in seen:
            seen.add(disk)
            yield Hit(
                f"disk:{disk}",
                (
                    Evidence("mount", f"{disk} is read-only", "statvfs"),
                    Evidence("holds", str(place.purpose), str(place.path)),
                ),
                title=f"the disk at {disk} is read-only",
                fix=Fix(
                    (
                        f"sudo mount -o remount,rw {shlex.quote(disk)}",
                        "sudo dmesg | grep -i -E 'remount|i/o error'",
                    ),
                    "root",
                    advice="or set LOCALAI_HOME to a folder elsewhere",
                ),
            )


@check(
    code="folder-closed",
    group="disk",
    severity="fail",
    title="a folder on the way to a store may not be entered",
    told="a parent of the folder lacks the right x for this user",
    cause="to open a file every folder above it must be passable",
    fix=Fix(("chmod u+x FOLDER",), "user"),
    source="ollama #2701",
)
def folder_closed(facts: Snapshot) -> Iterator[Hit]:
    """The first closed parent."""
    seen: set[str] = set()
    for place in known(facts.places, "places"):
        blocked = place.blocked_by
        if blocked and blocked not in seen:
            seen.add(blocked)
            yield Hit(
                f"folder:{place.path}",
                (
                    Evidence("closed", blocked, "access(2)"),
                    Evidence("on the way to", str(place.purpose), str(place.path)),
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
    told="this user has no right to write there",
    cause="it belongs to another user (a command that was run with sudo), or was made read-only",
    fix=Fix(("sudo chown -R $USER FOLDER",), "root"),
    source="ollama #2701",
    after=("disk-read-only", "folder-closed"),
)
def folder_not_writable(facts: Snapshot) -> Iterator[Hit]:
    """Our own folders; Ollama's store belongs to its service on Linux, rightly."""
    for place in known(facts.places, "places"):
        if not (place.purpose or "").startswith("localai"):
            continue
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
    told="their folder is on a network, FUSE or Windows file system, or on a disk that turns",
    cause="a model is read whole before its first word: 5 GB take a minute at 80 MB/s",
    fix=Fix(
        ("export OLLAMA_MODELS=/path/on/a/fast/disk",),
        "user",
        undo="unset OLLAMA_MODELS",
        advice="for localai's own: LOCALAI_HOME",
    ),
    source="doctor.md 74",
)
def models_on_slow_disk(facts: Snapshot) -> Iterator[Hit]:
    """By the file system's name and the disk's nature."""
    if known(facts.kernel, "kernel").mac_version:
        return
    seen: set[str] = set()
    for place in known(facts.places, "places"):
        if "models" not in (place.purpose or "") or not place.exists:
            continue
        disk = place.mount or str(place.path)
        kind = known(place.kind, f"places: the file system of {place.purpose}")
        slow = kind.startswith(_SLOW)
        if (slow or place.rotational) and disk not in seen:
            seen.add(disk)
            what = f"{kind}" if slow else f"{kind} on a disk that turns"
            yield Hit(f"disk:{disk}", (Evidence(str(place.purpose), what, str(place.path)),))


@check(
    code="partial-downloads",
    group="disk",
    severity="info",
    title="downloads that broke off take room",
    told="more than 1 GB of `-partial` files in Ollama's store",
    cause="`ollama pull` goes on where it was when it is called again, and until then they stay; a "
    "restart of the server removes them unless OLLAMA_NOPRUNE is set",
    fix=Fix(("ollama pull MODEL",), "user", advice="or remove them: rm …/blobs/*-partial*"),
    source="Ollama's server/download.go",
)
def partial_downloads(facts: Snapshot) -> Iterator[Hit]:
    """What they take."""
    store = known(facts.ollama_store, "ollama_store")
    size = known(store.partial_bytes, "ollama_store: partial downloads") if store.readable else 0
    if size > _MUCH_PARTIAL:
        folder = f"{store.path}/blobs"
        yield Hit(
            "store:ollama",
            (Evidence("partial files", f"{store.partial_files}, {bytes_text(size)}", folder),),
            fix=Fix((f"rm -i {shlex.quote(folder)}/*-partial*",), "user"),
        )


def _rights(place: Place) -> tuple[Evidence, ...]:
    mode = "" if place.mode is None else f", mode {place.mode:o}"
    return (Evidence("owner", f"{place.owner or 'unknown'}{mode}", str(place.path)),)


def _open_fix(place: Place) -> Fix:
    path = shlex.quote(str(place.path))
    if place.mode is not None and not place.mode & 0o200:
        return Fix((f"chmod u+w {path}",), "user", undo=f"chmod u-w {path}")
    return Fix((f'sudo chown -R "$USER" {path}',), "root", advice="or set LOCALAI_HOME elsewhere")
