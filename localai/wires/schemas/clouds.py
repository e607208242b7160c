"""A schema in the forms that OpenAI's and Anthropic's APIs take. Pure.

Both APIs support a part of JSON Schema and refuse a whole request that uses another part. So
unsupported keywords are not sent; they are listed, and the answer is checked for them afterwards.

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
# Keywords whose values are schemas by name, lists of schemas, and single schemas.
_BY_NAME: Final = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_ONE: Final = ("items", "additionalProperties", "not", "contains", "propertyNames")


@dataclass(frozen=True, slots=True)
class SentSchema:
    """The schema to send.

    `strict` says that the API will hold the answer to `document`. `unheld` lists what it cannot
    hold the answer to, each as a place and a keyword (`$.age: multipleOf`).
    """

    document: dict[str, Any]
    strict: bool
    unheld: tuple[str, ...]


def for_openai(document: Mapping[str, Any]) -> SentSchema:
    """The schema for OpenAI: strict if its API can hold an answer to all of it, else as a wish.

    In a strict schema, an object without `additionalProperties` may have no other properties.
    Raises InvalidInput for a schema of anything but an object, which the API refuses.
    """
    if document.get("type", "object") != "object" or "anyOf" in document:
        raise InvalidInput(
            "OpenAI answers in objects only, and the schema asks for something else",
            hint='put the schema into an object: {"type": "object", "properties": {"answer": …}}',
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
            yield f"{name} (a property that may be left out)"


def for_anthropic(document: Mapping[str, Any]) -> SentSchema:
    """The schema for Anthropic, without the keywords that its API refuses.

    Raises InvalidInput for a schema that contains itself, which the API does not take.
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
                name = "oneOf (that exactly one alternative fits)"
            else:
                del schema[name]
            unheld.append(f"{path}: {name}")
        if schema.get("minItems", 0) > 1:
            unheld.append(f"{path}: minItems")
            schema["minItems"] = 1
        if schema.get("additionalProperties", False) is not False:
            # The API takes no other value, and an answer without other properties satisfies both.
            schema["additionalProperties"] = False
    return SentSchema(sent, True, tuple(dict.fromkeys(unheld)))


def _contains_itself(document: Mapping[str, Any], reference: str) -> bool:
    """Whether the schema that `reference` names refers to itself, directly or through others."""
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
    """A copy in which objects without `additionalProperties` may have no other properties."""
    from copy import deepcopy

    copy = deepcopy(dict(document))
    for _, schema in _schemas(copy):
        if isinstance(schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
    return copy


def _schemas(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in `document` with its place, outer schemas before inner ones."""
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
