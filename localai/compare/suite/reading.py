"""A suite from its file: a TOML head with its cases, the cases alone, or another tool's file.

A head may name only one file: its `cases`, which must lie beside it or below.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from localai.chat.encodings import decode
from localai.chat.inputs import LIMIT_BYTES
from localai.chat.request import AskSettings
from localai.compare.suite.case import Case, Gate, Suite, read_case
from localai.compare.suite.foreign_lines import is_foreign, not_taken, translated
from localai.errors import InvalidInput, NotFound
from localai.fetch.data_sets import DATA_SETS
from localai.files import content_of
from localai.near_names import did_you_mean
from localai.sampling_options import parse_json_options
from localai.types import Think

_KEYS: Final = ("name", "cases", "case", "system", "options", "think", "expect", "repeats", "gate")
_GATE_KEYS: Final = ("pass_rate", "errors", "censored", "models")
_MOST_CASES: Final = 100_000
_NEW: Final = ("localai", "compare", "new", "suite.toml")


def read_suite(path: Path) -> Suite:
    """The suite in the file. Raises NotFound and InvalidInput."""
    text = _read(path)
    if path.suffix == ".toml":
        return _of_head(_toml(text, path), path)
    if path.suffix in (".yaml", ".yml"):
        from localai.compare.suite.promptfoo import read_promptfoo

        return read_promptfoo(text, path, _read)
    cases, left = read_lines(text, path.name)
    return Suite(path.stem, _unique(cases), not_taken=left)


def read_lines(
    text: str, source: str, expect_of_all: Any = None
) -> tuple[list[Case], tuple[str, ...]]:
    """The cases of JSON Lines, ours or another tool's, and the parts that are left out. Raises
    InvalidInput, which names the line."""
    cases, foreign = [], []
    for number, document in objects_of(text, source):
        where = f"{source} line {number}"
        if is_foreign(document):
            foreign.append(document)
            try:
                document = translated(document)
            except InvalidInput as error:
                error.message = f"{where}: {error.message}"
                raise
        cases.append(read_case(document, where, expect_of_all))
    return cases, not_taken(foreign)


def objects_of(text: str, source: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON object of each line that is not blank, with the line's number from 1."""
    # Not splitlines: a line separator of Unicode may stand in a text.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        if number > _MOST_CASES:
            raise InvalidInput(f"{source} has more than {_MOST_CASES:,} lines")
        try:
            document = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(
                f"{source} line {number} is not JSON: {error}",
                hint="a suite ends in .toml, promptfoo's in .yaml; else each line is an object",
            ) from error
        if not isinstance(document, dict):
            raise InvalidInput(f"{source} line {number} is JSON, but not an object")
        yield number, document


def _of_head(head: Mapping[str, Any], path: Path) -> Suite:
    for name in head:
        if name not in _KEYS:
            raise InvalidInput(
                f"{path.name}: there is no key {name!r} in a suite",
                hint=did_you_mean(name, _KEYS) or f"known are {', '.join(_KEYS)}",
            )
    expect = head.get("expect")
    left: tuple[str, ...] = ()
    cases = [
        read_case(each, f"case {number}", expect)
        for number, each in enumerate(_tables(head, path), start=1)
    ]
    if "cases" in head:
        beside = _beside(path, head["cases"])
        of_file, left = read_lines(_read(beside), beside.name, expect)
        cases += of_file
    settings = AskSettings(
        system=_typed(head, "system", str),
        options=parse_json_options(head.get("options", {})),
        think=_think(head),
    )
    repeats = _typed(head, "repeats", int)
    if repeats is not None and repeats < 1:
        raise InvalidInput(f"{path.name}: repeats is a number from 1 on")
    gate = _gate(head.get("gate"))
    name = _typed(head, "name", str) or path.stem
    return Suite(name, _unique(cases), settings, repeats or 1, gate, left)


def _tables(head: Mapping[str, Any], path: Path) -> list[dict[str, Any]]:
    tables = head.get("case", [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise InvalidInput(f"{path.name}: a case is a table of its own: [[case]]")
    return tables


def _beside(path: Path, name: Any) -> Path:
    """The file of the cases, which must lie in the suite's folder or below, so that a foreign suite
    reads no other file. Raises InvalidInput."""
    folder = path.resolve().parent
    if not isinstance(name, str) or not (folder / name).resolve().is_relative_to(folder):
        raise InvalidInput(
            f"{path.name}: cases names a file beside the suite or below, not {name!r}",
            hint='cases = "cases.jsonl"',
        )
    return folder / name


def _unique(cases: list[Case]) -> tuple[Case, ...]:
    if not cases:
        raise InvalidInput("the suite has no cases", command=_NEW)
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise InvalidInput(f"two cases have the id {case.id!r}")
        seen.add(case.id)
    return tuple(cases)


def _gate(raw: Any) -> Gate | None:
    if raw is None:
        return None
    unknown = [name for name in raw if name not in _GATE_KEYS] if isinstance(raw, dict) else ["?"]
    if unknown:
        raise InvalidInput(
            f"[gate] takes {', '.join(_GATE_KEYS)}, not {unknown[0]!r}",
            hint=did_you_mean(unknown[0], _GATE_KEYS),
        )
    rate = raw.get("pass_rate")
    if rate is not None and (type(rate) not in (int, float) or not 0 <= rate <= 1):
        raise InvalidInput("the pass_rate of a gate is a number from 0 to 1")
    models = raw.get("models", [])
    if not isinstance(models, list) or not all(isinstance(each, str) for each in models):
        raise InvalidInput("the models of a gate are a list of names")
    return Gate(
        rate,
        _typed(raw, "errors", int),
        _typed(raw, "censored", int),
        tuple(models),
    )


def _typed(head: Mapping[str, Any], name: str, kind: type[str] | type[int]) -> Any:
    value = head.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
        raise InvalidInput(f"{name} is {'a text' if kind is str else 'a whole number'}")
    return value


def _think(head: Mapping[str, Any]) -> Think | None:
    value = head.get("think")
    if value is not None and value not in get_args(Think):
        raise InvalidInput(f"think is one of {', '.join(get_args(Think))}, not {value!r}")
    return value


def _toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not TOML: {error}") from error


def _read(path: Path) -> str:
    hint = did_you_mean(str(path), DATA_SETS)
    missing = NotFound(f"there is no file {str(path)!r}", hint=hint, command=_NEW)
    return decode(content_of(path, LIMIT_BYTES, missing=missing), str(path))
