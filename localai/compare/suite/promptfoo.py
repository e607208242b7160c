"""A suite from promptfoo's YAML: its prompts × tests, and those of its assertions that are data.

Nothing in such a file is run: no JavaScript, Python, command, template filter or provider of its
own. Parts that are left out are listed. Files that it names are read only if they hold prompts or
tests as text and lie beside it or below.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from localai.compare.suite.case import Case, Suite, read_case
from localai.compare.suite.promptfoo_assertions import expectation_of
from localai.compare.suite.yaml_core import load_yaml
from localai.errors import InvalidInput
from localai.units import counted

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}")
_TEMPLATE = re.compile(r"\{\{|\{%|\{#")
_FILE = "file://"
_MOST_CASES: Final = 100_000
_KNOWN: Final = frozenset(
    ("prompts", "tests", "defaultTest", "description", "assertionTemplates", "$schema")
)
_KNOWN_OF_TEST: Final = frozenset(("vars", "assert", "description", "metadata"))

Read = Callable[[Path], str]


def read_promptfoo(text: str, path: Path, read: Read) -> Suite:
    """The suite. `read` returns the text of a file beside it. Raises InvalidInput."""
    document = load_yaml(text, path.name)
    if not isinstance(document, dict) or "prompts" not in document:
        raise InvalidInput(f"{path.name} is no configuration of promptfoo: it has no prompts")
    return _Importer(document, path, read).suite()


class _Importer:
    def __init__(self, document: Mapping[str, Any], path: Path, read: Read) -> None:
        self._document = document
        self._path = path
        self._read = read
        self._not_taken: dict[str, int] = {}

    def suite(self) -> Suite:
        for name in self._document:
            if name not in _KNOWN:
                why = ": the models are those of -m" if name in ("providers", "targets") else ""
                self._leave(f"{name}{why}")
        prompts = list(self._prompts())
        default = self._object(self._document.get("defaultTest"), "defaultTest")
        of_all = self._expectations(default)
        tests = [
            ({**_variables(default), **_variables(test)}, [*of_all, *self._expectations(test)])
            for test in self._tests(self._document.get("tests") or [{}])
        ]
        cases = [
            case
            for (number, (variables, expect)), (prompt_number, prompt) in itertools.product(
                enumerate(tests, start=1), enumerate(prompts, start=1)
            )
            for case in self._cases(
                variables, expect, prompt, _name(number, prompt_number, len(prompts))
            )
        ]
        if not cases:
            left = "; ".join(self._not_taken)
            raise InvalidInput(f"{self._path.name} has no test that can be asked ({left})")
        return Suite(
            name=str(self._document.get("description") or self._path.stem),
            cases=tuple(cases),
            not_taken=tuple(
                what if times == 1 else f"{what} ({counted(times, 'time')})"
                for what, times in self._not_taken.items()
            ),
        )

    def _leave(self, what: str) -> None:
        self._not_taken[what] = self._not_taken.get(what, 0) + 1

    # Prompts

    def _prompts(self) -> Iterator[str]:
        raw = self._document["prompts"]
        for each in raw if isinstance(raw, list) else [raw]:
            if isinstance(each, dict):
                each = each.get("raw", each.get("content", each.get("id")))
            if not isinstance(each, str):
                self._leave("a prompt that is no text")
            elif each.startswith(_FILE) or _names_file(each):
                yield from self._prompts_of_file(each.removeprefix(_FILE))
            else:
                yield each

    def _prompts_of_file(self, name: str) -> Iterator[str]:
        suffix = Path(name).suffix
        if suffix not in (".txt", ".md", ".json") or re.search(r"[*?:]", name):
            self._leave(f"prompts of {name}")
            return
        text = self._file(name)
        if suffix == ".txt":
            yield from (part.strip() for part in re.split(r"^---$", text, flags=re.MULTILINE))
        else:
            yield text

    def _file(self, name: str) -> str:
        folder = self._path.resolve().parent
        file = (folder / name).resolve()
        if not file.is_relative_to(folder):
            raise InvalidInput(
                f"{self._path.name} names the file {name!r}, which is neither beside it nor below"
            )
        return self._read(file)

    # Tests

    def _tests(self, raw: Any) -> Iterator[Mapping[str, Any]]:
        if isinstance(raw, str):
            raw = [raw]
        if not isinstance(raw, list):
            self._leave("tests that are no list")
            return
        for each in raw:
            if isinstance(each, str):
                name = each.removeprefix(_FILE)
                if Path(name).suffix in (".yaml", ".yml", ".json") and "*" not in name:
                    yield from self._tests(load_yaml(self._file(name), name))
                else:
                    self._leave(f"tests of {name}")
            else:
                yield self._object(each, "a test")

    def _object(self, raw: Any, what: str) -> Mapping[str, Any]:
        if raw is None:
            return {}
        if not isinstance(raw, dict):
            self._leave(f"{what} that is no object")
            return {}
        for name in raw:
            if name not in _KNOWN_OF_TEST:
                self._leave(f"{name} of {what}")
        return raw

    def _cases(
        self, variables: Mapping[str, Any], expect: list[dict[str, Any]], prompt: str, name: str
    ) -> Iterator[Case]:
        lists = {key: value for key, value in variables.items() if isinstance(value, list)}
        for number, values in enumerate(itertools.product(*lists.values()), start=1):
            if number > _MOST_CASES:
                raise InvalidInput(f"{self._path.name} has more than {_MOST_CASES:,} cases")
            filled = {**variables, **dict(zip(lists, values, strict=True))}
            question = self._filled(prompt, filled)
            if question is None:
                continue
            line: dict[str, Any] = {"id": name + (f".{number}" if lists else "")}
            line |= _messages(question)
            expected = [self._filled_values(each, filled) for each in expect]
            yield read_case({**line, "expect": expected}, line["id"])

    def _filled(self, text: str, variables: Mapping[str, Any]) -> str | None:
        """The text with its variables replaced; None if its template has more than variables."""
        missing: list[str] = []

        def value(match: re.Match[str]) -> str:
            if match[1] not in variables:
                missing.append(match[1])
                return ""
            found = variables[match[1]]
            return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)

        if _TEMPLATE.search(_PLACEHOLDER.sub("", text)):
            self._leave("a prompt with more of a template than {{variables}}")
            return None
        named = [variables[n] for n in _PLACEHOLDER.findall(text) if n in variables]
        if any(isinstance(each, str) and each.startswith(_FILE) for each in named):
            self._leave("a variable out of a file")
            return None
        filled = _PLACEHOLDER.sub(value, text)
        if missing:
            self._leave(f"a test without the variable {missing[0]}")
            return None
        return filled

    def _filled_values(self, raw: Any, variables: Mapping[str, Any]) -> Any:
        if isinstance(raw, str):
            filled = None if not _TEMPLATE.search(raw) else self._filled(raw, variables)
            return raw if filled is None else filled
        if isinstance(raw, dict):
            return {name: self._filled_values(each, variables) for name, each in raw.items()}
        if isinstance(raw, list):
            return [self._filled_values(each, variables) for each in raw]
        return raw

    # Assertions

    def _expectations(self, test: Mapping[str, Any]) -> list[dict[str, Any]]:
        asserts = test.get("assert") or []
        asserts = asserts if isinstance(asserts, list) else [asserts]
        return [each for raw in asserts if (each := self._expectation(raw)) is not None]

    def _expectation(self, raw: Any) -> dict[str, Any] | None:
        if isinstance(raw, dict) and "$ref" in raw:
            raw = self._referred(raw["$ref"])
        if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
            self._leave("an assertion without a type")
            return None
        found = expectation_of(raw)
        if isinstance(found, str):
            self._leave(found)
            return None
        return found

    def _referred(self, name: Any) -> Any:
        prefix = "#/assertionTemplates/"
        templates = self._document.get("assertionTemplates")
        if isinstance(name, str) and name.startswith(prefix) and isinstance(templates, dict):
            return templates.get(name.removeprefix(prefix))
        return None


def _name(test: int, prompt: int, prompts: int) -> str:
    return f"test {test}" if prompts == 1 else f"test {test}, prompt {prompt}"


def _names_file(text: str) -> bool:
    """Whether the text names a file. promptfoo accepts a lone file name without `file://`, too."""
    return (
        "\n" not in text and re.fullmatch(r"[\w./-]+\.(?:txt|md|json|js|ts|py)", text) is not None
    )


def _variables(test: Mapping[str, Any]) -> Mapping[str, Any]:
    found = test.get("vars")
    return found if isinstance(found, dict) else {}


def _messages(question: str) -> dict[str, Any]:
    """The messages of a prompt, which may be a chat in JSON."""
    if question.lstrip().startswith("["):
        try:
            messages = json.loads(question)
        except (ValueError, RecursionError):
            messages = None
        if isinstance(messages, list) and all(
            isinstance(each, dict) and isinstance(each.get("content"), str) for each in messages
        ):
            return {"messages": messages}
    return {"prompt": question}
