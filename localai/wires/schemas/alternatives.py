"""A schema as a list of alternatives: plain schemas, and references to parts of the document. Pure.

`allOf` and keywords beside a reference are merged; `anyOf` and `oneOf` become alternatives.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import product
from typing import Any, Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.wires.schemas.merging import (
    ANNOTATIONS,
    NEVER,
    Both,
    Plain,
    comparable,
    merged,
    modern,
    same,
)
from localai.wires.schemas.references import Draft, References, siblings_count

_MOST: Final = 64
_MOST_MERGED: Final = 20_000
_MOST_COMPARED: Final = 300


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to the schema `target`, which is one part of the document or the conjunction of
    several. Equal keys mean the same target."""

    key: Hashable
    target: Any


class Alternatives:
    """Finds the alternatives of the schemas of one document.

    The argument `missed` is called with each requirement that the alternatives leave out.
    """

    def __init__(self, references: References, draft: Draft) -> None:
        self._references = references
        self._draft = draft
        self._steps = 0

    def of(
        self, schema: Any, missed: Callable[[str], None], *, by_name: bool = True
    ) -> list[Reference | Plain]:
        """The alternatives of `schema`; none if nothing can satisfy it.

        With `by_name`, a conjunction (`Both`) stays one reference; without it, the conjunction is
        merged. Raises InvalidInput for a schema whose parts combine too often.
        """
        if schema is True:
            return [{}]
        if schema is False:
            return []
        if isinstance(schema, Both) and by_name:
            return [Reference(frozenset(schema.parts), schema)]
        if (alone := self._alone(schema)) is not None:
            return [Reference(id(alone), alone)]
        inner = self._only_choice(schema)
        if inner is not None:
            name, choices = inner
            if name == "oneOf" and not self._are_disjoint(choices, frozenset()):
                missed("oneOf (that exactly one alternative fits)")
            return [found for choice in choices for found in self.of(choice, missed)]
        return [*self._merged(schema, missed, frozenset())]

    def _alone(self, schema: Mapping[str, Any]) -> Any:
        """The target of a schema that is a reference and nothing else; None for other schemas."""
        if "$ref" in schema and (not siblings_count(self._draft) or not _own(schema) - {"$ref"}):
            return self._references.target(schema)
        if _own(schema) == {"allOf"} and len(schema["allOf"]) == 1:
            only = schema["allOf"][0]
            return self._alone(only) if isinstance(only, dict) else None
        return None

    @staticmethod
    def _only_choice(schema: Mapping[str, Any]) -> tuple[str, list[Any]] | None:
        own = _own(schema)
        if len(own) == 1 and (name := next(iter(own))) in ("anyOf", "oneOf"):
            return name, schema[name]
        return None

    def _merged(
        self, schema: Any, missed: Callable[[str], None], within: frozenset[int]
    ) -> list[Plain]:
        """The plain alternatives, with every reference replaced by its target. `within` has the
        ids of the targets that are being replaced."""
        if schema is True:
            return [{}]
        if schema is False:
            return []
        self._steps += 1
        if self._steps > _MOST_MERGED:
            raise InvalidInput("the schema is too intricate: its parts combine too often")
        parts: list[list[Plain]] = []
        if "$ref" in schema:
            target = self._references.target(schema)
            if id(target) in within:
                missed("a $ref that leads back to its own schema")
                parts.append([{}])
            else:
                parts.append(self._merged(target, missed, within | {id(target)}))
            if not siblings_count(self._draft):
                return parts[0]
        parts.append([modern(schema, self._draft)])
        parts += [self._merged(each, missed, within) for each in schema.get("allOf", ())]
        for name in ("anyOf", "oneOf"):
            if name in schema:
                choices = schema[name]
                if name == "oneOf" and not self._are_disjoint(choices, within):
                    missed("oneOf (that exactly one alternative fits)")
                parts.append(
                    [plain for one in choices for plain in self._merged(one, missed, within)]
                )
        return _products(parts, missed)

    def _are_disjoint(self, choices: Iterable[Any], within: frozenset[int]) -> bool:
        """Whether types and fixed values show that no value fits two of `choices`."""
        seen = [self._merged(choice, lambda _: None, within) for choice in choices]
        if _are_told_apart(seen):
            return True
        if sum(map(len, seen)) > _MOST_COMPARED:
            return False
        return not any(
            _may_meet(one, other)
            for number, found in enumerate(seen)
            for before in seen[:number]
            for one in before
            for other in found
        )


def _own(schema: Mapping[str, Any]) -> set[str]:
    return {name for name in schema if name not in ANNOTATIONS}


def _products(parts: list[list[Plain]], missed: Callable[[str], None]) -> list[Plain]:
    found: list[Plain] = [{}]
    for part in parts:
        if len(found) * len(part) > _MOST:
            if len(found) == 1 and not found[0]:
                found = part
            else:
                missed(f"more than {_MOST} alternatives")
            continue
        found = [merged(one, other) for one, other in product(found, part)]
        found = [each for each in found if not _is_never(each)]
    return found


def _is_never(plain: Plain) -> bool:
    return plain.get("type") == NEVER["type"] or plain.get("enum") == []


def _are_told_apart(choices: list[list[Plain]]) -> bool:
    """Whether one required property tells all of them apart by its values: the usual form, of
    which there may be thousands."""
    required = [set(plain.get("required", ())) for found in choices for plain in found]
    for name in set.intersection(*required) if required else ():
        values = [
            {comparable(value) for plain in found for value in _fixed(plain, name)}
            for found in choices
        ]
        all_fixed = all(_fixed(plain, name) for found in choices for plain in found)
        if all_fixed and sum(map(len, values)) == len(set().union(*values)):
            return True
    return False


def _may_meet(one: Plain, other: Plain) -> bool:
    """Whether a value might satisfy both schemas, judged by types and fixed values alone."""
    both = merged(
        {name: one[name] for name in ("type", "enum") if name in one},
        {name: other[name] for name in ("type", "enum") if name in other},
    )
    if _is_never(both):
        return False
    shared = set(one.get("required", ())) & set(other.get("required", ()))
    for name in shared:
        here, there = (_fixed(each, name) for each in (one, other))
        if here and there and not any(same(a, b) for a in here for b in there):
            return False
    return True


def _fixed(plain: Plain, name: str) -> list[Any]:
    """The listed values of the property `name`; empty if the schema does not list them."""
    schema = plain.get("properties", {}).get(name)
    if not isinstance(schema, dict):
        return []
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))
