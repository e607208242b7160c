"""A schema as the alternatives that it leaves: plain schemas, and references alone. Pure.

`allOf` and what stands beside a reference are merged, `anyOf` and `oneOf` become alternatives.
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
    merged,
    modern,
    same,
)
from localai.wires.schemas.references import Draft, References, siblings_count

_MOST: Final = 64
_MOST_MERGED: Final = 20_000


@dataclass(frozen=True, slots=True)
class Reference:
    """All that stands at one place of the document, or at several: `target`, known by `key`."""

    key: Hashable
    target: Any


class Alternatives:
    """Finds the alternatives of schemas of one document; `missed` is told what is left out."""

    def __init__(self, references: References, draft: Draft) -> None:
        self._references = references
        self._draft = draft
        self._steps = 0

    def of(
        self, schema: Any, missed: Callable[[str], None], *, by_name: bool = True
    ) -> list[Reference | Plain]:
        """The alternatives of `schema`; none where nothing can satisfy it. A conjunction is one,
        by its name, unless `by_name` is off. Raises InvalidInput for one that is too intricate."""
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
                missed("oneOf, that only one of them fits")
            return [each for choice in choices for each in self.of(choice, missed)]
        return [*self._merged(schema, missed, frozenset())]

    def _alone(self, schema: Mapping[str, Any]) -> Any:
        """The target of a schema that is a reference and nothing else."""
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
        """The plain alternatives, every reference replaced by what it names."""
        if schema is True:
            return [{}]
        if schema is False:
            return []
        self._steps += 1
        if self._steps > _MOST_MERGED:
            raise InvalidInput("the schema is too intricate: too many of its parts meet")
        parts: list[list[Plain]] = []
        if "$ref" in schema:
            target = self._references.target(schema)
            if id(target) in within:
                missed("what it refers to, itself among it")
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
                    missed("oneOf, that only one of them fits")
                found = [each for one in choices for each in self._merged(one, missed, within)]
                parts.append(found)
        return _products(parts, missed)

    def _are_disjoint(self, choices: Iterable[Any], within: frozenset[int]) -> bool:
        """Whether it can be seen that nothing fits two of them."""
        seen: list[list[Plain]] = []
        for choice in choices:
            found = self._merged(choice, lambda _: None, within)
            if any(_may_meet(one, other) for before in seen for one in before for other in found):
                return False
            seen.append(found)
        return True


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


def _may_meet(one: Plain, other: Plain) -> bool:
    """Whether a value might satisfy both, as far as types and fixed values say."""
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
    """The values that a property may have, where they are listed."""
    schema = plain.get("properties", {}).get(name)
    if not isinstance(schema, dict):
        return []
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))
