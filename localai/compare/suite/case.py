"""A case, a suite of cases, and the reading of a case's line. Pure.

A line has the fields of a batch's line (`id`, `prompt` or `messages`, `system`, `options`,
`schema`) and also `expect`, `local_only`, `tools` and `tags`. The author of a line may be anybody,
so no field names a file, an address or code that would be read, fetched or run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from localai.batch.prompts import LineDefaults, read_prompt
from localai.chat.request import AskSettings, shaping
from localai.compare.checks.check import Check
from localai.compare.checks.reading import read_expectations
from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.types import Message, Tool

OWN_KEYS: Final = ("expect", "local_only", "tools", "tags")


@dataclass(frozen=True, slots=True)
class Case:
    """A question and the expectations of its answer.

    `asked` is the line without the fields that only judge the answer. It decides whether a kept
    answer belongs to this question. `local_only` keeps the question on this machine.
    """

    id: str
    messages: tuple[Message, ...]
    settings: AskSettings
    checks: tuple[Check, ...]
    expect: Any
    asked: str
    local_only: bool = False
    tools: tuple[Tool, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """The requirements on the results of `models`, or of all models if that is empty. None is no
    requirement.

    `pass_rate` is the least share of judged answers that pass; `errors` and `censored` are the
    largest numbers of such answers.
    """

    pass_rate: float | None = None
    errors: int | None = None
    censored: int | None = None
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suite:
    """Cases with their common settings. `not_taken` has a line for each part of a foreign file that
    was left out. `licence` is the licence of a data set."""

    name: str
    cases: tuple[Case, ...]
    settings: AskSettings = AskSettings()
    repeats: int = 1
    gate: Gate | None = None
    not_taken: tuple[str, ...] = ()
    licence: str | None = None


def read_case(document: Mapping[str, Any], where: str, expect_of_all: Any = None) -> Case:
    """The case in a line. `where` is the line's name in errors, and its id if it has none. Raises
    InvalidInput."""
    try:
        asked = {name: value for name, value in document.items() if name not in OWN_KEYS}
        content = json.dumps(asked, ensure_ascii=False, sort_keys=True)
        prompt = read_prompt(content.encode(errors="surrogatepass"), LineDefaults())
        expect = document.get("expect")
        checks = (*read_expectations(expect_of_all), *read_expectations(expect))
        return Case(
            id=where if prompt.id is None else _id(prompt.id),
            messages=prompt.messages,
            settings=prompt.settings,
            checks=checks,
            expect=[each for each in (expect_of_all, expect) if each is not None],
            asked=content,
            local_only=_flag(document, "local_only"),
            tools=_tools(document.get("tools", [])),
            tags=_tags(document.get("tags", [])),
        )
    except InvalidInput as error:
        error.message = f"{where}: {error.message}"
        raise
    except RecursionError as error:
        raise InvalidInput(f"{where}: it is nested too deeply") from error


def fingerprint(case: Case, settings: AskSettings, model: str) -> str:
    """The fingerprint of a question, 16 hexadecimal digits: it changes with the case, the settings
    and the model."""
    tools = [[tool.name, tool.description, dict(tool.parameters)] for tool in case.tools]
    text = json.dumps([model, shaping(settings), tools, case.asked], sort_keys=True)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def seed_of(case: Case, repeat: int) -> int:
    """The seed of a case's repeat. It is the same for every model and in every run."""
    digest = hashlib.sha256(f"{case.id}\n{repeat}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:4]) >> 1


def _id(raw: Any) -> str:
    return raw if isinstance(raw, str) else json.dumps(raw)


def _flag(document: Mapping[str, Any], name: str) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        raise InvalidInput(f'"{name}" is true or false')
    return value


def _tools(raw: Any) -> tuple[Tool, ...]:
    if not isinstance(raw, list):
        raise InvalidInput('"tools" is a list of {"name": …, "description": …, "parameters": …}')
    found = []
    for each in raw:
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            raise InvalidInput('a tool has a "name", and perhaps "description" and "parameters"')
        parameters = each.get("parameters", {"type": "object"})
        if not isinstance(parameters, dict):
            raise InvalidInput('the "parameters" of a tool are a JSON schema')
        found.append(Tool(each["name"], str(each.get("description", "")), parameters))
    return tuple(found)


def _tags(raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(each, str) for each in raw):
        raise InvalidInput('"tags" is a list of texts')
    return tuple(raw)
