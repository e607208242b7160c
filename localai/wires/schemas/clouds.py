"""A schema as OpenAI's and Anthropic's APIs take it. Pure.

Both hold an answer to a part of JSON Schema and refuse the rest with the whole request, so what
they would refuse is not sent. What is left out is listed: the answer is checked for it afterwards.

Sources: OpenAI's guide "Structured model outputs", "Supported schemas"; Anthropic's "Structured
outputs", "JSON Schema limitations", and `transform_schema` of its SDK.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput

_NOT_OPENAIS: Final = frozenset(
    {
        "allOf",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "if",
        "not",
        "oneOf",
        "patternProperties",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
        "contains",
        "prefixItems",
    }
)
_NOT_ANTHROPICS: Final = _NOT_OPENAIS - {"allOf"} | {
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
}
# Whose values are schemas by name, and lists of schemas.
_BY_NAME: Final = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_ONE: Final = ("items", "additionalProperties", "not", "contains", "propertyNames")


@dataclass(frozen=True, slots=True)
class SentSchema:
    """The schema that is sent; `strict` where the answer will be held to it, and otherwise what the
    answer cannot be held to (`unheld`): each a place and a keyword."""

    document: dict[str, Any]
    strict: bool
    unheld: tuple[str, ...]


def for_openai(document: Mapping[str, Any]) -> SentSchema:
    """What goes to OpenAI: held strictly where its API can do that, else as a wish.

    An object that says nothing of other properties gets none. Raises InvalidInput for a schema of
    anything but an object, which that API refuses.
    """
    if document.get("type", "object") != "object" or "anyOf" in document:
        raise InvalidInput(
            "OpenAI answers in objects only, and the schema asks for something else",
            hint='put it into one: {"type": "object", "properties": {"answer": …}}',
        )
    closed = _closed(document)
    unheld = [
        f"{path}: {what}" for path, schema in _schemas(closed) for what in _not_strict(schema)
    ]
    if unheld:
        return SentSchema(dict(document), False, tuple(dict.fromkeys(unheld)))
    return SentSchema(closed, True, ())


def _not_strict(schema: Mapping[str, Any]) -> Iterator[str]:
    yield from sorted(_NOT_OPENAIS & schema.keys())
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        if schema.get("type") == "object":
            yield "an object without properties"
        return
    if schema.get("additionalProperties") is not False:
        yield "additionalProperties"
    for name in properties:
        if name not in schema.get("required", ()):
            yield f"{name}, which may be left out"


def for_anthropic(document: Mapping[str, Any]) -> SentSchema:
    """What goes to Anthropic, without what its API refuses.

    Raises InvalidInput for a schema that contains itself, which that API does not take.
    """
    unheld: list[str] = []
    sent: dict[str, Any] = _closed(document)
    for path, schema in _schemas(sent):
        reference = schema.get("$ref")
        if reference == "#" or (isinstance(reference, str) and _contains_itself(sent, reference)):
            raise InvalidInput("Anthropic takes no schema that contains itself")
        for name in sorted(_NOT_ANTHROPICS & schema.keys()):
            if name == "oneOf":
                schema["anyOf"] = schema.pop(name)
                name = "oneOf, that only one of them fits"
            else:
                del schema[name]
            unheld.append(f"{path}: {name}")
        if schema.get("minItems", 0) > 1:
            unheld.append(f"{path}: minItems")
            schema["minItems"] = 1
        if schema.get("additionalProperties", False) is not False:
            # No other value is taken there, and an answer without others satisfies both.
            schema["additionalProperties"] = False
    return SentSchema(sent, True, tuple(dict.fromkeys(unheld)))


def _contains_itself(document: Mapping[str, Any], reference: str) -> bool:
    """Whether what `reference` names leads to it again."""
    seen: set[str] = set()
    waiting = [reference]
    while waiting:
        name = waiting.pop()
        part: Any = document
        for step in name.split("/")[1:]:
            part = part.get(step) if isinstance(part, dict) else None
        for _, schema in _schemas(part) if isinstance(part, dict) else ():
            inner = schema.get("$ref")
            if inner == reference:
                return True
            if isinstance(inner, str) and inner not in seen:
                seen.add(inner)
                waiting.append(inner)
    return False


def _closed(document: Mapping[str, Any]) -> dict[str, Any]:
    """A copy in which an object that says nothing of other properties has none."""
    from copy import deepcopy

    copy = deepcopy(dict(document))
    for _, schema in _schemas(copy):
        if isinstance(schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
    return copy


def _schemas(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in it with its place; each before those within it."""
    waiting: list[tuple[str, Any]] = [("$", document)]
    while waiting:
        path, schema = waiting.pop()
        if not isinstance(schema, dict):
            continue
        yield path, schema
        for keyword in _BY_NAME:
            named = schema.get(keyword)
            if isinstance(named, dict):
                waiting += [(f"{path}.{name}", each) for name, each in named.items()]
        for keyword in _LISTS:
            if isinstance(schema.get(keyword), list):
                waiting += [(path, each) for each in schema[keyword]]
        waiting += [
            (f"{path}[]" if keyword == "items" else path, schema[keyword])
            for keyword in _ONE
            if keyword in schema
        ]
