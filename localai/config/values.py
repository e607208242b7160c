"""How the text or TOML value of a setting becomes a typed one, and how that is typed again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from localai.units import parse_count

_LONGEST_S: Final = 100 * 365 * 86400.0
_LARGEST_BYTES: Final = 10**18
_SIZES: Final = ("", "K", "M", "G", "T")
_SECONDS: Final = {"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600, "d": 86400}
_LONG_COUNT: Final = 100_000


class Invalid(ValueError):
    """A value is invalid; the text says what it should have been."""


def text(raw: Any) -> str:
    """A text that is not empty. Raises Invalid, as all of this module do."""
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
    """Bytes from `4000000000`, `"4GB"` or `"4g"`: decimal units, as disks are sold."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)B?", str(raw).strip().upper())
    if match is None or isinstance(raw, bool):
        raise Invalid("a size such as 500MB or 4GB")
    found = float(match[1]) * 1000 ** _SIZES.index(match[2])
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
        seconds = float(match[1]) * _SECONDS[match[2]]
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


def typed(value: Any, kind: str | None = None) -> str:
    """A value in the form in which it is typed and read again: `1GB`, `10m`, `a,b`. `kind` is the
    setting's."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, float):
        return _typed_duration(value)
    if kind == "size":
        return _in_units(value, {"TB": 10**12, "GB": 10**9, "MB": 10**6, "kB": 1000})
    if kind == "tokens" and value >= _LONG_COUNT:
        return _in_units(value, {"M": 1024**2, "k": 1024})
    return str(value)


def _typed_duration(seconds: float) -> str:
    if seconds == float("inf"):
        return "-1"
    if not seconds.is_integer():
        return f"{seconds:.9f}".rstrip("0") + "s"
    return _in_units(int(seconds), {"d": 86400, "h": 3600, "m": 60}, "s")


def _in_units(count: int, units: Mapping[str, int], least: str = "") -> str:
    """The count in the largest of the units of which it is a whole number."""
    for unit, of in units.items():
        if count and count % of == 0:
            return f"{count // of}{unit}"
    return f"{count}{least}"
