"""localai's own state: its database, workers, leftovers, and data that ages."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, for_each, known, known_day
from localai.doctor.checks.subjects import PYTHON, disks_of, our_python, own_of, setting, workers
from localai.doctor.facts.own import WorkerFacts
from localai.doctor.facts.snapshot import Snapshot
from localai.units import bytes_text, counted

_OLD_DAYS = 90
_UPGRADE = "-m pip install --upgrade genai-prices"


@check(
    code="database-damaged",
    group="localai",
    severity="fail",
    title="the database is damaged",
    when="SQLite says that the file is no database, or that it is malformed",
    cause="the disk failed or was full, or a program changed the file",
    fix=Fix(("mv FILE FILE.damaged",), "ours", undo="mv FILE.damaged FILE"),
    source="localai",
    after=("disk-full", "disk-read-only"),
)
def database_damaged(facts: Snapshot) -> Iterator[Hit]:
    """The result of opening the database; with --deep, of checking all of it."""
    own = own_of(facts)
    state = known(own.database, "own: the database")
    deep = facts.deep.database if facts.deep is not None else None
    if state == "damaged" or (deep or "ok") != "ok":
        file = shlex.quote(str(own.database_file))
        problem = deep if deep not in (None, "ok") else "the file is no database, or malformed"
        yield Hit(
            "database",
            (Evidence("SQLite", str(problem), str(own.database_file)),),
            fix=Fix(
                (f"mv {file} {file}.damaged",),
                "ours",
                undo=f"mv {file}.damaged {file}",
                hint="localai begins a new one; what the old one holds is kept beside it",
            ),
            within=disks_of(facts, "localai's data"),
        )


@check(
    code="database-unusable",
    group="localai",
    severity="fail",
    title="the database cannot be used",
    when="SQLite cannot open it, or a newer localai has written it",
    cause=(
        "its permissions, another program that holds it, or an older localai that was "
        "installed again"
    ),
    fix=Fix(("ls -l FILE",), "user"),
    source="localai",
    after=("folder-closed", "folder-not-writable", "disk-read-only"),
)
def database_unusable(facts: Snapshot) -> Iterator[Hit]:
    """Every other fault than damage."""
    own = own_of(facts)
    state = known(own.database, "own: the database")
    if state in ("ok", "none", "damaged"):
        return
    words = {
        "newer": "a newer localai has written it",
        "locked": "another program holds it",
    }.get(state, state)
    folder = str(own.database_file).rpartition("/")[0]
    fix = Fix((f"ls -l {shlex.quote(str(own.database_file))}",), "user")
    if state == "newer":
        fix = Fix((), "user", hint="install the newer localai again; this one cannot read it")
    yield Hit(
        "database",
        (Evidence("SQLite", words, str(own.database_file)),),
        severity="info" if state == "locked" else "fail",
        fix=fix,
        within=(f"folder:{folder}", *disks_of(facts, "localai's data")),
    )


@check(
    code="stale-files",
    group="localai",
    severity="info",
    title="killed commands have left files behind",
    when="temporary files and sockets of localai's whose process has ended",
    cause=(
        "the power was cut, or a command was ended by kill -9; the next command of the "
        "same kind removes such files"
    ),
    fix=Fix(("rm -r FILE",), "user"),
    source="localai",
)
def stale_files(facts: Snapshot) -> Iterator[Hit]:
    """Files that no process holds."""
    own = own_of(facts)
    files = known(own.leftovers, "own: leftovers")
    if files:
        names = " ".join(shlex.quote(each) for each in files)
        size = bytes_text(own.leftover_bytes or 0)
        count = counted(len(files), "file")
        yield Hit(
            "leftovers",
            tuple(Evidence("left", each, "no process holds it") for each in files[:5]),
            title=f"commands that were killed have left {count} ({size})",
            fix=Fix((f"rm -r {names}",), "user"),
        )


@check(
    code="worker-of-other-version",
    group="localai",
    severity="info",
    title="a worker with another version of the engine is still running",
    when="a running worker has another version of the engine than the installed one",
    cause="it was started before an upgrade or an engine.binary; it leaves when it is idle",
    fix=Fix(("localai stop --all",), "ours"),
    source="localai",
)
@for_each(workers)
def worker_of_other_version(facts: Snapshot, worker: WorkerFacts) -> Iterator[Hit]:
    """The worker's engine against the installed package."""
    version = known(known(facts.engine, "engine").version, "engine: its version")
    name = known(worker.engine, "own: a worker's engine")
    # The llama-server of engine.binary has a version of its own.
    is_ours = "llama" in name and not name.startswith("llama-server")
    is_other = is_ours and bool(version) and version not in name
    if is_other and re.search(r"\d+\.\d+", name):
        yield Hit(
            f"worker:{worker.pid}",
            (
                Evidence("running", name, f"process {worker.pid}"),
                Evidence("installed", version, "xllamacpp"),
            ),
        )


@check(
    code="catalogue-old",
    group="localai",
    severity="info",
    title="the catalogue of models is old",
    when="its newest source is more than 90 days older than today",
    cause="`localai recommend` knows no newer models; a newer localai does",
    fix=Fix(("./install.sh",), "user", hint="run the installer of a newer localai"),
    source="localai",
    after=("clock-wrong",),
)
def catalogue_old(facts: Snapshot) -> Iterator[Hit]:
    """The catalogue's date against today."""
    yield from _old(facts, "the catalogue", own_of(facts).catalogue_date)


@check(
    code="prices-old",
    group="localai",
    severity="info",
    title="the price list of the clouds is old",
    when="it is more than 90 days old, and a cloud is allowed",
    cause="it comes with the package genai-prices, and nothing is looked up",
    fix=Fix((f"{PYTHON} {_UPGRADE}",), "user"),
    source="localai",
    after=("clock-wrong",),
)
def prices_old(facts: Snapshot) -> Iterator[Hit]:
    """It fires only if a cloud is allowed, because only then are prices shown."""
    if not setting(facts, "cloud.allow"):
        return
    date = known(own_of(facts).prices_date, "own: prices")
    if date:
        fix = Fix((f"{our_python(facts)} {_UPGRADE}",), "user")
        yield from _old(facts, "the price list", date, fix)


def _old(facts: Snapshot, what: str, date: str | None, fix: Fix | None = None) -> Iterator[Hit]:
    day = known_day(date, f"own: the date of {what}")
    today = known_day(known(facts.kernel, "kernel").now, "kernel: the time")
    age = (today - day).days
    if age > _OLD_DAYS:
        yield Hit(
            f"data:{what}",
            (Evidence("of", f"{day.isoformat()}, {counted(age, 'day')} ago", what),),
            fix=fix,
            within=("clock",),
        )
