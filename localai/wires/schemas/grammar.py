"""A schema as llama.cpp's grammar can hold an answer to it; used for every engine made of it. Pure.

The grammar is made by a converter that reads a part of JSON Schema: it refuses some of the rest and
is silent about the other. So it gets what it holds, in one form, and what it cannot hold is listed.
What comes out asks for no less than the schema where nothing is listed, and may ask for more: a
list of a fixed beginning ends with it, an object has the properties that are named.

Sources: json-schema-to-grammar.cpp of llama.cpp as of 2025 to 2026, and the wheel's own, by trial.
"""

from __future__ import annotations

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
    """A schema for the engine, and what of the user's it cannot hold an answer to: each a place and
    a keyword, `$.age: multipleOf`."""

    document: dict[str, Any]
    unheld: tuple[str, ...]


def held_by_grammar(document: Mapping[str, Any]) -> Held:
    """What llama.cpp holds an answer to for `document`.

    Raises InvalidInput where it refers to what is not in it, or to itself at once, and where no
    answer can satisfy it.
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
        # Those that are being built and have written nothing yet: to name one is to say nothing.
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
        """A reference to what stands there, which is built when it is first met; None: nothing can
        satisfy it."""
        name = self._names.get(reference.key)
        if name is None:
            name = self._names[reference.key] = f"r{len(self._names)}"
            before, self._at_beginning = self._at_beginning, self._at_beginning | {name}
            self._built[name] = self._node(reference.target, path, by_name=False)
            self._at_beginning = before
        elif name in self._at_beginning:
            raise InvalidInput("the schema refers to itself with nothing between: it has no end")
        # While it is being built it is not known to be impossible.
        if self._built.get(name, {}) is None:
            return None
        return {"$ref": f"#/$defs/{name}"}

    def _inside(self, schema: Any, path: str) -> dict[str, Any] | None:
        """What stands inside an object or a list, whose bracket has been written then."""
        before, self._at_beginning = self._at_beginning, frozenset()
        node = self._node(schema, path)
        self._at_beginning = before
        return node

    def _node(self, schema: Any, path: str, *, by_name: bool = True) -> dict[str, Any] | None:
        nodes: list[dict[str, Any]] = []
        missed = partial(self._miss, path)
        for each in self._alternatives.of(schema, missed, by_name=by_name):
            if isinstance(each, Reference):
                node = self._reference(each, path)
                nodes += [] if node is None or node in nodes else [node]
            else:
                nodes += [one for one in self._plain(each, path) if one not in nodes]
        return _one_of(nodes)

    def _miss(self, path: str, what: str) -> None:
        self.unheld.append(f"{path}: {what}")

    def _plain(self, plain: Plain, path: str) -> list[dict[str, Any]]:
        """What is left of a plain schema, a type each."""
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
        """Those of the listed values that satisfy all the rest."""
        from jsonschema import Draft202012Validator

        beside = {*ANNOTATIONS, "enum", "unmerged"}
        rest = {name: each for name, each in plain.items() if name not in beside}
        if PATTERNS in rest:
            rest["allOf"] = [{PATTERNS: each} for each in rest.pop(PATTERNS)]
        values = [value for value in plain["enum"] if not _is_not_finite(value)]
        if "$ref" in str(rest):
            self._miss(path, "what stands beside a list of values")
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
        """What other properties may be. The grammar tells their names apart from those that are
        listed, byte by byte, so it can do that for plain names only."""
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
        """The grammar knows lists of one length, so there is an alternative for each."""
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
    """The types that are left. Where none is named, those that the other keywords are about: an
    answer of one of them satisfies the schema, and was meant."""
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
