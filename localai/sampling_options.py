"""The sampling options: one table, from which parsing, the wires, `/set` and the reference follow.

To add an option that several servers have: a field of `types.Options` and a row of
`SAMPLING_OPTIONS`. What one server alone knows is no option but `-o provider.NAME`. A wire that is
not in its row refuses it by name; no option is dropped silently. Ollama ignores options that it
does not know, so a row has Ollama only if Ollama has the option (`without=("ollama",)` leaves it
out).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields
from typing import Any, Final, Literal

from localai.dataclass import dataclass
from localai.errors import InvalidInput, ProviderRefused
from localai.near_names import did_you_mean
from localai.types import Options
from localai.units import parse_count

Wire = Literal["chat_completions", "mlx", "ollama", "responses", "anthropic"]
"""The formats in which options are sent. `chat_completions` is that of the embedded engine, LM
Studio and every endpoint, `mlx` what the MLX worker applies of it."""

_PROVIDERS_OWN: Final = "provider."


@dataclass(frozen=True, slots=True)
class SamplingOption:
    """An option: what it takes, what it does, and its name in each wire that has it.

    `example` is a value that people give; "" where any text will do. `parse` raises ValueError if a
    text is not what it `takes`. A `repeatable` option may be given several times; its values become
    a tuple.
    """

    name: str
    takes: str
    meaning: str
    parse: Callable[[str], Any]
    wires: Mapping[Wire, str]
    example: str = ""
    kind: type[float] | type[int] | type[str] = float
    repeatable: bool = False


def _number(
    name: str,
    low: float,
    high: float,
    example: str,
    meaning: str,
    also: Mapping[Wire, str] | None = None,
    without: Collection[Wire] = (),
) -> SamplingOption:
    def parse(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError
        return value

    takes = f"a number from {low:g} to {high:g}"
    return SamplingOption(name, takes, meaning, parse, _wires(name, also, without), example)


def _whole(
    name: str,
    low: int,
    high: int,
    example: str,
    meaning: str,
    also: Mapping[Wire, str] | None = None,
    without: Collection[Wire] = (),
) -> SamplingOption:
    def parse(text: str) -> int:
        value = parse_count(text)
        if not low <= value <= high:
            raise ValueError
        return value

    takes = f"a whole number from {low} to {high}"
    names = _wires(name, also, without)
    return SamplingOption(name, takes, meaning, parse, names, example, kind=int)


def _wires(
    name: str, also: Mapping[Wire, str] | None = None, without: Collection[Wire] = ()
) -> Mapping[Wire, str]:
    """The local engines and Ollama have an option under its own name, unless `also` gives another
    or `without` names them. The clouds have only the options that `also` gives them."""
    names: dict[Wire, str] = {"chat_completions": name, "mlx": name, "ollama": name, **(also or {})}
    return {wire: each for wire, each in names.items() if wire not in without}


_TOKEN_LIMIT: Final[Mapping[Wire, str]] = {
    "ollama": "num_predict",
    "responses": "max_output_tokens",
    "anthropic": "max_tokens",
}

SAMPLING_OPTIONS: Final[tuple[SamplingOption, ...]] = (
    _number("temperature", 0, 5, "0.7",
            "The randomness of sampling; 0 always takes the likeliest token.",
            {"responses": "temperature"}),
    _number("top_p", 0, 1, "0.9",
            "Sample from the likeliest tokens whose probabilities sum to this.",
            {"responses": "top_p"}),
    _whole("top_k", 0, 1_000_000, "40", "Sample from this many of the likeliest tokens; 0 is all."),
    _number("min_p", 0, 1, "0.05", "Leave out tokens below this share of the top probability."),
    _number("repeat_penalty", 0, 10, "1.1", "Make recent tokens less likely; 1 has no effect."),
    _number("presence_penalty", -2, 2, "0.5",
            "Subtract this from a token's logit once it has occurred."),
    _number("frequency_penalty", -2, 2, "0.5",
            "Subtract this from its logit each time a token occurs."),
    _whole("seed", 0, 2**32 - 1, "42", "Make sampling repeatable."),
    _whole("max_tokens", 1, 10_000_000, "500", "The longest answer, in tokens.", _TOKEN_LIMIT),
    SamplingOption("stop", "a text", "End the answer before this text; may be given several times.",
                   str, _wires("stop", {"anthropic": "stop_sequences"}), kind=str, repeatable=True),
)  # fmt: skip

_BY_NAME: Final = {option.name: option for option in SAMPLING_OPTIONS}


def parse_options(pairs: Iterable[tuple[str, str]], **given: Any) -> Options:
    """Options from `-o KEY VALUE` pairs and from flags of their own (`given`, which take
    precedence).

    `given` are texts, a sequence of texts for a repeatable option, or parsed values; None is not
    given. `provider.KEY` passes KEY to the provider as it is. Raises InvalidInput that names the
    key or the flag, what it takes, and near names.
    """
    values: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, text in pairs:
        if key.startswith(_PROVIDERS_OWN):
            extra[key.removeprefix(_PROVIDERS_OWN)] = _literal(text)
            continue
        option = _named(key)
        value = _parsed(option, text)
        values[key] = (*values.get(key, ()), value) if option.repeatable else value
    for key, value in given.items():
        option = _BY_NAME[key]
        flag = "--" + key.replace("_", "-")
        if isinstance(value, str):
            values[key] = _parsed(option, value, flag)
        elif isinstance(value, list):
            values[key] = tuple(_parsed(option, each, flag) for each in value)
        elif value is not None:
            values[key] = value
    return Options(**values, extra=extra)


def parse_json_options(raw: Any) -> Options:
    """Options from a JSON or TOML object: numbers are numbers, `stop` may be a list.

    Raises InvalidInput as `parse_options` does.
    """
    import json

    if not isinstance(raw, dict):
        raise InvalidInput('"options" is an object', hint='"options": {"temperature": 0}')
    pairs = []
    for key, value in raw.items():
        repeatable = key in _BY_NAME and _BY_NAME[key].repeatable
        for each in value if repeatable and isinstance(value, list) else [value]:
            pairs.append((key, each if isinstance(each, str) else json.dumps(each)))
    return parse_options(pairs)


def options_set(options: Options) -> dict[str, Any]:
    """The options that have a value, by name, in the table's order; `extra` last."""
    unset: tuple[object, ...] = (None, (), {})
    values = {field.name: getattr(options, field.name) for field in fields(Options)}
    return {name: value for name, value in values.items() if value not in unset}


