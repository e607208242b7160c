"""The table of settings: each with its type, default and meaning.

The documentation, `config list` and the errors are made from it. Secrets deliberately have no key
here. Plain dataclasses and not pydantic: every command reads this, and importing pydantic alone
takes longer than the rest of a one-shot's set-up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.near_names import did_you_mean
from localai.patterns import lazy_pattern
from localai.units import parse_count

_LONGEST_S: Final = 100 * 365 * 86400.0
_LARGEST_BYTES: Final = 10**18


class Invalid(ValueError):
    """A value is invalid; the text says what it should have been."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key: how a raw value becomes a typed one, its default, and what it is for.

    `honours` is another program's environment variable, which counts if nothing else is set.
    """

    key: str
    parse: Callable[[Any], Any]
    default: Any
    kind: str
    meaning: str
    honours: str | None = None

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "LOCALAI_" + self.key.upper().replace(".", "_")


def _text(raw: Any) -> str:
    if not isinstance(raw, str) or not raw:
        raise Invalid("a text")
    return raw


def _flag(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.lower() in ("true", "yes", "on", "1"):
        return True
    if isinstance(raw, str) and raw.lower() in ("false", "no", "off", "0"):
        return False
    raise Invalid("true or false")


def _integer(low: int, high: int) -> Callable[[Any], int]:
    def parse(raw: Any) -> int:
        try:
            value = int(raw) if isinstance(raw, str) else raw
        except ValueError:
            value = None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Invalid(f"a whole number from {low} to {high}")
        return value

    return parse


def _tokens(low: int, high: int) -> Callable[[Any], int]:
    def parse(raw: Any) -> int:
        try:
            value = parse_count(str(raw))
        except ValueError as error:
            raise Invalid(str(error)) from error
        if not low <= value <= high:
            raise Invalid(f"a whole number from {low} to {high}, such as 8192 or 8k")
        return value

    return parse


def _size(raw: Any) -> int:
    """Bytes from `4000000000` or `"4GB"`: decimal units, as disks are sold."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kMGT]?)B?", str(raw).strip())
    if match is None or isinstance(raw, bool):
        raise Invalid("a size such as 500MB or 4GB")
    size = float(match[1]) * 1000 ** " kMGT".index(match[2] or " ")
    if size > _LARGEST_BYTES:
        raise Invalid("a size of at most a million TB")
    return int(size)


def _list_of_text(raw: Any) -> tuple[str, ...]:
    if isinstance(raw, str):
        raw = [part.strip() for part in raw.split(",") if part.strip()]
    if not isinstance(raw, list | tuple) or not all(isinstance(part, str) for part in raw):
        raise Invalid("a list of texts")
    return tuple(raw)


def _one_of(*choices: str) -> Callable[[Any], str]:
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


KV_TYPES: Final = ("f16", "q8_0", "q4_0", "bf16", "f32")
"""The types in which the embedded engine can keep keys and values."""

