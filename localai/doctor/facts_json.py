"""A snapshot as JSON and back, for `--report` and `--facts`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import MISSING
from functools import cache
from types import UnionType
from typing import Any, Final, Literal, Union, cast, get_args, get_origin, get_type_hints

from localai.doctor.facts.snapshot import Snapshot
from localai.errors import InvalidInput
from localai.hardware.facts import Machine, from_json

_LARGEST: Final = 2**63
"""No size, count or time of a machine is larger; what is could not be computed with."""

SCHEMA: Final = "localai.doctor.facts/1"


def snapshot_to_json(snapshot: Snapshot) -> dict[str, Any]:
    """The document of a snapshot, made of JSON's own types."""
    # JSON text turns tuples into lists, as reading the report does.
    content: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(snapshot)))
    return {"schema": SCHEMA, **content}


def snapshot_from_json(document: object, name: str) -> Snapshot:
    """The snapshot of a document. A missing fact is unknown, and a fact that this version does not
    have is skipped. Raises InvalidInput, which calls the file `name`."""
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        raise InvalidInput(
            f"{name} holds no facts of a report (schema {SCHEMA})",
            command="localai doctor --report ./report",
        )
    return cast(Snapshot, _decoded(Snapshot, document, name))


def _decoded(kind: Any, value: Any, where: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        if value is None:
            return None
        kind = next(each for each in get_args(kind) if each is not type(None))
        origin = get_origin(kind)
    if kind is Machine:
        return from_json(_mapping(value, where), where)
    if dataclasses.is_dataclass(kind):
        content = _mapping(value, where)
        for each in dataclasses.fields(kind):
            if each.name not in content and each.default is each.default_factory is MISSING:
                raise InvalidInput(f"{where} has no {each.name!r}")
        return cast(Any, kind)(
            **{
                name: _decoded(hint, content[name], f"{where}: {name}")
                for name, hint in _hints(cast(type, kind)).items()
                if name in content
            }
        )
    if origin is tuple:
        if not isinstance(value, list):
            raise InvalidInput(f"{where} must be a list")
        return tuple(_decoded(get_args(kind)[0], each, where) for each in value)
    if origin is Literal:
        if value not in get_args(kind):
            raise InvalidInput(f"{where} cannot be {value!r:.40}")
        return value
    if origin is not None:
        pair = get_args(kind)[1]
        return {
            str(key): _decoded(pair, each, where) for key, each in _mapping(value, where).items()
        }
    return _simple(kind, value, where)


def _simple(kind: Any, value: Any, where: str) -> Any:
    if kind is float and type(value) in (int, float) and abs(value) <= _LARGEST:
        return float(value)
    if type(value) is not kind or (kind is int and abs(value) > _LARGEST):
        raise InvalidInput(f"{where} cannot be {value!r:.40}")
    return value


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{where} must be an object")
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
