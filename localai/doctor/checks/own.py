"""Localai itself: installation, settings, database, workers, what it has left behind, its data."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, known, known_day
from localai.doctor.checks.machines import PYTHON
from localai.doctor.facts import Snapshot
from localai.near_names import near_names
from localai.units import bytes_text

_OLD_DAYS = 90
_SIGNALS = {
    "signal 4": "an illegal instruction",
    "signal 11": "a fault in memory",
    "signal 6": "it aborted itself",
    "signal 9": "it was killed (out of memory?)",
}
_GLIBC = re.compile(r"GLIBC(?:XX)?_[\d.]+. not found|version .GLIBC")


@check(
    code="engine-missing",
    group="localai",
    severity="fail",
    title="the embedded engine is not installed",
    told="the package xllamacpp is not in localai's environment",
    cause="the installation is not whole",
    fix=Fix(("./install.sh",), "user", advice="in the folder of localai; it repairs"),
    source="localai",
)
def engine_missing(facts: Snapshot) -> Iterator[Hit]:
    """No package."""
    if known(known(facts.engine, "engine").ended, "engine") == "missing":
        yield Hit("engine", (Evidence("package xllamacpp", "not installed", "Python"),))


@check(
    code="engine-crashes",
    group="localai",
    severity="fail",
    title="the embedded engine cannot be loaded",
    told="a child that imports it ends with a signal or an error",
    cause="the wheel is for a processor with other instructions, or a newer C library than this",
    fix=Fix(
        (f"{PYTHON} -m pip install --no-binary xllamacpp --force-reinstall xllamacpp",),
        "user",
        advice="which builds it on this machine; or use Ollama: localai chat -m ollama/…",
    ),
    source="llama-cpp-python #839; llama.cpp #8734",
    after=("vm-hides-avx2",),
)
def engine_crashes(facts: Snapshot) -> Iterator[Hit]:
    """How the child ended."""
    engine = known(facts.engine, "engine")
    ended = known(engine.ended, "engine")
    if ended in ("ok", "missing"):
        return
    words = engine.words or ""
    said = _SIGNALS.get(ended, words or "it said nothing")
    evidence = [Evidence("import xllamacpp", f"{ended}: {said}", "a child")]
    machine = facts.machine
    if machine is not None and machine.host.libc.value:
        evidence.append(Evidence("C library", machine.host.libc.value, machine.host.libc.source))
    cause = None
    if ended == "signal 4":
        cause = "the wheel has instructions that this processor lacks"
    elif _GLIBC.search(words):
        cause = "the wheel needs a newer C library than this system has"
    yield Hit("engine", tuple(evidence), cause=cause, within=("cpu",))


@check(
    code="config-invalid",
    group="localai",
    severity="fail",
    title="the configuration cannot be read",
    told="an entry or a variable LOCALAI_… has a value that it cannot have, or the file is no TOML",
    cause="a misspelt key or value; every command but this one stops there",
    fix=Fix(('"${EDITOR:-vi}" FILE',), "user"),
    source="localai",
)
def config_invalid(facts: Snapshot) -> Iterator[Hit]:
    """The error of reading it."""
    own = known(facts.own, "own")
    error = known(own.config_error, "own: the configuration")
    if not error:
        return
    key = re.search(r"there is no setting called '([\w.]+)'|: ([\w.]+) must be", error)
    name = (key[1] or key[2]) if key else None
    variable = re.search(r"\b(LOCALAI_[A-Z_]+)", error)
    lines = (f'"${{EDITOR:-vi}}" {shlex.quote(str(own.config_file))}',)
    if variable:
        lines = (f"unset {variable[1]}",)
    elif name and key and key[2]:
        lines = (f"localai config unset {name}",)
    yield Hit("config", (Evidence("error", error, "localai"),), fix=Fix(lines, "user"))


@check(
    code="variable-unknown",
    group="localai",
    severity="warn",
    title="localai knows no such variable",
    told="a variable that begins with LOCALAI_ and is the variable of no setting",
    cause="it is passed over",
    fix=Fix(("localai config list",), "user"),
    source="localai",
)
def variable_unknown(facts: Snapshot) -> Iterator[Hit]:
    """With the name that was perhaps meant."""
    from localai.config.settings import SETTINGS

    names = [setting.variable for setting in SETTINGS]
    for name in known(known(facts.own, "own").unknown_variables, "own: variables"):
        near = near_names(name, names)
        evidence = [Evidence(name, "set", "the environment")]
        if near:
            evidence.append(Evidence("meant", f"{near[0]}?", "the settings' variables"))
        yield Hit(
            f"variable:{name}",
            tuple(evidence),
            title=f"localai knows no variable {name}",
            fix=Fix((f"unset {name}",), "user"),
        )


@check(
    code="default-model-missing",
    group="localai",
    severity="fail",
    title="the chosen model is not on this machine",
    told="`model` names one that no store here has",
    cause="it was removed, renamed, or never fetched",
    fix=Fix(("localai pull MODEL",), "user"),
    source="localai",
    after=("folder-closed",),
)
def default_model_missing(facts: Snapshot) -> Iterator[Hit]:
    """Of a model that Ollama serves from elsewhere, Ollama's own list decides."""
    own = known(facts.own, "own")
    if not known(own.model, "own: the chosen model") or own.model_found is not False:
        return
    ollama = known(facts.ollama, "ollama")
    served = {each.name for each in ollama.models or ()}
    plain = (own.model or "").removeprefix("ollama/")
    if {plain, f"{plain}:latest"} & served:
        return
    name = shlex.quote(plain)
    yield Hit(
        "setting:model",
        (Evidence("model", str(own.model), "settings"),),
        title=f"the chosen model {own.model} is not on this machine",
        fix=Fix(
            (f"localai pull {name}",), "user", advice="or take it back: localai config unset model"
        ),
    )


