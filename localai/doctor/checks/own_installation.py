"""Localai itself: its installation, its engine, its settings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from localai.completion_scripts import SHELLS
from localai.doctor.check import Evidence, Fix, Hit, Unknown, check, known
from localai.doctor.checks.subjects import (
    PYTHON,
    is_busy,
    our_python,
    own_of,
    served_by_ollama,
    setting,
    settings_of,
)
from localai.doctor.facts.snapshot import Snapshot
from localai.engine.exits import ended_by
from localai.near_names import near_names
from localai.units import whole_number

_OR_OLLAMA = "let Ollama compute: localai chat -m ollama/MODEL"
_GLIBC = re.compile(r"GLIBC(?:XX)?_[\d.]+. not found|version .GLIBC")


@check(
    code="engine-missing",
    group="localai",
    severity="fail",
    title="the embedded engine is not installed",
    when="the package xllamacpp is not in localai's environment",
    cause="the installation is incomplete",
    fix=Fix(
        ("./install.sh",), "user", hint="run it in localai's folder; it repairs the installation"
    ),
    source="localai",
)
def engine_missing(facts: Snapshot) -> Iterator[Hit]:
    """The package is missing."""
    ended = known(known(facts.engine, "engine").ended, "engine: how loading it ended")
    if ended == "missing":
        yield Hit("engine", (Evidence("package xllamacpp", "not installed", "Python"),))


@check(
    code="engine-crashes",
    group="localai",
    severity="fail",
    title="the embedded engine cannot be loaded",
    when="a child that imports it ends with a signal or an error",
    cause=("the wheel needs processor instructions, or a newer C library, that this machine lacks"),
    fix=Fix(
        (f"{PYTHON} -m pip install --force-reinstall --no-deps xllamacpp",),
        "user",
        hint=_OR_OLLAMA,
    ),
    source="llama-cpp-python #839; llama.cpp #8734",
    after=("vm-hides-avx2",),
)
def engine_crashes(facts: Snapshot) -> Iterator[Hit]:
    """The end of the child decides. A slow child on a busy machine may well be sound."""
    engine = known(facts.engine, "engine")
    ended = known(engine.ended, "engine: how loading it ended")
    if ended in ("ok", "missing"):
        return
    if ended == "silent" and is_busy(facts):
        raise Unknown("engine: whether it can be loaded is not known: the machine is too busy")
    words = engine.words or ""
    kind, _, status = ended.partition(" ")
    number = whole_number(status) if kind == "signal" else None
    signal = None if number is None else ended_by(-number)
    how_it_ended = signal or f"{ended}: {words or 'it said nothing'}"
    evidence = [Evidence("import xllamacpp", how_it_ended, "a child")]
    machine = facts.machine
    if machine is not None and machine.host.libc.value:
        evidence.append(Evidence("C library", machine.host.libc.value, machine.host.libc.source))
    install = f"{our_python(facts)} -m pip install --force-reinstall --no-deps xllamacpp"
    cause, fix = None, Fix((install,), "user", hint=_OR_OLLAMA)
    if ended == "signal 4":
        cause = "the wheel has instructions that this processor lacks"
        fix = Fix((), "manual", hint=f"no other wheel is published; {_OR_OLLAMA}")
    elif _GLIBC.search(words):
        cause = "the wheel needs a newer C library than this system has"
        fix = Fix((), "manual", hint=f"a newer system has one; until then {_OR_OLLAMA}")
    yield Hit("engine", tuple(evidence), cause=cause, fix=fix, within=("cpu",))


@check(
    code="config-invalid",
    group="localai",
    severity="fail",
    title="the configuration cannot be read",
    when="an entry or a variable LOCALAI_… has a value that it cannot have, or the file is no TOML",
    cause="a misspelt key or value; every command but this one stops there",
    fix=Fix(('"${EDITOR:-vi}" FILE',), "user"),
    source="localai",
)
def config_invalid(facts: Snapshot) -> Iterator[Hit]:
    """The error from reading the configuration."""
    own = own_of(facts)
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
    when="a variable begins with LOCALAI_ and belongs to no setting",
    cause="localai ignores it",
    fix=Fix(("localai config list",), "user"),
    source="localai",
)
def variable_unknown(facts: Snapshot) -> Iterator[Hit]:
    """The finding names the similar variable that was perhaps meant."""
    from localai.config.settings import SETTINGS

    names = [setting.variable for setting in SETTINGS]
    for name in known(own_of(facts).unknown_variables, "own: variables"):
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
    when="`model` names a model that no store on this machine has",
    cause="it was removed, renamed, or never fetched",
    fix=Fix(("localai pull MODEL",), "user"),
    source="localai",
    after=("folder-closed",),
)
def default_model_missing(facts: Snapshot) -> Iterator[Hit]:
    """For a model of an Ollama server, Ollama's own list decides."""
    own = own_of(facts)
    model = known(own.model, "own: the chosen model")
    if not model or known(own.model_place, "own: where the chosen model is") != "missing":
        return
    plain = model.removeprefix("ollama/")
    if {plain, f"{plain}:latest"} & {each.name for each in served_by_ollama(facts)}:
        return
    yield Hit(
        "setting:model",
        (Evidence("model", model, "settings"),),
        title=f"the chosen model {model} is not on this machine",
        fix=Fix(
            (f"localai pull {shlex.quote(plain)}",),
            "user",
            hint="or take it back: localai config unset model",
        ),
    )


