"""A schema's strings and numbers in the form that llama.cpp's grammar can hold them to. Pure.

Each function takes a plain schema and `miss`, which is called with each keyword that the grammar
cannot hold. It returns None if nothing can satisfy the schema.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from localai.wires.schemas.expressions import NotHeld
from localai.wires.schemas.merging import PATTERNS, Plain
from localai.wires.schemas.patterns import MOST_REPETITIONS, held_pattern

NUMBER_KEYWORDS: Final = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
)
_FORMATS: Final = frozenset({"date", "time", "date-time", "uuid"})
# Nobody checks a `format` after the answer, so these patterns are no promise. They serve the wish
# of the schema's author.
_PATTERN_OF_FORMAT: Final[Mapping[str, str]] = {
    "email": r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$",
    "ipv4": r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}"
    r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])$",
    "uri": r"^[a-z][a-z0-9+.-]*:[!#-;=?-\[\]_a-z~A-Z]+$",
    "hostname": r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$",
}
_LARGEST: Final = 999_999_999_999_999
"""The grammar's integers have at most 15 digits."""


def string_node(plain: Plain, miss: Callable[[str], None]) -> dict[str, Any] | None:
    """The node for a string. The first pattern that the grammar can hold is used; a length beside
    it is held only if the pattern implies it."""
    least, most = plain.get("minLength", 0), plain.get("maxLength")
    if most is not None and most < least:
        return None
    patterns = list(plain.get(PATTERNS, ()))
    named_format = plain.get("format")
    if not patterns and isinstance(named_format, str) and named_format in _PATTERN_OF_FORMAT:
        patterns = [_PATTERN_OF_FORMAT[named_format]]
    used = None
    for pattern in patterns:
        try:
            held = held_pattern(pattern)
        except NotHeld as error:
            miss(f"pattern {pattern} ({error})")
            continue
        if used is not None and held.expression:
            miss(f"pattern {pattern} (a second pattern)")
        used = held if used is None or not used.expression else used
    if used is not None and used.expression:
        if used.longest == 0:
            return {"enum": [""]} if least == 0 else None
        if used.shortest < least:
            miss("minLength")
        if most is not None and (used.longest is None or used.longest > most):
            miss("maxLength")
        return {"type": "string", "pattern": used.expression}
    if named_format in _FORMATS and not patterns:
        return {"type": "string", "format": named_format}
    return _length(miss, int(least), most)


def _length(miss: Callable[[str], None], least: int, most: int | None) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "string"}
    if most == 0:
        return {"enum": [""]}
    if 0 < least <= MOST_REPETITIONS:
        made["minLength"] = least
    elif least:
        miss("minLength")
    if most is not None and most <= MOST_REPETITIONS:
        made["maxLength"] = int(most)
    elif most is not None:
        miss("maxLength")
    return made


def integer_node(plain: Plain, miss: Callable[[str], None]) -> dict[str, Any] | None:
    """The node for a whole number."""
    if plain.get("multipleOf", 1) not in (1, 1.0):
        miss("multipleOf")
    low, high = _integer_bounds(plain)
    made: dict[str, Any] = {"type": "integer"}
    if low is not None and high is not None and low > high:
        return None
    for name, bound in (("minimum", low), ("maximum", high)):
        if bound is not None and abs(bound) <= _LARGEST:
            made[name] = bound
        elif bound is not None and (bound > 0) == (name == "minimum"):
            miss(name)
    return made


def number_node(plain: Plain, miss: Callable[[str], None]) -> dict[str, Any] | None:
    """The node for a number. The grammar knows bounds of whole numbers only."""
    step = plain.get("multipleOf")
    if step is not None and step == int(step):
        return integer_node(plain, miss)
    for name in NUMBER_KEYWORDS:
        if name in plain:
            miss(f"{name} (of a number that may be a fraction)")
    return {"type": "number"}


def _integer_bounds(plain: Plain) -> tuple[int | None, int | None]:
    low, high = plain.get("minimum"), plain.get("maximum")
    lows = [] if low is None else [math.ceil(low)]
    highs = [] if high is None else [math.floor(high)]
    if (above := plain.get("exclusiveMinimum")) is not None:
        lows.append(math.floor(above) + 1)
    if (below := plain.get("exclusiveMaximum")) is not None:
        highs.append(math.ceil(below) - 1)
    return max(lows, default=None), min(highs, default=None)