@check(
    code="fallback-not-allowed",
    group="localai",
    severity="warn",
    title="the fallback names a cloud that is not allowed",
    told="`cloud.fallback` names a provider that `cloud.allow` does not",
    cause="both are needed: the fallback will be refused when it is wanted",
    fix=Fix(("localai config unset cloud.fallback",), "ours"),
    source="localai",
    after=("key-without-permission",),
)
def fallback_not_allowed(facts: Snapshot) -> Iterator[Hit]:
    """Fallback against permission."""
    settings = {each.key: each for each in known(known(facts.own, "own").settings, "own: settings")}
    fallback = settings.get("cloud.fallback")
    if fallback is None or not fallback.value:
        return
    cloud = fallback.value.partition("/")[0]
    allow = settings.get("cloud.allow")
    allowed = {each.strip() for each in (allow.value or "").split(",")} if allow else set()
    if cloud not in allowed:
        yield Hit(
            "setting:cloud.fallback",
            (
                Evidence("cloud.fallback", fallback.value, str(fallback.where)),
                Evidence("cloud.allow", ", ".join(sorted(allowed)) or "nobody", "settings"),
            ),
            within=(f"cloud:{cloud}",),
        )


@check(
    code="database-damaged",
    group="localai",
    severity="fail",
    title="the database is damaged",
    told="SQLite says that the file is none, or is malformed",
    cause="a disk that failed or was full, or a program that changed the file",
    fix=Fix(("mv FILE FILE.damaged",), "ours", undo="mv FILE.damaged FILE"),
    source="localai",
    after=("disk-full", "disk-read-only"),
)
def database_damaged(facts: Snapshot) -> Iterator[Hit]:
    """What opening it gave; all of it is looked through with --deep."""
    own = known(facts.own, "own")
    state = known(own.database, "own: the database")
    deep = facts.deep.database if facts.deep is not None else None
    if state == "damaged" or (deep or "ok") != "ok":
        file = shlex.quote(str(own.database_file))
        yield Hit(
            "database",
            (
                Evidence(
                    "SQLite",
                    deep or "the file is no database, or malformed",
                    str(own.database_file),
                ),
            ),
            fix=Fix((f"mv {file} {file}.damaged",), "ours", undo=f"mv {file}.damaged {file}"),
        )


@check(
    code="database-unusable",
    group="localai",
    severity="fail",
    title="the database cannot be used",
    told="SQLite cannot open it, or a newer localai has written it",
    cause="its rights, another program that holds it, or a localai that was put back",
    fix=Fix(("ls -l FILE",), "user"),
    source="localai",
    after=("folder-closed", "folder-not-writable", "disk-read-only"),
)
def database_unusable(facts: Snapshot) -> Iterator[Hit]:
    """Everything but damage."""
    own = known(facts.own, "own")
    state = known(own.database, "own: the database")
    if state in ("ok", "none", "damaged"):
        return
    words = {
        "newer": "a newer localai has written it",
        "locked": "another program holds it",
    }.get(state, state)
    folder = str(own.database_file).rpartition("/")[0]
    yield Hit(
        "database",
        (Evidence("SQLite", words, str(own.database_file)),),
        severity="info" if state == "locked" else "fail",
        fix=Fix((f"ls -l {shlex.quote(str(own.database_file))}",), "user"),
        within=(f"folder:{folder}",),
    )


