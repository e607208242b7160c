"""Schemas, expressions, streams and chat templates made by chance, as the wild has them. Not part
of the suite.

    python -m tests.campaigns.wild [--only KIND] [--count N] [--seed N]

- expressions: whatever the rewritten one can write, the original finds in it;
- schemas: read, refused with a reason, or rewritten so that whatever the grammar can write
  satisfies the schema where nothing is said to be left out;
- streams: a text in any pieces and spellings comes out as it went in;
- endpoint, ollama, lmstudio, anthropic, openai: the same over a socket, in every framing and
  packet, by the provider of that name (`wild_wires`);
- templates: used, or named as the cause, as the real engine itself has it (`wild_templates`).

Each failure is printed with what was tried.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Callable
from typing import Any

from jsonschema import Draft202012Validator

from localai.answers import PartialAnswer
from localai.chat.schema import from_document
from localai.errors import InvalidInput
from localai.events import Events, Locality
from localai.wires.chat_completions.client import read_stream
from localai.wires.clock import AnswerClock
from localai.wires.schemas.expressions import NotHeld
from localai.wires.schemas.grammar import held_by_grammar
from localai.wires.schemas.patterns import held_pattern
from tests.campaigns.wild_templates import templates
from tests.campaigns.wild_wires import WIRES, streams_of
from tests.support.clock import slowdown
from tests.support.instances import Endless, instance, written_by

_LONGEST_S = 20.0
_ATOMS = (
    *("a", "B", "7", " ", "é", "中", "😀", "-", "_", '"', "/", ":"),
    *(r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", ".", r"\.", r"\\", r"\"", r"\u00e4", r"\x41"),
    *("[a-z]", "[^a]", r"[\d.-]", r"[^\w]", "[A-Z0-9_]", r"[^\s\"]", "[é-ü]"),
    *(r"\b", "(?=a)", r"\1", "(?i)", "^", "$"),
)
_QUANTIFIERS = ("", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "{0}", "{,2}", "++")


def an_expression(chance: random.Random, depth: int = 0) -> str:
    """A regular expression, mostly one."""
    pieces = []
    for _ in range(chance.randint(1, 4)):
        inner = chance.choice(_ATOMS)
        if depth < 3 and chance.random() < 0.25:
            begins = chance.choice(("(", "(?:", "(?P<n>" if depth == 0 else "("))
            inner = f"{begins}{an_expression(chance, depth + 1)})"
        pieces.append(inner + chance.choice(_QUANTIFIERS))
    text = "".join(pieces)
    if chance.random() < 0.3:
        text += f"|{an_expression(chance, depth + 1)}" if depth < 3 else "|"
    if depth == 0:
        text = chance.choice(("", "^", "^")) + text + chance.choice(("", "$", "$"))
    return text


def expressions(chance: random.Random) -> str:
    """What came of one: "held", "said" or "none"; raises AssertionError where it is wrong."""
    pattern = an_expression(chance)
    try:
        re.compile(pattern)
    except re.error:
        return "none"
    try:
        held = held_pattern(pattern)
    except NotHeld:
        return "said"
    for _ in range(10 if held.expression else 0):
        text = json.loads(f'"{written_by(held.expression, chance)}"')
        assert re.search(pattern, text), (pattern, held.expression, text)
        assert held.shortest <= len(text), (pattern, text)
        assert held.longest is None or len(text) <= held.longest, (pattern, text)
    return "held"


def a_schema(chance: random.Random, depth: int = 0) -> Any:
    """A schema of 2020-12, with references to `#/$defs/a` and `#/$defs/b`."""
    kind = chance.randint(0, 12 if depth < 4 else 6)

    def inner() -> Any:
        return a_schema(chance, depth + 1)

    match kind:
        case 0:
            return chance.choice([True, {}, {"type": chance.choice(["null", "boolean"])}])
        case 1:
            return {"type": "integer", **_some(chance, {"minimum": -3, "exclusiveMaximum": 9.5})}
        case 2:
            return {"type": "number", **_some(chance, {"minimum": 0, "multipleOf": 1})}
        case 3:
            return {"type": "string", **_some(chance, {"minLength": 1, "maxLength": 5})}
        case 4:
            return {"type": "string", "pattern": an_expression(chance)}
        case 5:
            return chance.choice([{"const": 1}, {"enum": ["a", None, 2]}, {"const": {"k": [1]}}])
        case 6:
            return {"$ref": f"#/$defs/{chance.choice('ab')}"}
        case 7 | 8:
            names = chance.sample(["a", "b", "größe", "x y", "kind"], chance.randint(0, 3))
            more = {"required": names[:1], "additionalProperties": inner(), "minProperties": 1}
            properties = {name: inner() for name in names}
            return {"type": "object", "properties": properties, **_some(chance, more)}
        case 9:
            return {"type": "array", "items": inner(), **_some(chance, {"maxItems": 2})}
        case 10:
            more = {"items": inner(), "minItems": 1}
            return {"type": "array", "prefixItems": [inner(), inner()], **_some(chance, more)}
        case 11:
            return {chance.choice(["anyOf", "oneOf", "allOf"]): [inner(), inner()]}
        case _:
            made = inner()
            both = {"anyOf": [inner()], "not": {"const": 3}, "title": "t"}
            return {**(made if isinstance(made, dict) else {}), **_some(chance, both)}


def _some(chance: random.Random, of: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in of.items() if chance.random() < 0.5}


def schemas(chance: random.Random) -> str:
    """What came of one: "held", "said" or "refused"; raises AssertionError where it is wrong."""
    schema = a_schema(chance)
    document = {**(schema if isinstance(schema, dict) else {})}
    document["$defs"] = {"a": a_schema(chance, 2), "b": a_schema(chance, 3)}
    try:
        from_document(document, "it")
    except InvalidInput:
        return "refused"
    held = held_by_grammar(document)
    if held.unheld:
        return "said"
    validator = Draft202012Validator(document)
    for _ in range(10):
        try:
            value = instance(held.document, chance)
        except Endless:
            continue
        assert validator.is_valid(value), (document, held.document, value)
    return "held"


def streams(chance: random.Random) -> str:
    """A text in pieces, in one of the spellings of a piece; raises AssertionError for another."""
    letters = 'ab \n"<>`\\é中😀\u200d👩‍💻</think>```'
    text = "x" + "".join(chance.choice(letters) for _ in range(chance.randint(0, 60)))
    said = json.dumps(text)[1:-1]
    units = re.findall(r"\\u[0-9a-f]{4}|\\.|.", said, re.DOTALL)
    chunks: list[dict[str, Any]] = []
    while units:
        count = chance.randint(1, 6)
        piece = json.loads(f'"{"".join(units[:count])}"')
        units = units[count:]
        content: Any = chance.choice([piece, [{"type": "text", "text": piece}], [piece]])
        chunks.append({"choices": [{"delta": {"content": content}}]})
        if chance.random() < 0.2:
            chunks.append(chance.choice([{}, {"choices": []}, {"choices": None}, {"usage": "no"}]))
    ends = {"choices": [{"delta": {}, "finish_reason": chance.choice(["stop", "eos", "length"])}]}
    chunks += [ends, {"usage": {"prompt_tokens": chance.choice(["7", 7, None, -1, "NaN"])}}]

    def events() -> Events:
        yield from read_stream(chunks, Locality(None, "made up"), AnswerClock())

    partial = PartialAnswer()
    for event in events():
        partial.add(event)
    got = partial.reasoning + partial.text
    assert re.sub(r"\s", "", got) == re.sub(r"\s|</think>", "", text) or got == text, (text, got)
    assert partial.done is not None
    return "whole"


KINDS: dict[str, Callable[[random.Random], str]] = {
    "expressions": expressions,
    "schemas": schemas,
    "streams": streams,
    **{wire: streams_of(wire) for wire in WIRES},
    "templates": templates,
}


def main() -> int:
    """Try each kind so often, and say what came of it."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--only", choices=KINDS, help="one kind")
    arguments.add_argument("--count", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    faults = 0
    for kind, try_one in KINDS.items():
        if given.only not in (None, kind):
            continue
        came: dict[str, int] = {}
        for number in range(given.count):
            started = time.monotonic()
            try:
                outcome = try_one(random.Random(f"{given.seed} {kind} {number}"))
            except Exception as error:  # noqa: BLE001  whatever comes is a fault to be counted
                outcome = "fault"
                faults += 1
                print(f"{kind} {number}: {type(error).__name__}: {error}"[:600])
            taken = time.monotonic() - started
            if taken > _LONGEST_S and taken > _LONGEST_S * slowdown():
                outcome = "hang"
                faults += 1
                print(f"{kind} {number}: {taken:.0f} s")
            came[outcome] = came.get(outcome, 0) + 1
        print(f"{kind}: {given.count}, {came}", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
