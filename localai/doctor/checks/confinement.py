"""Limits on programs: snap's confinement, and folders that no program may be run from."""

from __future__ import annotations

from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, for_each, known
from localai.doctor.checks.subjects import (
    is_linux,
    ollama_of,
    places,
    served_variables,
    variables_of,
)
from localai.doctor.facts.machine import Folder
from localai.doctor.facts.snapshot import Snapshot
from localai.doctor.versions import number


@check(
    code="noexec-temporary-folder",
    group="server",
    severity="warn",
    title="no program may be run from the folder for temporary files",
    when="its file system is mounted noexec, and an Ollama older than 0.5 is here",
    cause=("older versions of Ollama unpack their libraries there, and other tools build there"),
    fix=Fix(
        ('mkdir -p "$HOME/.cache/tmp" && export TMPDIR="$HOME/.cache/tmp"',),
        "user",
        hint="for Ollama's service: OLLAMA_TMPDIR in `systemctl edit ollama`",
    ),
    source="Ollama's docs, troubleshooting.md",
)
@for_each(places)
def noexec_temporary_folder(facts: Snapshot, place: Folder) -> Iterator[Hit]:
    """The folder for temporary files is noexec, and an Ollama older than 0.5 is here, which needs
    it."""
    ollama = ollama_of(facts)
    if not is_linux(facts) or not known(ollama.programs, "ollama: its programs"):
        return
    version = number(ollama.server_version or ollama.client_version or "")
    if not version or version >= (0, 5, 0):
        return
    purpose = known(place.purpose, "places: what a folder is for")
    if purpose == "temporary files" and known(place.no_programs, "places: its mount"):
        yield Hit(f"folder:{place.path}", (Evidence("mount", "noexec", str(place.path)),))


@check(
    code="ollama-confined",
    group="server",
    severity="warn",
    title="snap's Ollama may not read its folder of models",
    when=(
        "the Ollama on the search path is a snap, and snap does not let it see the folder "
        "OLLAMA_MODELS"
    ),
    cause=(
        "a snap sees its own folders and a home's files that are not hidden; it sees "
        "/media and /mnt only if it is connected to them"
    ),
    fix=Fix(
        ("sudo snap connect ollama:removable-media",),
        "root",
        undo="sudo snap disconnect ollama:removable-media",
    ),
    source="snapd's docs, home and removable-media",
)
def ollama_confined(facts: Snapshot) -> Iterator[Hit]:
    """The place of the folder decides whether snap's Ollama may read it."""
    programs = known(ollama_of(facts).programs, "ollama: its programs")
    if not programs or known(programs[0].origin, "ollama: where it is from") != "snap":
        return
    folder = served_variables(facts).get("OLLAMA_MODELS") or variables_of(facts).get(
        "OLLAMA_MODELS", ""
    )
    if not folder.startswith("/") or folder.startswith(("/var/snap/", "/snap/")):
        return
    is_removable = folder.startswith(("/media/", "/mnt/", "/run/media/"))
    is_in_home = folder.startswith("/home/") and "/." not in folder
    if is_in_home:
        return
    yield Hit(
        "ollama",
        (
            Evidence("OLLAMA_MODELS", folder, "as set"),
            Evidence("program", str(programs[0].path), "the search path"),
        ),
        fix=None
        if is_removable
        else Fix(
            ("sudo snap remove ollama", "curl -fsSL https://ollama.com/install.sh | sh"),
            "root",
            hint="or move the models to a folder of your home that is not hidden",
        ),
    )