@check(
    code="two-installations",
    group="localai",
    severity="warn",
    title="there are several localai on this machine",
    told="the search path has more than one program of that name",
    cause="the first one answers, and an upgrade may have been another's",
    fix=Fix(("type -a localai",), "user", advice="remove all but one"),
    source="localai",
)
def two_installations(facts: Snapshot) -> Iterator[Hit]:
    """More than one on PATH."""
    found = known(known(facts.own, "own").on_path, "own: the search path")
    if len(found) > 1:
        yield Hit(
            "installation", tuple(Evidence("program", each, "the search path") for each in found)
        )


@check(
    code="not-on-path",
    group="localai",
    severity="info",
    title="localai is not on the search path",
    told="its program's folder is not in PATH, and PATH has no other",
    cause="the shell's file does not add ~/.local/bin, or was not read yet",
    fix=Fix(
        ('export PATH="$HOME/.local/bin:$PATH"',), "user", advice="and into the shell's own file"
    ),
    source="localai",
)
def not_on_path(facts: Snapshot) -> Iterator[Hit]:
    """Where it was called by its whole name."""
    own = known(facts.own, "own")
    if known(own.on_path, "own: the search path"):
        return
    if known(own.script_folder_on_path, "own: the search path") is False:
        folder = str(own.script_folder)
        yield Hit(
            "installation",
            (Evidence("program", str(own.program), "this process"),),
            fix=Fix((f'export PATH="{folder}:$PATH"',), "user", advice="and into the shell's file"),
        )


@check(
    code="completion-stale",
    group="localai",
    severity="info",
    title="the shell completes by an older localai",
    told="an installed completion script is not what this version prints",
    cause="it was written by another version",
    fix=Fix(("localai completion bash > FILE",), "ours"),
    source="localai",
)
def completion_stale(facts: Snapshot) -> Iterator[Hit]:
    """Installed against printed."""
    for file in known(known(facts.own, "own").completion, "own: completion"):
        shell = "fish" if file.endswith(".fish") else "zsh" if "_localai" in file else "bash"
        yield Hit(
            f"file:{file}",
            (Evidence("script", "not this version's", file),),
            fix=Fix(
                (f"localai completion {shell} > {shlex.quote(file)}",),
                "ours",
                undo=f"mv {shlex.quote(f'{file}.before')} {shlex.quote(file)}",
            ),
        )


@check(
    code="stale-files",
    group="localai",
    severity="info",
    title="commands that were killed have left files",
    told="temporary files and sockets of localai's whose process has ended",
    cause="a power cut, or kill -9; the next command of the same kind would remove its own",
    fix=Fix(("rm -r FILE",), "user"),
    source="localai",
)
def stale_files(facts: Snapshot) -> Iterator[Hit]:
    """What nobody holds."""
    own = known(facts.own, "own")
    files = known(own.leftovers, "own: leftovers")
    if files:
        names = " ".join(shlex.quote(each) for each in files)
        size = bytes_text(own.leftover_bytes or 0)
        yield Hit(
            "leftovers",
            tuple(Evidence("left", each, "no process holds it") for each in files[:5]),
            title=f"commands that were killed have left {len(files)} files ({size})",
            fix=Fix((f"rm -r {names}",), "user"),
        )


@check(
    code="worker-of-other-version",
    group="localai",
    severity="info",
    title="an engine of another version is still running",
    told="a living worker has an engine that is not the installed one",
    cause="it was started before an upgrade; it leaves when it is idle",
    fix=Fix(("localai stop --all",), "ours"),
    source="localai",
)
def worker_of_other_version(facts: Snapshot) -> Iterator[Hit]:
    """The worker's engine against the package."""
    own, engine = known(facts.own, "own"), known(facts.engine, "engine")
    version = known(engine.version, "engine: its version")
    for worker in known(own.workers, "own: workers"):
        name = worker.engine or ""
        is_other = "llama" in name and bool(version) and version not in name
        if worker.alive and is_other and re.search(r"\d+\.\d+", name):
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
    told="its newest source is more than 90 days older than today",
    cause="`localai recommend` knows nothing newer; a newer localai does",
    fix=Fix(("./install.sh",), "user", advice="of a newer localai"),
    source="localai",
    after=("clock-wrong",),
)
def catalogue_old(facts: Snapshot) -> Iterator[Hit]:
    """The catalogue's date against today."""
    yield from _old(facts, "the catalogue", known(facts.own, "own").catalogue_date)


