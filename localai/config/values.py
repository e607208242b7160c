"""How the text or TOML value of a setting becomes a typed one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from localai.units import parse_count

_LONGEST_S: Final = 100 * 365 * 86400.0
_LARGEST_BYTES: Final = 10**18


class Invalid(ValueError):
    """A value is invalid; the text says what it should have been."""


def text(raw: Any) -> str:
    """A text that is not empty. This and the others raise Invalid."""
    if not isinstance(raw, str) or not raw:
        raise Invalid("a text")
    return raw


def flag(raw: Any) -> bool:
    """True or false, in any of their words."""
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.lower() in ("true", "yes", "on", "1"):
        return True
    if isinstance(raw, str) and raw.lower() in ("false", "no", "off", "0"):
        return False
    raise Invalid("true or false")


def integer(low: int, high: int) -> Callable[[Any], int]:
    """Reads a whole number within these bounds."""

    def parse(raw: Any) -> int:
        try:
            value = int(raw) if isinstance(raw, str) else raw
        except ValueError:
            value = None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Invalid(f"a whole number from {low} to {high}")
        return value

    return parse


def tokens(low: int, high: int) -> Callable[[Any], int]:
    """Reads a number of tokens within these bounds, such as `8k`."""

    def parse(raw: Any) -> int:
        try:
            value = parse_count(str(raw))
        except ValueError as error:
            raise Invalid(str(error)) from error
        if not low <= value <= high:
            raise Invalid(f"a whole number from {low} to {high}, such as 8192 or 8k")
        return value

    return parse


def size(raw: Any) -> int:
    """Bytes from `4000000000` or `"4GB"`: decimal units, as disks are sold."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kMGT]?)B?", str(raw).strip())
    if match is None or isinstance(raw, bool):
        raise Invalid("a size such as 500MB or 4GB")
    found = float(match[1]) * 1000 ** " kMGT".index(match[2] or " ")
    if found > _LARGEST_BYTES:
        raise Invalid("a size of at most a million TB")
    return int(found)


def texts(raw: Any) -> tuple[str, ...]:
    """A list, or a text in which commas separate."""
    if isinstance(raw, str):
        raw = [part.strip() for part in raw.split(",") if part.strip()]
    if not isinstance(raw, list | tuple) or not all(isinstance(part, str) for part in raw):
        raise Invalid("a list of texts")
    return tuple(raw)


def one_of(*choices: str) -> Callable[[Any], str]:
    """Reads one of the `choices`."""

    def parse(raw: Any) -> str:
        if raw not in choices:
            raise Invalid("one of " + ", ".join(choices))
        return str(raw)

    return parse


def parse_duration(raw: Any) -> float:
    """Seconds from `90`, `"90s"`, `"5m"`, `"1h"`, `"2d"`; -1 means for ever. Raises ValueError."""
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        # TOML has integers that no float can hold, on either side of zero.
        seconds = -1.0 if raw < 0 else float(min(raw, 2 * _LONGEST_S))
    else:
        match = re.fullmatch(r"(-?\d+(?:\.\d+)?)(ms|s|m|h|d|)", str(raw).strip())
        if match is None:
            raise Invalid("a duration such as 90s, 5m or 1h")
        unit = {"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
        seconds = float(match[1]) * unit
    if not seconds <= _LONGEST_S:
        raise Invalid("a duration of at most 100 years; -1 is for ever")
    return float("inf") if seconds < 0 else seconds


def parse_age(raw: str) -> float:
    """Seconds from `"30d"`, as `parse_duration`, but never from a number alone: whoever types
    `--older-than 5` does not mean seconds. Raises ValueError."""
    wrong = Invalid("a time with its unit, such as 30d or 12h")
    if re.fullmatch(r"[\d.]*[1-9][\d.]*", raw.strip()):
        raise wrong
    try:
        return parse_duration(raw)
    except Invalid:
        raise wrong from None
