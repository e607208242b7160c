"""Checks of a value in an answer: number, choice, json, schema, tool_call. Pure.

number      the last number of the text: {"value": 42, "tolerance": 0.5} or 42
choice      the letter that was chosen: "B", or {"value": "B", "of": "ABCDE"}
json        true: it is JSON; {"equals": …}: exactly that; {"has": {…}}: at least those fields
schema      a JSON schema, or the short form "name:str, age:int"
tool_call   "name", or {"name": …, "arguments": {…}}, where a list is one of several values
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from localai.chat.answer_checks import first_code_block
from localai.compare.checks.check import (
    Check,
    CheckedAnswer,
    Observation,
    Parse,
    fields_of,
    number_of,
    text_of,
    texts_of,
    wrong,
)

_NUMBER = re.compile(
    r"(?<![\w.])[-+−]?(?:\d{1,3}(?:[,\u202f]\d{3})+(?!\d)|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?"
)
_LETTERS = "ABCD"
_MISSING: Final = object()


def last_number(text: str) -> float | None:
    """The last number in a text, in forms such as `1,234.5` and `-3`; None if there is none."""
    found = [match[0] for match in _NUMBER.finditer(text) if re.search(r"\d", match[0])]
    if not found:
        return None
    plain = re.sub(r"[,\u202f]", "", found[-1]).replace("−", "-")
    number = float(plain)
    return number if math.isfinite(number) else None


def _number(value: Any) -> Check:
    fields = fields_of("number", value, "value", ("tolerance",))
    wanted = number_of("number", fields["value"])
    tolerance = number_of("number", fields.get("tolerance", 1e-9))

    def look(answer: CheckedAnswer) -> Observation:
        found = last_number(answer.text)
        if found is None:
            return Observation(False, f"no number in: {answer.text}")
        return Observation(abs(found - wanted) <= tolerance, f"{found:g}")

    about = f" ± {tolerance:g}" if "tolerance" in fields else ""
    return Check("number", f"the number {wanted:g}{about} at the end", look, value)


def chosen(text: str, letters: str = _LETTERS) -> str | None:
    """The letter that an answer chooses; None if it chooses none or several.

    The rules in order: the text is the letter, bare or as `(B)`, `B.` or `**B**`; it says `answer:
    B` or `answer is B`, of which the last counts; it begins with the letter and a mark; only one
    letter stands alone in it.
    """
    one = f"[{re.escape(letters)}]"
    bare = re.fullmatch(rf"[\s(\[*\"'`]*({one})[\s)\]*.:\"'`]*", text)
    if bare:
        return bare[1]
    # A letter in the middle of a sentence ("A cat") is an article rather than a choice.
    labelled = re.findall(
        rf"(?i:answer|choice|option)(?:\s+(?i:is|would be))?\s*[:=]?\s*[(\[*\"'`]*({one})\b", text
    )
    if labelled:
        return str(labelled[-1])
    first = re.match(rf"[\s(\[*\"'`]*({one})[)\].:*]", text)
    if first:
        return first[1]
    alone = set(re.findall(rf"(?<![\w'’])({one})(?![\w'’])", text))
    return alone.pop() if len(alone) == 1 else None


def _choice(value: Any) -> Check:
    fields = fields_of("choice", value, "value", ("of",))
    wanted = text_of("choice", fields["value"]).strip().upper()
    of = fields.get("of", _LETTERS)
    letters = "".join(texts_of("choice", of))
    if len(wanted) != 1 or wanted not in letters:
        raise wrong("choice", f"one of the letters {letters}", value)

    def look(answer: CheckedAnswer) -> Observation:
        found = chosen(answer.text.strip(), letters)
        return Observation(found == wanted, answer.text if found is None else found)

    return Check("choice", f"the choice {wanted}", look, value)


def _json(value: Any) -> Check:
    if value is True:
        return Check("json", "JSON", lambda answer: _read(answer)[1], value, bounds=True)
    if not isinstance(value, dict) or set(value) not in ({"equals"}, {"has"}):
        raise wrong("json", 'true, {"equals": …} or {"has": {…}}', value)
    [(how, wanted)] = value.items()

    def look(answer: CheckedAnswer) -> Observation:
        document, finding = _read(answer)
        if not finding.passed:
            return finding
        held = document == wanted if how == "equals" else _has(document, wanted)
        return Observation(held, json.dumps(document, ensure_ascii=False))

    says = "exactly the JSON" if how == "equals" else "JSON that has"
    return Check("json", f"{says} {json.dumps(wanted, ensure_ascii=False)}", look, value)


def _read(answer: CheckedAnswer) -> tuple[Any, Observation]:
    """The JSON in an answer, bare or in its first code block."""
    block = first_code_block(answer.text)
    for text in (answer.text, block or ""):
        try:
            return json.loads(text), Observation(True, answer.text)
        except (ValueError, RecursionError):
            continue
    return None, Observation(False, f"no JSON: {answer.text}")


def _has(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            name in found and _has(found[name], each) for name, each in wanted.items()
        )
    return bool(found == wanted)


def _schema(value: Any) -> Check:
    from localai.chat.schema import from_data

    schema = from_data(value, 'the "schema" of an expectation')

    def look(answer: CheckedAnswer) -> Observation:
        block = first_code_block(answer.text)
        violation = schema.violation(answer.text if block is None else block)
        return Observation(violation is None, violation or "it fits")

    expected = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Check("schema", f"JSON of the schema {expected}", look, value, bounds=True)


def _tool_call(value: Any) -> Check:
    if value is True:
        return Check(
            "tool_call",
            "a call of a tool",
            lambda answer: Observation(bool(answer.tool_calls), _called(answer)),
            value,
        )
    fields = fields_of("tool_call", value, "name", ("arguments",))
    name = text_of("tool_call", fields["name"])
    arguments = fields.get("arguments", {})
    if not isinstance(arguments, dict):
        raise wrong("tool_call", 'an object as "arguments"', arguments)

    def look(answer: CheckedAnswer) -> Observation:
        called = [call for call in answer.tool_calls if call.name == name]
        held = any(_arguments_fit(call.arguments, arguments) for call in called)
        return Observation(held, _called(answer))

    shown = f"({json.dumps(arguments, ensure_ascii=False)})" if arguments else ""
    return Check("tool_call", f"a call of {name}{shown}", look, value)


def _called(answer: CheckedAnswer) -> str:
    calls = ", ".join(f"{call.name}({call.arguments})" for call in answer.tool_calls)
    return calls or f"no call: {answer.text}"


def _arguments_fit(raw: str, wanted: Mapping[str, Any]) -> bool:
    """Whether a call has each wanted argument. A list of values allows any of them; `""` in the
    list allows the argument to be missing."""
    try:
        found = json.loads(raw or "{}")
    except (ValueError, RecursionError):
        return False
    if not isinstance(found, dict):
        return False
    for name, value in wanted.items():
        allowed = value if isinstance(value, list) else [value]
        got = found.get(name, _MISSING)
        if got is _MISSING:
            if "" not in allowed:
                return False
        elif not any(_same(got, each) for each in allowed):
            return False
    return True


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, str) and isinstance(b, str):
        return a.strip().casefold() == b.strip().casefold()
    return bool(a == b)


CHECKS: Final[dict[str, Parse]] = {
    "number": _number,
    "choice": _choice,
    "json": _json,
    "schema": _schema,
    "tool_call": _tool_call,
}