@check(
    code="prices-old",
    group="localai",
    severity="info",
    title="the price list of the clouds is old",
    told="it is more than 90 days old, and a cloud is allowed",
    cause="it comes with the package genai-prices, and nothing is looked up",
    fix=Fix(('pip install --upgrade "genai-prices"',), "user"),
    source="localai",
    after=("clock-wrong",),
)
def prices_old(facts: Snapshot) -> Iterator[Hit]:
    """Of interest only where prices are shown."""
    own = known(facts.own, "own")
    allowed = any(each.key == "cloud.allow" and each.value for each in known(own.settings, "own"))
    if allowed and known(own.prices_date, "own: prices"):
        yield from _old(facts, "the price list", own.prices_date)


def _old(facts: Snapshot, what: str, date: str | None) -> Iterator[Hit]:
    day = known_day(date, f"own: the date of {what}")
    today = known_day(known(facts.kernel, "kernel").now, "kernel: the time")
    age = (today - day).days
    if age > _OLD_DAYS:
        yield Hit(
            f"data:{what}",
            (Evidence("of", f"{day.isoformat()}, {age} days ago", what),),
            within=("clock",),
        )


@check(
    code="starter-fails",
    group="localai",
    severity="fail",
    title="the embedded engine does not answer",
    told="with --deep: the starter model was asked and gave no answer",
    cause="the engine cannot load or run a model here",
    fix=Fix(("localai chat -m starter --debug hello",), "user"),
    source="localai",
    after=("engine-missing", "engine-crashes"),
)
def starter_fails(facts: Snapshot) -> Iterator[Hit]:
    """Only with --deep."""
    if facts.deep is not None and facts.deep.answer_error:
        yield Hit("engine", (Evidence("answer", facts.deep.answer_error, "the starter"),))


@check(
    code="slower-than-predicted",
    group="localai",
    severity="warn",
    title="the engine is much slower than this machine allows",
    told="with --deep: the starter was measured at less than half of the prediction's lower end",
    cause="something takes the processor or the memory, or the GPU that is shown is not used",
    fix=Fix(("localai hardware --measure", "top"), "user"),
    source="ollama #8426",
    after=("machine-busy", "memory-pressure", "engine-for-cpu", "power-saving", "on-battery"),
)
def slower_than_predicted(facts: Snapshot) -> Iterator[Hit]:
    """Measured against predicted."""
    deep = facts.deep
    if deep is None or deep.measured_tokens_per_s is None or deep.predicted_low is None:
        return
    if deep.measured_tokens_per_s * 2 < deep.predicted_low:
        yield Hit(
            "engine",
            (
                Evidence("measured", f"{deep.measured_tokens_per_s:.1f} tok/s", "the starter"),
                Evidence(
                    "predicted",
                    f"{deep.predicted_low:.1f} to {deep.predicted_high or 0:.1f} tok/s",
                    "localai show",
                ),
            ),
            within=("cpu", "memory", "power"),
        )


@check(
    code="file-digest-wrong",
    group="models",
    severity="fail",
    title="a model's file is not what it was when it was fetched",
    told="with --deep: its SHA-256 is not the one that its store states",
    cause="a disk that fails, or a program that changed it",
    fix=Fix(("localai pull MODEL",), "user"),
    source="ollama #941, #8105, #9846",
    after=("ollama-blob-damaged",),
)
def file_digest_wrong(facts: Snapshot) -> Iterator[Hit]:
    """Only with --deep."""
    for name in (facts.deep.damaged or ()) if facts.deep is not None else ():
        yield Hit(
            f"file:{name}",
            (Evidence("SHA-256", "another than its name says", name),),
            title=f"{name} is damaged",
            fix=Fix((f"rm {shlex.quote(name)}",), "user", advice="then fetch the model again"),
            within=(f"blob:{name}",),
        )


@check(
    code="file-unreadable",
    group="disk",
    severity="fail",
    title="a model cannot be read from its disk",
    told="with --deep: reading a part of it fails",
    cause="the disk fails, or the file system is damaged",
    fix=Fix(("sudo dmesg | grep -i 'i/o error'",), "root"),
    source="localai",
)
def file_unreadable(facts: Snapshot) -> Iterator[Hit]:
    """Only with --deep."""
    for name in (facts.deep.unreadable or ()) if facts.deep is not None else ():
        yield Hit(f"file:{name}", (Evidence("read", "fails", name),))