SETTINGS: tuple[Setting, ...] = (
    Setting("model", _text, None, "text", "the model that answers when none is named"),
    Setting(
        "provider", _text, None, "text", "the provider a bare model name is looked up in first"
    ),
    Setting("chat.system", _text, None, "text", "the system prompt when none is given"),
    Setting(
        "chat.max_tokens",
        _tokens(1, 1_000_000),
        None,
        "tokens",
        "the longest answer; if unset what is left of the context, and 2048 for a model without a"
        " chat template, in a batch and in a suite",
    ),
    Setting(
        "chat.stop_loops",
        _flag,
        True,
        "true|false",
        "stop an answer that repeats itself without end",
    ),
    Setting("history.record", _flag, True, "true|false", "keep conversations on this machine"),
    Setting(
        "history.pictures",
        _size,
        1_000_000_000,
        "size",
        "disk for the pictures of kept conversations; 0 keeps none",
    ),
    Setting(
        "engine.keep_alive",
        parse_duration,
        300.0,
        "duration",
        "how long an idle model stays loaded; 0 unloads at once, -1 never",
    ),
    Setting(
        "engine.context",
        _tokens(256, 16_777_216),
        4096,
        "tokens",
        "the context that the embedded engine starts with; it grows when needed",
    ),
    Setting(
        "engine.slots", _integer(1, 64), 4, "count", "requests that one worker computes at a time"
    ),
    Setting(
        "engine.binary",
        _text,
        None,
        "path",
        "a llama-server to compute with, one that uses your GPU; localai's own engine if unset",
    ),
    Setting(
        "engine.threads",
        _integer(1, 1024),
        None,
        "count",
        "CPU threads; the engine's choice if unset",
    ),
    Setting(
        "engine.prefill_threads",
        _integer(1, 1024),
        None,
        "count",
        "CPU threads for reading a prompt; as many as `engine.threads` if unset",
    ),
    Setting(
        "engine.gpu_layers",
        _integer(0, 10_000),
        None,
        "count",
        "layers on the GPU; as many as fit if unset",
    ),
    Setting(
        "engine.kv_type",
        _one_of(*KV_TYPES),
        "f16",
        "f16|q8_0|q4_0|…",
        "how keys and values are kept: q8_0 takes half of the memory, q4_0 a quarter",
    ),
    Setting(
        "engine.flash_attention",
        _one_of("auto", "on", "off"),
        "auto",
        "auto|on|off",
        "attention in one step; what is smaller than f16 as engine.kv_type needs it",
    ),
    Setting(
        "engine.batch",
        _integer(32, 65_536),
        None,
        "tokens",
        "how much of a prompt is handed to the model at a time; if unset what a CPU computes in one"
        " step, and 2048 with a GPU",
    ),
    Setting(
        "engine.micro_batch",
        _integer(32, 65_536),
        None,
        "tokens",
        "how much of that is computed in one step: more is faster on a GPU, and takes memory; if"
        " unset 256 on a CPU, and 512 with a GPU or a model that sees",
    ),
    Setting(
        "engine.warm_up",
        _flag,
        False,
        "true|false",
        "compute once before the first answer, so that starting takes longer and it does not",
    ),
    Setting(
        "engine.draft",
        _one_of("lookup", "off"),
        "lookup",
        "lookup|off",
        "draft tokens from the prompt itself: faster edits, same answers",
    ),
    Setting(
        "engine.kv_limit",
        _size,
        4_000_000_000,
        "size",
        "disk for the KV states with which conversations go on at once; 0 keeps none",
    ),
    Setting(
        "cloud.allow",
        _list_of_text,
        (),
        "list",
        "clouds that may receive prompts; the only lasting way to one",
    ),
    Setting(
        "cloud.fallback",
        _text,
        None,
        "provider/model",
        "the cloud model that answers when the local provider cannot be reached",
    ),
    Setting("network.proxy", _text, None, "URL", "the proxy for what goes to the internet"),
    Setting(
        "network.lan", _list_of_text, (), "list", "hosts of the local network that may be used"
    ),
    Setting(
        "network.users",
        _list_of_text,
        (),
        "list",
        "other users of this machine whose servers are trusted; `unknown` where it shows none",
    ),
    Setting(
        "ollama.host", _text, None, "address", "where Ollama listens; OLLAMA_HOST is honoured too"
    ),
    Setting("lmstudio.host", _text, "127.0.0.1:1234", "address", "where LM Studio listens"),
    Setting(
        "registry.ollama", _text, "https://registry.ollama.ai", "URL", "where `pull name:tag` asks"
    ),
    Setting(
        "registry.hub",
        _text,
        "https://huggingface.co",
        "URL",
        "where `pull hf.co/…` and `recommend --online` ask; HF_ENDPOINT is honoured too",
        honours="HF_ENDPOINT",
    ),
)

BY_KEY = {setting.key: setting for setting in SETTINGS}

ENDPOINT_FIELDS: dict[str, Callable[[Any], Any]] = {
    "url": _text,
    "key_env": _text,
    "api": _one_of("chat", "responses"),
    "context": _tokens(256, 16_777_216),
    "concurrency": _integer(1, 4096),
}


_ENDPOINT: Final = lazy_pattern(r"endpoint\.(?P<name>[^.]+)(\.(?P<field>.+))?")


def endpoint_key(key: str) -> tuple[str, str | None] | None:
    """The name and the field that `endpoint.NAME.FIELD` means; the field is None for the whole
    table. None if it is no key of an endpoint. Raises InvalidInput for an unknown field."""
    found = _ENDPOINT.fullmatch(key)
    if found is None:
        return None
    name, field = found["name"], found["field"]
    if field is not None and field not in ENDPOINT_FIELDS and not field.startswith("headers."):
        raise InvalidInput(
            f"an endpoint has no {field!r}",
            hint=f"it has {', '.join(ENDPOINT_FIELDS)} and headers.NAME",
        )
    return name, field


def setting(key: str) -> Setting:
    """The setting called `key`. Raises InvalidInput with the nearest names."""
    found = BY_KEY.get(key)
    if found is None:
        raise InvalidInput(
            f"there is no setting called {key!r}",
            hint=did_you_mean(key, BY_KEY, likeness=0.75),
            command="localai config list",
        )
    return found


def parse_value(key: str, raw: Any, where: str | None) -> Any:
    """The typed value of the setting `key` from the text or TOML value `raw`.

    Raises InvalidInput that names the place, `where`: a file or a variable; None if it was typed.
    """
    place = "" if where is None else f"{where}: "
    if (endpoint := endpoint_key(key)) is not None:
        return _parse_field(key, endpoint[1], raw, place)
    found = BY_KEY.get(key)
    if found is None:
        raise InvalidInput(
            f"{place}there is no setting called {key!r}",
            hint=did_you_mean(key, BY_KEY, likeness=0.75),
            command="localai config list",
        )
    try:
        return found.parse(raw)
    except Invalid as error:
        raise InvalidInput(f"{place}{key} must be {error}, not {raw!r}") from error


def _parse_field(key: str, field: str | None, raw: Any, place: str) -> Any:
    if field is None:
        raise InvalidInput(
            f"{place}{key} is a table", hint=f"name one of its fields, such as {key}.url"
        )
    try:
        parse: Callable[[Any], Any] = ENDPOINT_FIELDS.get(field, _text)
        return parse(raw)
    except Invalid as error:
        raise InvalidInput(f"{place}{key} must be {error}, not {raw!r}") from error
