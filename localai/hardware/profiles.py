"""Machines that stand in for this one: a bundled few, or a file that `hardware --json` wrote."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from localai.errors import InvalidInput, NotFound
from localai.hardware.facts import Machine, from_json
from localai.near_names import near_names


def profile_names() -> dict[str, str]:
    """The bundled profiles: name and description, in the order of the file."""
    return {name: str(table["description"]) for name, table in _bundled().items()}


def load_profile(name_or_path: str) -> Machine:
    """The machine that `--profile` names: a bundled one, or a JSON file.

    Raises NotFound if it is neither, InvalidInput if the file holds something else.
    """
    bundled = _bundled()
    if name_or_path in bundled:
        return from_json(_expanded(bundled[name_or_path]), f"the profile {name_or_path}")
    path = Path(name_or_path)
    if not path.is_file():
        near = _near(name_or_path, bundled)
        raise NotFound(
            f"there is no profile {name_or_path!r}",
            hint=(f"did you mean {' or '.join(near)}? " if near else "")
            + f"Bundled are {', '.join(bundled)}; or give a file that `localai hardware --json` "
            "wrote",
        )
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise InvalidInput(
            f"{path} holds no JSON: {error}",
            hint="on the other machine: localai hardware --json > there.json",
        ) from error
    if not isinstance(document, dict):
        raise InvalidInput(f"{path} does not describe a machine")
    # `hardware --json` wraps the machine into a document with a schema of its own.
    machine = document.get("machine", document)
    if not isinstance(machine, dict) or "memory" not in machine:
        raise InvalidInput(f"{path} does not describe a machine")
    return from_json(machine, str(path))


def _near(name: str, bundled: Iterable[str]) -> list[str]:
    """The profiles that have what was typed in their names, else those spelled like it."""
    typed = "".join(filter(str.isalnum, name.casefold()))
    within = [each for each in bundled if typed and typed in each.replace("-", "")]
    return within[:3] or near_names(name, bundled)


def _bundled() -> dict[str, dict[str, Any]]:
    text = resources.files("localai.hardware").joinpath("profiles.toml").read_text("utf-8")
    return tomllib.loads(text)


def _expanded(table: Mapping[str, Any]) -> dict[str, Any]:
    """A profile's short form, [value, source, confidence], as the JSON form of facts."""
    document: dict[str, Any] = {
        section: _facts(table[section]) for section in ("host", "cpu", "memory", "power", "disk")
    }
    document["gpus"] = [_facts(gpu) for gpu in table.get("gpus", [])]
    document["memory_bandwidth"] = _facts(table["memory_bandwidth"])["fact"]
    return document


def _facts(section: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {"value": value, "source": source, "confidence": confidence}
        for name, (value, source, confidence) in section.items()
    }
