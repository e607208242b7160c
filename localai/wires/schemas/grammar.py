"""A schema in the form that llama.cpp's grammar can hold an answer to, for every engine built on
llama.cpp. Pure.

llama.cpp converts a part of JSON Schema to its grammar. It refuses some of the other keywords and
silently ignores the rest. So the schema is rewritten with the supported keywords, in one form, and
the others are listed. If nothing is listed, the result asks for at least as much as the schema. It
may ask for more: a list with `prefixItems` ends after them, and an object has only the properties
that the schema names.

Sources: json-schema-to-grammar.cpp of llama.cpp as of 2025 to 2026, and trials with the converter
in the installed wheel.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any, Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.wires.schemas.alternatives import Alternatives, Reference
from localai.wires.schemas.merging import ANNOTATIONS, PATTERNS, Plain
from localai.wires.schemas.patterns import MOST_REPETITIONS
from localai.wires.schemas.references import References, draft_of
from localai.wires.schemas.scalars import (
    NUMBER_KEYWORDS,
    integer_node,
    number_node,
    string_node,
)

_TYPES: Final = ("object", "array", "string", "number", "boolean", "null")
_KEYWORDS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "object": ("properties", "required", "additionalProperties", "patternProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems"),
    "string": (PATTERNS, "minLength", "maxLength", "format"),
    "number": NUMBER_KEYWORDS,
}
_EMPTY_LIST: Final = {"type": "array", "items": {"type": "null"}, "maxItems": 0}
_MOST_LENGTHS: Final = 8


@dataclass(frozen=True, slots=True)
class Held:
    """A schema for the engine. `unheld` lists what the engine cannot hold an answer to, each as a
    place and a keyword (`$.age: multipleOf`)."""

    document: dict[str, Any]
    unheld: tuple[str, ...]


def held_by_grammar(document: Mapping[str, Any]) -> Held:
    """The schema that llama.cpp holds an answer to for the user's schema `document`.

    Raises InvalidInput if a `$ref` has no target, if a reference leads back to itself with nothing
    between, if no answer can satisfy the schema, and if it is nested too deeply.
    """
    rewriting = _Rewriting(document)
    try:
        root = rewriting.whole(document)
    except RecursionError as error:
        raise InvalidInput("the schema is nested too deeply") from error
    return Held(root, tuple(dict.fromkeys(rewriting.unheld)))


class _Rewriting:
    def __init__(self, document: Mapping[str, Any]) -> None:
        draft = draft_of(document)
        self.unheld: list[str] = []
        self._references = References(document, draft)
        self._alternatives = Alternatives(self._references, draft)
        self._names: dict[Hashable, str] = {}
        self._built: dict[str, dict[str, Any] | None] = {}
        # The names of schemas that are being built and have no bracket yet. A reference to one of
        # them would have no end.
        self._at_beginning: frozenset[str] = frozenset()

    def whole(self, document: Mapping[str, Any]) -> dict[str, Any]:
        root = self._reference(Reference(id(document), document), "$")
        if root is None:
            raise InvalidInput("no answer can satisfy the schema")
        name = root["$ref"].rpartition("/")[2]
        used = {each: node for each, node in self._built.items() if node is not None}
        if _mentions(used, name):
            return {**root, "$defs": used}
        whole = used.pop(name)
        return {**whole, "$defs": used} if used else whole

    def _reference(self, reference: Reference, path: str) -> dict[str, Any] | None:
        """The `$ref` for `reference`, whose target is built when it is first met; None if nothing
        can satisfy the target."""
        name = self._names.get(reference.key)
        if name is None:
            name = self._names[reference.key] = f"r{len(self._names)}"
            before, self._at_beginning = self._at_beginning, self._at_beginning | {name}
            self._built[name] = self._node(reference.target, path, by_name=False)
            self._at_beginning = before
        elif name in self._at_beginning:
            raise InvalidInput("the schema refers to itself with nothing between: it has no end")
        # A target that is still being built is not known to be impossible.
        if self._built.get(name, {}) is None:
            return None
        return {"$ref": f"#/$defs/{name}"}

    def _inside(self, schema: Any, path: str) -> dict[str, Any] | None:
        """The node of a schema inside an object or a list. The bracket around it permits it to
        refer to the schemas that are being built."""
        before, self._at_beginning = self._at_beginning, frozenset()
        node = self._node(schema, path)
        self._at_beginning = before
        return node

    def _node(self, schema: Any, path: str, *, by_name: bool = True) -> dict[str, Any] | None:
        nodes: dict[str, dict[str, Any]] = {}
        missed = partial(self._miss, path)
        for each in self._alternatives.of(schema, missed, by_name=by_name):
            if isinstance(each, Reference):
                node = self._reference(each, path)
                made = [] if node is None else [node]
            else:
                made = self._plain(each, path)
            for one in made:
                nodes.setdefault(json.dumps(one), one)
        return _one_of(list(nodes.values()))

    def _miss(self, path: str, what: str) -> None:
        self.unheld.append(f"{path}: {what}")

    def _plain(self, plain: Plain, path: str) -> list[dict[str, Any]]:
        """The nodes of a plain schema, one for each of its types."""
        for name in plain.get("unmerged", ()):
            self._miss(path, name)
        for name in ("not", "if", "$dynamicRef", "$recursiveRef"):
            if name in plain:
                self._miss(path, {"if": "if, then, else"}.get(name, name))
        if "enum" in plain:
            return self._values(plain, path)
        missed = partial(self._miss, path)
        makers: dict[str, Callable[[], dict[str, Any] | None]] = {
            "object": lambda: self._object(plain, path),
            "array": lambda: self._array(plain, path),
            "string": lambda: string_node(plain, missed),
            "integer": lambda: integer_node(plain, missed),
            "number": lambda: number_node(plain, missed),
        }
        made = []
        for kind in _types_of(plain):
            maker = makers.get(kind)
            node = {"type": kind} if maker is None else maker()
            made += [] if node is None else [node]
        return made

    def _values(self, plain: Plain, path: str) -> list[dict[str, Any]]:
        """The values of `enum` that satisfy the schema's other keywords, as one node; none if no
        value does."""
        from jsonschema import Draft202012Validator

        beside = {*ANNOTATIONS, "enum", "unmerged"}
        rest = {name: each for name, each in plain.items() if name not in beside}
        if PATTERNS in rest:
            rest["allOf"] = [{PATTERNS: each} for each in rest.pop(PATTERNS)]
        values = [value for value in plain["enum"] if not _is_not_finite(value)]
        if "$ref" in str(rest):
            self._miss(path, "the keywords beside enum")
        elif rest:
            validator = Draft202012Validator(rest)
            values = [value for value in values if validator.is_valid(value)]
        return [{"enum": values}] if values else []

    # Objects

    def _object(self, plain: Plain, path: str) -> dict[str, Any] | None:
        for name in ("propertyNames", "dependentRequired", "dependentSchemas", "dependencies"):
            if name in plain:
                self._miss(path, name)
        required = list(plain.get("required", ()))
        rest = plain.get("additionalProperties")
        if rest is None and plain.get("unevaluatedProperties") is False:
            rest = False
        elif "unevaluatedProperties" in plain and plain["unevaluatedProperties"] is not True:
            self._miss(path, "unevaluatedProperties")
        properties = {}
        wanted = dict(plain.get("properties", {}))
        for name in required:
            wanted.setdefault(name, True if rest is None else rest)
        for name, schema in wanted.items():
            node = self._inside(schema, f"{path}.{name}")
            if node is not None:
                properties[name] = node
            elif name in required:
                return None
        self._count(plain, path, "Properties", len(required), len(properties))
        if "patternProperties" in plain:
            self._miss(path, "patternProperties")
            rest = {"anyOf": list(plain["patternProperties"].values())} if not properties else False
        if not properties and rest in (None, True):
            return {"type": "object"}
        made: dict[str, Any] = {"type": "object", "properties": properties}
        if required:
            made["required"] = required
        made["additionalProperties"] = self._rest(rest, properties, path)
        return made

    def _rest(self, rest: Any, properties: Mapping[str, Any], path: str) -> Any:
        """The value of `additionalProperties`. The grammar tells other names from the listed ones
        byte by byte, so it can do that only if the listed names are plain."""
        plain = all(name.isascii() and name.replace("_", "").isalnum() for name in properties)
        if rest in (None, False) or not plain or "" in properties:
            return False
        return self._inside(rest, f"{path}.*") or False

    def _count(self, plain: Plain, path: str, of: str, least: int, most: int) -> None:
        if plain.get(f"min{of}", 0) > least:
            self._miss(path, f"min{of}")
        if plain.get(f"max{of}", most) < most or (
            f"max{of}" in plain and plain.get("additionalProperties") not in (None, False)
        ):
            self._miss(path, f"max{of}")

    # Lists

    def _array(self, plain: Plain, path: str) -> dict[str, Any] | None:
        for name in ("contains", "uniqueItems", "unevaluatedItems"):
            if plain.get(name, False) is not False:
                self._miss(path, name)
        least, most = int(plain.get("minItems", 0)), plain.get("maxItems")
        if most is not None and int(most) < least:
            return None
        if "prefixItems" in plain:
            return self._tuple(plain, path, least, most)
        if not any(word in plain for word in ("items", "minItems", "maxItems")):
            return {"type": "array"}
        item = self._inside(plain.get("items", True), f"{path}[]")
        if item is None or most == 0:
            return (
                {"type": "array", "items": {"type": "null"}, "maxItems": 0} if not least else None
            )
        made: dict[str, Any] = {"type": "array", "items": item}
        if 0 < least <= MOST_REPETITIONS:
            made["minItems"] = least
        elif least:
            self._miss(path, "minItems")
        if most is not None and most <= MOST_REPETITIONS:
            made["maxItems"] = int(most)
        elif most is not None:
            self._miss(path, "maxItems")
        return made

    def _tuple(
        self, plain: Plain, path: str, least: int, most: int | None
    ) -> dict[str, Any] | None:
        """The node of a list with `prefixItems`. The grammar knows only lists of a fixed length, so
        each length becomes an alternative, from the longest down."""
        parts: list[dict[str, Any]] = []
        for number, schema in enumerate(plain["prefixItems"]):
            node = self._inside(schema, f"{path}[{number}]")
            if node is None:
                break
            parts.append(node)
        whole = len(parts) == len(plain["prefixItems"])
        if least > len(parts):
            rest = self._inside(plain.get("items", True), f"{path}[]") if whole else None
            if rest is None:
                return None
            if least > MOST_REPETITIONS:
                self._miss(path, "minItems")
                least = len(parts)
            parts += [rest] * (least - len(parts))
        longest = len(parts) if most is None else min(len(parts), int(most))
        lengths = range(max(least, longest - _MOST_LENGTHS), longest + 1)
        lists = [
            {"type": "array", "prefixItems": parts[:length]} if length else dict(_EMPTY_LIST)
            for length in reversed(lengths)
        ]
        return _one_of(lists)


def _types_of(plain: Plain) -> list[str]:
    """The types of a plain schema. If it names none, the types that its other keywords apply to: an
    answer of such a type satisfies the schema, and is what its author meant."""
    if "type" in plain:
        named = list(plain["type"])
        return [each for each in named if each != "integer" or "number" not in named]
    meant = [kind for kind, words in _KEYWORDS_OF.items() if any(word in plain for word in words)]
    return meant or list(_TYPES)


def _one_of(nodes: list[dict[str, Any]]) -> dict[str, Any] | None:
    if len(nodes) < 2:
        return nodes[0] if nodes else None
    return {"anyOf": nodes}


def _mentions(nodes: Any, name: str) -> bool:
    if isinstance(nodes, dict):
        if nodes.get("$ref") == f"#/$defs/{name}":
            return True
        return any(_mentions(each, name) for each in nodes.values())
    return isinstance(nodes, list) and any(_mentions(each, name) for each in nodes)


def _is_not_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_is_not_finite, value.values()))
    if isinstance(value, list):
        return any(map(_is_not_finite, value))
    return isinstance(value, float) and not math.isfinite(value)
