"""Sampling options as the user gives them (`-o temperature 0`), checked before any model loads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from typing import Any

from localai.errors import InvalidInput
from localai.types import Options


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError
        return value

    parse.__doc__ = f"a number from {low:g} to {high:g}"
    return parse


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError
        return value

    parse.__doc__ = f"a whole number from {low} to {high}"
    return parse


_KNOWN: dict[str, Callable[[str], Any]] = {
    "temperature": _number(0, 5),
    "top_p": _number(0, 1),
    "top_k": _whole(0, 1_000_000),
    "min_p": _number(0, 1),
    "repeat_penalty": _number(0, 10),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "seed": _whole(0, 2**32 - 1),
    "max_tokens": _whole(1, 10_000_000),
}


def parse_options(pairs: Iterable[tuple[str, str]], **given: Any) -> Options:
    """Options from `-o KEY VALUE` pairs and from flags of their own (`given`, which win).

    `stop` may be given several times. `provider.KEY` passes KEY to the provider as it is.
    Raises InvalidInput that names the key, what it takes, and near names.
    """
    values: dict[str, Any] = {}
    stop: list[str] = []
    extra: dict[str, Any] = {}
    for key, text in pairs:
        if key == "stop":
            stop.append(text)
        elif key.startswith("provider."):
            extra[key.removeprefix("provider.")] = _literal(text)
        else:
            values[key] = _parse(key, text)
    values |= {key: value for key, value in given.items() if value is not None}
    return Options(**values, stop=tuple(stop), extra=extra)


def parse_json_options(raw: Any) -> Options:
    """Options out of a JSON or TOML object: numbers are numbers, `stop` may be a list.

    Raises InvalidInput as `parse_options` does.
    """
    import json

    if not isinstance(raw, dict):
        raise InvalidInput('"options" is an object', hint='"options": {"temperature": 0}')
    pairs = []
    for key, value in raw.items():
        for each in value if key == "stop" and isinstance(value, list) else [value]:
            pairs.append((key, each if isinstance(each, str) else json.dumps(each)))
    return parse_options(pairs)


def overlaid(below: Options, above: Options) -> Options:
    """The options of `above`, and those of `below` where it has none."""
    unset: tuple[object, ...] = (None, (), {})
    given = {field.name: getattr(above, field.name) for field in fields(Options)}
    return replace(below, **{key: value for key, value in given.items() if value not in unset})


def _parse(key: str, text: str) -> Any:
    parse = _KNOWN.get(key)
    if parse is None:
        from difflib import get_close_matches

        near = get_close_matches(key, [*_KNOWN, "stop"], n=2)
        raise InvalidInput(
            f"there is no option {key!r}",
            hint=f"did you mean {' or '.join(near)}?"
            if near
            else f"known are {', '.join([*_KNOWN, 'stop'])}, and provider.KEY for its own",
        )
    try:
        return parse(text)
    except ValueError as error:
        raise InvalidInput(f"option {key} must be {parse.__doc__}, not {text!r}") from error


def _literal(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text
