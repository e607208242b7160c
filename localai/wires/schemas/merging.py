"""The conjunction of schemas as one schema, and schemas of older drafts in the words of 2020-12.
Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from localai.wires.schemas.references import Draft

Plain = dict[str, Any]
"""A schema without `$ref`, `allOf`, `anyOf` and `oneOf`, in the words of draft 2020-12. `const` is
an `enum` of one value, `type` is a list, and `pattern` is a list of patterns that must all
match."""

PATTERNS: Final = "pattern"
_LARGER: Final = (
    "minimum",
    "exclusiveMinimum",
    "minLength",
    "minItems",
    "minProperties",
    "minContains",
)
_SMALLER: Final = (
    "maximum",
    "exclusiveMaximum",
    "maxLength",
    "maxItems",
    "maxProperties",
    "maxContains",
)
_BOTH: Final = ("items", "contains", "propertyNames", "unevaluatedItems", "unevaluatedProperties")
_PROPERTIES: Final = frozenset({"properties", "additionalProperties"})
NEVER: Final[Plain] = {"type": []}


def modern(schema: Mapping[str, Any], draft: Draft) -> Plain:
    """The keywords of `schema` in the words of draft 2020-12, without `$ref`, `allOf`, `anyOf` and
    `oneOf`."""
    plain = {name: value for name, value in schema.items() if name not in _COMBINING}
    if draft in ("3", "4"):
        for bound in ("Minimum", "Maximum"):
            exclusive = plain.pop(f"exclusive{bound}", None)
            if exclusive is True and bound.lower() in plain:
                plain[f"exclusive{bound}"] = plain.pop(bound.lower())
    if isinstance(plain.get("items"), list):
        plain["prefixItems"] = plain.pop("items")
        if "additionalItems" in plain:
            plain["items"] = plain["additionalItems"]
    plain.pop("additionalItems", None)
    if "const" in plain:
        value = plain.pop("const")
        plain["enum"] = [each for each in plain.get("enum", [value]) if same(each, value)]
    if isinstance(plain.get("type"), str):
        plain["type"] = [plain["type"]]
    if PATTERNS in plain:
        plain[PATTERNS] = [plain[PATTERNS]]
    return plain


_COMBINING: Final = frozenset({"$ref", "allOf", "anyOf", "oneOf"})


def merged(one: Plain, other: Plain) -> Plain:
    """The schema whose values satisfy both schemas. Keywords that cannot be merged are listed under
    `unmerged`."""
    if not one or not other:
        return one or other
    both = {**one, **other}
    for name in one.keys() & other.keys() - _PROPERTIES:
        both[name] = _merged(name, one[name], other[name], both)
    _merge_properties(both, one, other)
    return both


def _merged(name: str, one: Any, other: Any, both: Plain) -> Any:
    if name == "type":
        return _common_types(one, other)
    if name == "enum":
        there = {comparable(value) for value in other}
        return [value for value in one if comparable(value) in there]
    if name == "required":
        return list(dict.fromkeys([*one, *other]))
    if name == PATTERNS:
        return list(dict.fromkeys([*one, *other]))
    if name in _LARGER:
        return max(one, other)
    if name in _SMALLER:
        return min(one, other)
    if name in _BOTH:
        return both_hold(one, other)
    if name == "uniqueItems":
        return one or other
    if one != other and name not in ANNOTATIONS:
        both["unmerged"] = [*both.get("unmerged", []), name]
    return other


def _merge_properties(both: Plain, one: Plain, other: Plain) -> None:
    """Merge the properties of both schemas into `both`. A property that only one schema names must
    also satisfy the other's `additionalProperties`."""
    all_names = [*one.get("properties", {}), *other.get("properties", {})]
    if not all_names and "additionalProperties" not in both:
        return
    properties = {}
    for name in dict.fromkeys(all_names):
        parts = [_property(each, name) for each in (one, other)]
        properties[name] = both_hold(*parts)
    if properties:
        both["properties"] = properties
    if "additionalProperties" in both:
        rest = [each.get("additionalProperties", True) for each in (one, other)]
        both["additionalProperties"] = both_hold(*rest)


def _property(plain: Plain, name: str) -> Any:
    properties = plain.get("properties", {})
    if name in properties:
        return properties[name]
    return True if "patternProperties" in plain else plain.get("additionalProperties", True)


class Both(dict[str, Any]):
    """The `allOf` of several parts of a document, which `parts` has by their ids."""

    def __init__(self, parts: Mapping[int, Any]) -> None:
        super().__init__(allOf=list(parts.values()))
        self.parts = dict(parts)


def both_hold(one: Any, other: Any) -> Any:
    """The schema whose values satisfy both schemas, without merging their keywords."""
    if one is False or other is False:
        return False
    if one is True or one == {}:
        return other
    if other is True or other == {} or one == other:
        return one
    parts: dict[int, Any] = {}
    for each in (one, other):
        parts |= each.parts if isinstance(each, Both) else {id(each): each}
    return next(iter(parts.values())) if len(parts) == 1 else Both(parts)


def _common_types(one: list[str], other: list[str]) -> list[str]:
    common = [each for each in one if each in other]
    if "integer" not in common and (
        ("integer" in one and "number" in other) or ("number" in one and "integer" in other)
    ):
        common.append("integer")
    return common


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal in JSON: 1 and 1.0 are, 1 and true are not."""
    return comparable(one) == comparable(other)


def comparable(value: Any) -> str:
    """A text that is the same for the same JSON."""

    def numbers_alike(each: Any) -> Any:
        if isinstance(each, float) and math.isfinite(each) and each == int(each):
            return int(each)
        if isinstance(each, list):
            return [numbers_alike(one) for one in each]
        if isinstance(each, dict):
            return {name: numbers_alike(one) for name, one in each.items()}
        return each

    return json.dumps(numbers_alike(value), sort_keys=True)


ANNOTATIONS: Final = frozenset(
    {
        "$schema",
        "$id",
        "id",
        "$comment",
        "$anchor",
        "$dynamicAnchor",
        "$recursiveAnchor",
        "$defs",
        "$vocabulary",
        "definitions",
        "title",
        "description",
        "default",
        "examples",
        "example",
        "deprecated",
        "readOnly",
        "writeOnly",
        "contentMediaType",
        "contentEncoding",
        "contentSchema",
        "discriminator",
        "nullable",
        "additionalItems",
    }
)
"""Keywords that ask nothing of an answer. Unknown keywords ask nothing either."""
