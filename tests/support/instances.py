"""Values that a schema allows, written by chance as llama.cpp's grammar would write them.

Reads what `held_by_grammar` makes, and nothing else of JSON Schema.
"""

from __future__ import annotations

import json
import random
import re
import string
from typing import Any

_DEEPEST = 6
_ANY_TEXTS = ("", "a", 'say "x"', "back\\slash", "ü", "😀", "two\nlines", "0", " ")


class Endless(Exception):
    """The value has no end that is near."""


def instance(document: dict[str, Any], chance: random.Random) -> Any:
    """A value that the grammar of `document` can write. Raises Endless."""
    return _value(document, document.get("$defs", {}), chance, 0)


def _value(node: dict[str, Any], names: dict[str, Any], chance: random.Random, depth: int) -> Any:
    if depth > 40:
        raise Endless
    if "$ref" in node:
        return _value(names[node["$ref"].rpartition("/")[2]], names, chance, depth + 1)
    if "anyOf" in node:
        choices = list(node["anyOf"])
        chance.shuffle(choices)
        for choice in choices:
            try:
                return _value(choice, names, chance, depth + 1)
            except Endless:
                continue
        raise Endless
    if "enum" in node:
        return chance.choice(node["enum"])
    kind = node["type"]
    if kind == "object":
        return _object(node, names, chance, depth)
    if kind == "array":
        return _array(node, names, chance, depth)
    if kind == "string":
        return _string(node, chance)
    if kind == "integer":
        low = node.get("minimum", node.get("maximum", 0) - 100)
        return chance.randint(low, node.get("maximum", max(low, 0) + 100))
    if kind == "number":
        return chance.choice([0, -1.5, 3.25, 1e6, 2])
    return {"boolean": chance.choice([True, False]), "null": None}[kind]


def _object(node: dict[str, Any], names: dict[str, Any], chance: random.Random, depth: int) -> Any:
    if "properties" not in node:
        return chance.choice([{}, {"a": 1}])
    found = {}
    for name, inner in node["properties"].items():
        is_required = name in node.get("required", ())
        if is_required or (depth < _DEEPEST and chance.random() < 0.6):
            try:
                found[name] = _value(inner, names, chance, depth + 1)
            except Endless:
                if is_required:
                    raise
    if isinstance(node["additionalProperties"], dict) and chance.random() < 0.5:
        name = next(n for n in ("q", "qq", "qqq", "qqqq") if n not in node["properties"])
        found[name] = _value(node["additionalProperties"], names, chance, depth + 1)
    return found


def _array(node: dict[str, Any], names: dict[str, Any], chance: random.Random, depth: int) -> Any:
    if "prefixItems" in node:
        return [_value(each, names, chance, depth + 1) for each in node["prefixItems"]]
    if "items" not in node:
        return chance.choice([[], [1, "a"]])
    least = node.get("minItems", 0)
    more = 0 if depth >= _DEEPEST else chance.randint(0, 2)
    count = min(least + more, node.get("maxItems", least + more))
    return [_value(node["items"], names, chance, depth + 1) for _ in range(count)]


def _string(node: dict[str, Any], chance: random.Random) -> str:
    if "pattern" in node:
        body = written_by(node["pattern"], chance)
        text = json.loads(f'"{body}"')
        assert isinstance(text, str)
        return text
    if "format" in node:
        return {
            "date": "2026-11-26",
            "time": "12:00:00Z",
            "date-time": "2026-11-26T12:00:00Z",
            "uuid": "00000000-0000-4000-8000-000000000000",
        }[node["format"]]
    least, most = node.get("minLength", 0), node.get("maxLength", 1 << 30)
    text = chance.choice(_ANY_TEXTS)
    while len(text) < least:
        text += chance.choice(string.ascii_letters)
    return text[:most]


def written_by(pattern: str, chance: random.Random) -> str:
    """A text of the language of `pattern`, in the dialect that is sent to the engine."""
    assert pattern.startswith("^") and pattern.endswith("$")
    text, at = _choice(pattern[1:-1], 0, chance)
    assert at == len(pattern) - 2, (pattern, at)
    assert re.fullmatch(pattern, text), (pattern, text)
    return text


def _choice(pattern: str, at: int, chance: random.Random) -> tuple[str, int]:
    alternatives = []
    while True:
        text = ""
        while at < len(pattern) and pattern[at] not in "|)":
            piece, at = _repeated(pattern, at, chance)
            text += piece
        alternatives.append(text)
        if at >= len(pattern) or pattern[at] == ")":
            return chance.choice(alternatives), at
        at += 1


def _repeated(pattern: str, at: int, chance: random.Random) -> tuple[str, int]:
    start = at
    _, at = _atom(pattern, at, chance)
    least, most = 1, 1
    bounds = re.compile(r"[*+?]|\{(\d+)(,?)(\d*)\}").match(pattern, at)
    if bounds is not None:
        at = bounds.end()
        if bounds[1] is not None:
            least = int(bounds[1])
            most = least if not bounds[2] else int(bounds[3]) if bounds[3] else least + 3
        else:
            least, most = {"*": (0, 3), "+": (1, 3), "?": (0, 1)}[bounds[0]]
    count = chance.randint(least, most)
    return "".join(_atom(pattern, start, chance)[0] for _ in range(count)), at


def _atom(pattern: str, at: int, chance: random.Random) -> tuple[str, int]:
    if pattern[at] == "(":
        text, at = _choice(pattern, at + 1, chance)
        return text, at + 1
    if pattern[at] == "[":
        end = pattern.index("]", at)
        points = []
        parts = re.findall(r"(\\x..|.)(?:-(\\x..|.))?", pattern[at + 1 : end], re.DOTALL)
        for low, high in parts:
            points.append((_point(low), _point(high or low)))
        low, high = chance.choice(points)
        return chr(chance.randint(low, min(high, low + 60))), end + 1
    return pattern[at], at + 1


def _point(written: str) -> int:
    return int(written[2:], 16) if written.startswith("\\x") else ord(written)
