"""Programs that may not do all: snap's confinement, and folders from which nothing may run."""

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
    title="nothing may be run from the folder for temporary files",
    told="its file system is mounted noexec",
    cause="older Ollamas unpack their libraries there, and other tools build there",
    fix=Fix(
        ('mkdir -p "$HOME/.cache/tmp" && export TMPDIR="$HOME/.cache/tmp"',),
        "user",
        advice="for Ollama's service: OLLAMA_TMPDIR in `systemctl edit ollama`",
    ),
    source="doctor.md 62",
)
@for_each(places)
def noexec_temporary_folder(facts: Snapshot, place: Folder) -> Iterator[Hit]:
    """Noexec where an Ollama is that needs it."""
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
    told="the Ollama of the search path is snap's, and OLLAMA_MODELS is a folder that snap does "
    "not show it",
    cause="a snap sees its own folders, what is not hidden in a home, and of /media and /mnt "
    "what it was connected to",
    fix=Fix(
        ("sudo snap connect ollama:removable-media",),
        "root",
        undo="sudo snap disconnect ollama:removable-media",
    ),
    source="doctor.md 61; snapd's docs, home and removable-media",
)
def ollama_confined(facts: Snapshot) -> Iterator[Hit]:
    """By where the folder lies."""
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
            advice="or move the models to a folder of your home that is not hidden",
        ),
    )
