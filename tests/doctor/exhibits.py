"""Captured machines, and the failures of the museum as changes of them.

`machines/NAME.json` are the facts of a machine with nothing wrong. `museum/CODE/case.json` names
one, the facts that differ (`graphics.smi`, `machine.gpus.0.driver`), what must fire and what must
be folded under it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from localai.doctor.facts.snapshot import Snapshot
from localai.doctor.facts_json import snapshot_from_json
from localai.hardware.facts import Cpu, Disk, Fact, Gpu, Host, Memory, Power

_FOLDER = Path(__file__).parent
MACHINES = tuple(sorted(file.stem for file in (_FOLDER / "machines").glob("*.json")))
CASES = tuple(sorted(file.parent.name for file in (_FOLDER / "museum").glob("*/case.json")))


@dataclass(frozen=True)
class Case:
    """An exhibit: its facts as a document, those fields of it that are not the healthy machine's,
    and what is expected of them."""

    facts: dict[str, Any]
    fields: frozenset[str]
    fires: frozenset[str]
    explains: frozenset[str]


def machine_facts(name: str) -> dict[str, Any]:
    """The document of a healthy machine."""
    facts: dict[str, Any] = json.loads((_FOLDER / "machines" / f"{name}.json").read_text())
    return facts


def case_of(code: str) -> Case:
    """The exhibit called `code`."""
    content = json.loads((_FOLDER / "museum" / code / "case.json").read_text())
    facts = changed(machine_facts(content["machine"]), content["changes"])
    differing = frozenset(path.partition(".")[0] for path in content["changes"])
    return Case(facts, differing, frozenset(content["fires"]), frozenset(content["explains"]))


def snapshot(facts: Mapping[str, Any]) -> Snapshot:
    """The snapshot of a document."""
    return snapshot_from_json(facts, "the exhibit")


def changed(facts: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`facts` with other values at the given places."""
    result = copy.deepcopy(facts)
    for path, value in changes.items():
        *before, last = path.split(".")
        place: Any = result
        for part in before:
            place = place[int(part) if isinstance(place, list) else part]
        key: Any = int(last) if isinstance(place, list) else last
        old = place[key]
        if _is_fact(old):
            place[key] = {"value": value, "source": old["source"], "confidence": "reported"}
        else:
            place[key] = value
    return result


_SECTIONS = (Host, Cpu, Memory, Gpu, Power, Disk)
_ALWAYS_KNOWN = {("schema",), ("missing",), ("machine", "gpus"), ("machine", "problems")}
_MAPPINGS = {
    ("environment", "variables"),
    ("ollama", "environment"),
    ("ollama_store", "needs"),
    ("packages",),
    ("service", "environment"),
    ("trust", "ca_files"),
}


def places_of(facts: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The place of every fact that can be unknown, the larger ones too."""
    is_field = bool(path) and isinstance(path[-1], str)
    if is_field and path not in _ALWAYS_KNOWN:
        yield path
    if isinstance(facts, list):
        for number, value in enumerate(facts):
            if isinstance(value, dict):
                yield from places_of(value, (*path, number))
    elif isinstance(facts, dict) and path not in _MAPPINGS and not _is_fact(facts):
        for key, value in facts.items():
            yield from places_of(value, (*path, key))


def _is_fact(value: object) -> bool:
    """Whether it is a value with its source, as `localai.hardware` has them."""
    return isinstance(value, dict) and set(value) == {"value", "source", "confidence"}


def dropped(facts: Snapshot, path: tuple[str | int, ...]) -> Snapshot:
    """`facts` without the one at `path`, which becomes unknown."""
    result: Snapshot = _without(facts, path)
    return result


def _without(value: Any, path: tuple[str | int, ...]) -> Any:
    if not path:
        if isinstance(value, _SECTIONS):
            return _replaced(value, {each.name: Fact.unknown("dropped") for each in fields(value)})
        return Fact.unknown("dropped") if isinstance(value, Fact) else None
    first, *rest = path
    if isinstance(first, int):
        return (*value[:first], _without(value[first], tuple(rest)), *value[first + 1 :])
    return _replaced(value, {str(first): _without(getattr(value, first), tuple(rest))})


def _replaced(value: Any, new: Mapping[str, Any]) -> Any:
    return replace(value, **new)