def overlaid_options(below: Options, above: Options) -> Options:
    """The options of `above`, and those of `below` that it lacks. A provider's own options are
    overlaid one by one, too."""
    extra = {**below.extra, **above.extra}
    return Options(**{**options_set(below), **options_set(above), "extra": extra})


def wire_options(options: Options, wire: Wire, who: str) -> dict[str, Any]:
    """The options that were set, under the names that `wire` has for them, without `extra`.

    Raises ProviderRefused for the first option that the wire of the provider `who` lacks: without
    it, the answer would not be the one that the user asked for.
    """
    body: dict[str, Any] = {}
    for name, value in options_set(options).items():
        if name == "extra":
            continue
        theirs = _BY_NAME[name].wires.get(wire)
        if theirs is None:
            raise ProviderRefused(
                f"{who} does not take the option {name}", hint=f"leave out: -o {name}"
            )
        body[theirs] = list(value) if _BY_NAME[name].repeatable else value
    return body


def read_wire_options(body: Mapping[str, Any], wire: Wire) -> dict[str, Any]:
    """The options that a body in the format `wire` sets, by localai's names.

    Raises InvalidInput if a value is not what the option takes.
    """
    found: dict[str, Any] = {}
    for option in SAMPLING_OPTIONS:
        value = body.get(option.wires.get(wire, ""))
        if value is None:
            continue
        values = value if option.repeatable and isinstance(value, list) else [value]
        if not all(_is_of_kind(each, option.kind) for each in values):
            raise InvalidInput(f"option {option.name} must be {option.takes}, not {value!r}")
        parsed = [_parsed(option, str(each)) for each in values]
        found[option.name] = tuple(parsed) if option.repeatable else parsed[0]
    return found


def _is_of_kind(value: Any, kind: type) -> bool:
    """Whether a JSON value is a text or a number, as an option of `kind` is."""
    if kind is str:
        return isinstance(value, str)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _named(key: str) -> SamplingOption:
    option = _BY_NAME.get(key)
    if option is not None:
        return option
    raise InvalidInput(
        f"there is no option {key!r}",
        hint=did_you_mean(key, _BY_NAME)
        or f"known are {', '.join(_BY_NAME)}, and provider.KEY for its own",
    )


def _parsed(option: SamplingOption, text: str, flag: str | None = None) -> Any:
    try:
        return option.parse(text)
    except ValueError as error:
        takes = f"option {option.name} must be" if flag is None else f"{flag} takes"
        raise InvalidInput(
            f"{takes} {option.takes}, not {text!r}",
            hint=f"such as {flag or f'-o {option.name}'} {option.example}",
        ) from error


def _literal(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
