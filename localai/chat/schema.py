"""The schema that an answer must satisfy, from the ways in which people write one, and the check.

    {"type": "object", …}    a JSON schema of any draft, see `from_data`; `-` is stdin
    {"name": …, "schema": …} the same as OpenAI's and Anthropic's requests wrap it
    "name:str, age:int"      a short form, see `from_short_form`
    FILE                     a JSON schema in a file, see `from_command_line`
    pkg.mod:Model            a pydantic model, or anything that pydantic makes a schema of; likewise

Only the user names files to read and code to run, on the command line. In data (a line of a batch,
a template) a schema is a schema: whoever wrote the data may be anybody.

The engine is held to a schema while it writes; what comes is checked all the same, since a
provider may not have kept it and an answer may have been cut.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localai.chat.encodings import decode
from localai.chat.inputs import read_stdin
from localai.chat.schema_violations import path_of, validator_of, violation
from localai.dataclass import dataclass
from localai.errors import InvalidInput, NotFound
from localai.files import content_of, lies_here, user_path
from localai.signals import limited

if TYPE_CHECKING:
    pass

_TYPES: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
}
_MODEL = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*)")
_FIELD = re.compile(r"(?P<name>[A-Za-z_][\w-]*)(?P<optional>\?)?(?:\s*:\s*(?P<type>\S.*?))?")
_DEEPEST: Final = 100
_LARGEST_BYTES: Final = 16 << 20
# Of the processor's: fifty thousand properties take seven seconds.
_LONGEST_READING_S: Final = 20.0
_LONGEST_REASON: Final = 200
_MOST_WRAPPINGS: Final = 4
_BESIDE: Final = frozenset({"type", "name", "strict", "description", "verbosity", "effort"})
_HINT_OF_OLD: Final = (
    'a list of schemas under `items` is an older draft\'s: say which with "$schema":'
    ' "http://json-schema.org/draft-07/schema#", or write `prefixItems`'
)
_SHORT_FORM = 'such as "name:str, age:int, tags:[str], mood:good|bad, note?:str"'


@dataclass(frozen=True, slots=True)
class Schema:
    """A JSON schema, and what in a text violates it: a sentence, or None."""

    document: Mapping[str, Any]
    violation: Callable[[str], str | None]


def from_command_line(text: str) -> Schema:
    """The schema that the user means by `text`, a file's and a module's name included.

    Raises InvalidInput, NotFound.
    """
    if text == "-":
        text = read_stdin()
    if text.lstrip().startswith("{"):
        return from_document(_parsed(text, "the schema"), "the schema")
    model = _MODEL.fullmatch(text)
    if model is not None and _names_a_model(model):
        return _from_model(model["module"], model["name"])
    path = user_path(text)
    if path.suffix == ".json" or "/" in text:
        return from_document(_read_file(path), f"the schema {text}")
    if (what := lies_here(text)) is not None:
        raise InvalidInput(
            f"a {what} called {text} lies here, and a schema may have a field of that name",
            hint=f'the field is "{text}:str"' + (f", the file ./{text}" if what == "file" else ""),
        )
    return from_data(text, "the schema")


def from_data(value: Any, name: str) -> Schema:
    """The schema that stands in data, as JSON or in the short form; nothing is read or imported.

    `name` is how an error calls it. Raises InvalidInput.
    """
    return from_document(from_short_form(value) if isinstance(value, str) else value, name)


def from_document(document: Any, name: str) -> Schema:
    """The schema that is written in JSON; `name` is how an error calls it. Raises InvalidInput."""
    from jsonschema.exceptions import SchemaError

    from localai.wires.schemas.grammar import held_by_grammar

    if not isinstance(document, dict):
        raise InvalidInput(f"{name} is no JSON schema: it is not an object")
    document = _unwrapped(document)
    _require_bounds(document, name)
    try:
        with limited(_LONGEST_READING_S):
            validator_of(document).check_schema(document)
            # Whoever holds an answer to it: it must refer to what is in it, and be satisfiable.
            held_by_grammar(document)
    except SchemaError as error:
        raise InvalidInput(
            f"{name} is no JSON schema: {error.message[:_LONGEST_REASON]}",
            hint=_HINT_OF_OLD if isinstance(error.instance, list) else None,
        ) from error
    except RecursionError as error:
        raise InvalidInput(f"{name} is nested too deeply") from error
    except TimeoutError as error:
        raise _too_intricate(name) from error
    return Schema(document, lambda answer: violation(document, answer))


def _too_intricate(name: str) -> InvalidInput:
    return InvalidInput(
        f"{name} is too intricate: reading it takes more than {_LONGEST_READING_S:.0f} s",
        hint="a pattern that can match a text in many ways, or thousands of alternatives",
    )


def _unwrapped(document: dict[str, Any]) -> dict[str, Any]:
    """The schema in what a request to a cloud says of it: OpenAI's `response_format` and `text`,
    Anthropic's `output_config`, and what stands in them."""
    for _ in range(_MOST_WRAPPINGS):
        inner = None
        for key in ("response_format", "output_config", "text", "format", "json_schema"):
            if isinstance(document.get(key), dict) and not document.keys() - _BESIDE - {key}:
                inner = document[key]
        if isinstance(document.get("schema"), dict) and not document.keys() - _BESIDE - {"schema"}:
            inner = document["schema"]
        if inner is None or document.get("type", "json_schema") != "json_schema":
            return document
        document = inner
    return document