@check(
    code="fallback-not-allowed",
    group="localai",
    severity="warn",
    title="the fallback names a cloud that is not allowed",
    when="`cloud.fallback` names a provider that `cloud.allow` does not",
    cause="the fallback needs both settings, so it will be refused",
    fix=Fix(("localai config unset cloud.fallback",), "ours"),
    source="localai",
    after=("key-without-permission",),
)
def fallback_not_allowed(facts: Snapshot) -> Iterator[Hit]:
    """The fallback against the permission."""
    fallback = setting(facts, "cloud.fallback")
    cloud = fallback.partition("/")[0]
    allowed = setting(facts, "cloud.allow")
    if fallback and cloud not in {each.strip() for each in allowed.split(",")}:
        where = str(settings_of(facts)["cloud.fallback"].where)
        yield Hit(
            "setting:cloud.fallback",
            (
                Evidence("cloud.fallback", fallback, where),
                Evidence("cloud.allow", allowed or "nobody", "settings"),
            ),
            within=(f"cloud:{cloud}",),
        )


@check(
    code="two-installations",
    group="localai",
    severity="warn",
    title="there are several installations of localai on this machine",
    when="the search path has more than one program of that name",
    cause="the first one is run, and an upgrade may have changed another one",
    fix=Fix(("type -a localai",), "user", hint="remove all but one"),
    source="localai",
)
def two_installations(facts: Snapshot) -> Iterator[Hit]:
    """PATH has more than one localai."""
    found = known(own_of(facts).on_path, "own: the search path")
    if len(found) > 1:
        yield Hit(
            "installation", tuple(Evidence("program", each, "the search path") for each in found)
        )


@check(
    code="not-on-path",
    group="localai",
    severity="info",
    title="localai is not on the search path",
    when="localai's folder is not in PATH, and PATH has no other localai",
    cause="the shell's file does not add ~/.local/bin, or was not read yet",
    fix=Fix(
        ('export PATH="$HOME/.local/bin:$PATH"',),
        "user",
        hint="also put the line into the file that your shell reads when it starts",
    ),
    source="localai",
)
def not_on_path(facts: Snapshot) -> Iterator[Hit]:
    """localai was called by its whole path."""
    own = own_of(facts)
    if known(own.on_path, "own: the search path"):
        return
    if not known(own.script_folder_on_path, "own: the search path"):
        line = f'export PATH="{own.script_folder}:$PATH"'
        yield Hit(
            "installation",
            (Evidence("program", str(own.program), "this process"),),
            fix=Fix(
                (line,),
                "user",
                hint="also put the line into the file that your shell reads when it starts",
            ),
        )


@check(
    code="completion-stale",
    group="localai",
    severity="info",
    title="the shell's completion script is another version's",
    when="an installed completion script is not what this version prints",
    cause="it was written by another version",
    fix=Fix(("localai completion bash > FILE",), "ours"),
    source="localai",
)
def completion_stale(facts: Snapshot) -> Iterator[Hit]:
    """The installed script against this version's script."""
    for file in known(own_of(facts).completion, "own: completion"):
        shell = next((name for name, each in SHELLS.items() if file.endswith(each.file)), "bash")
        yield Hit(
            f"file:{file}",
            (Evidence("script", "not this version's", file),),
            fix=Fix(
                (f"localai completion {shell} > {shlex.quote(file)}",),
                "ours",
                undo=f"mv {shlex.quote(f'{file}.before')} {shlex.quote(file)}",
            ),
        )