def _require_bounds(document: Mapping[str, Any], name: str) -> None:
    """Raise InvalidInput for a schema that is nested too deeply, and for a pattern that is none.

    An engine turns a schema into a grammar by calling itself for each level.
    """
    waiting: list[tuple[Any, int]] = [(document, 1)]
    while waiting:
        part, depth = waiting.pop()
        if depth > _DEEPEST:
            raise InvalidInput(f"{name} is nested too deeply: more than {_DEEPEST} levels")
        if isinstance(part, dict):
            if isinstance(pattern := part.get("pattern"), str):
                _require_pattern(pattern, name)
            patterns = part.get("patternProperties")
            for pattern in patterns if isinstance(patterns, dict) else ():
                _require_pattern(pattern, name)
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        waiting += [(each, depth + 1) for each in inner]


def _require_pattern(pattern: str, name: str) -> None:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidInput(
            f"{name} has the pattern {pattern[:_LONGEST_REASON]!r}, which is none here: {error}"
        ) from error


def from_short_form(text: str) -> dict[str, Any]:
    """The JSON schema of an object whose fields are listed: `name:str, age:int`.

    A type is str (also where none is given), int, float, bool, `[TYPE]` for a list of them, or
    `one|two|three` for a choice; `name?` may be left out. Raises InvalidInput.
    """
    fields = [part.strip() for part in text.split(",")]
    matches = [(part, _FIELD.fullmatch(part)) for part in fields]
    properties: dict[str, Any] = {}
    required = []
    for part, match in matches:
        if match is None:
            raise InvalidInput(f"{part!r} is no field of a schema", hint=_SHORT_FORM)
        properties[match["name"]] = _type(match["type"] or "str")
        if not match["optional"]:
            required.append(match["name"])
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _type(text: str) -> dict[str, Any]:
    if text in _TYPES:
        return dict(_TYPES[text])
    if text.startswith("[") and text.endswith("]"):
        return {"type": "array", "items": _type(text[1:-1].strip() or "str")}
    if "|" in text:
        return {"type": "string", "enum": [choice.strip() for choice in text.split("|")]}
    raise InvalidInput(f"there is no type {text!r} in the short form of a schema", hint=_SHORT_FORM)


def _names_a_model(match: re.Match[str]) -> bool:
    """`models:Person` is a model and `name:str` a field, though both look alike."""
    return "." in match["module"] or match["name"][0].isupper()


def _from_model(module_name: str, name: str) -> Schema:
    from pydantic import PydanticUserError, TypeAdapter, ValidationError

    # As `python -m` does: what lies in the user's folder can be named.
    sys.path.insert(0, "")
    try:
        model = getattr(import_module(module_name), name)
        adapter: TypeAdapter[Any] = TypeAdapter(model)
        document = adapter.json_schema()
    except ModuleNotFoundError as error:
        raise NotFound(
            f"there is no module {error.name!r} to take {name} from",
            hint="say where it lies: PYTHONPATH=src localai …",
        ) from error
    except AttributeError as error:
        raise NotFound(f"there is no {name} in {module_name}") from error
    except (ImportError, SyntaxError) as error:
        raise InvalidInput(f"cannot import {module_name}: {error}") from error
    except PydanticUserError as error:
        raise InvalidInput(f"pydantic makes no schema of {module_name}:{name}: {error}") from error
    finally:
        sys.path.remove("")

    def violation(answer: str) -> str | None:
        try:
            adapter.validate_json(answer)
        except ValidationError as error:
            first = error.errors()[0]
            where = path_of(first["loc"])
            return f"{where}: {first['msg']}"
        return None

    return Schema(document, violation)


def _read_file(path: Path) -> Any:
    missing = NotFound(f"there is no schema {str(path)!r}", hint=_SHORT_FORM)
    content = content_of(path, _LARGEST_BYTES, missing=missing)
    return _parsed(decode(content, str(path)), str(path))


def _parsed(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"{name} is not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidInput(f"{name} is nested too deeply") from error
