"""Settings: every one with its type, default, meaning, and where its value came from.

Values come, in rising order, from the defaults here, `config.toml`, the environment
(`LOCALAI_` and the key in capitals: `engine.keep_alive` is `LOCALAI_ENGINE_KEEP_ALIVE`) and the
flags of a command. The table below is the whole truth: the documentation, `config list`
and the errors are made from it. Secrets have no key here on purpose.

Plain dataclasses and a table, not pydantic: this is read on the hot path of every command, and
importing pydantic alone costs more than the rest of a one-shot's set-up.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from localai.errors import InvalidInput
from localai.paths import Paths, private_dir, write_atomically

Origin = Literal["default", "file", "environment", "flag"]

CLOUD_PROVIDERS = ("openai", "anthropic", "ollama")


class _Invalid(ValueError):
    """Says what a value should have been."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key: how a raw value becomes a typed one, its default, and what it is for."""

    key: str
    parse: Callable[[Any], Any]
    default: Any
    kind: str
    meaning: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "LOCALAI_" + self.key.upper().replace(".", "_")


def _text(raw: Any) -> str:
    if not isinstance(raw, str) or not raw:
        raise _Invalid("a text")
    return raw


def _flag(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.lower() in ("true", "yes", "on", "1"):
        return True
    if isinstance(raw, str) and raw.lower() in ("false", "no", "off", "0"):
        return False
    raise _Invalid("true or false")


def _integer(low: int, high: int) -> Callable[[Any], int]:
    def parse(raw: Any) -> int:
        try:
            value = int(raw) if isinstance(raw, str) else raw
        except ValueError:
            value = None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _Invalid(f"a whole number from {low} to {high}")
        return value

    return parse


def _size(raw: Any) -> int:
    """Bytes from `4000000000` or `"4GB"`: decimal units, as disks are sold."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kMGT]?)B?", str(raw).strip())
    if match is None or isinstance(raw, bool):
        raise _Invalid("a size such as 500MB or 4GB")
    return int(float(match[1]) * 1000 ** " kMGT".index(match[2] or " "))


def _list_of_text(raw: Any) -> tuple[str, ...]:
    if isinstance(raw, str):
        raw = [part.strip() for part in raw.split(",") if part.strip()]
    if not isinstance(raw, list | tuple) or not all(isinstance(part, str) for part in raw):
        raise _Invalid("a list of texts")
    return tuple(raw)


def _clouds(raw: Any) -> tuple[str, ...]:
    names = _list_of_text(raw)
    for name in names:
        if name not in CLOUD_PROVIDERS and not name.startswith("endpoint:"):
            known = ", ".join(CLOUD_PROVIDERS)
            raise _Invalid(f"a list of {known} or endpoint:NAME (not {name!r})")
    return names


def _one_of(*choices: str) -> Callable[[Any], str]:
    def parse(raw: Any) -> str:
        if raw not in choices:
            raise _Invalid("one of " + ", ".join(choices))
        return str(raw)

    return parse


def parse_duration(raw: Any) -> float:
    """Seconds from `90`, `"90s"`, `"5m"`, `"1h"`, `"2d"`; -1 means for ever. Raises ValueError."""
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        seconds = float(raw)
    else:
        match = re.fullmatch(r"(-?\d+(?:\.\d+)?)(ms|s|m|h|d|)", str(raw).strip())
        if match is None:
            raise _Invalid("a duration such as 90s, 5m or 1h")
        unit = {"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
        seconds = float(match[1]) * unit
    return float("inf") if seconds < 0 else seconds


SETTINGS: tuple[Setting, ...] = (
    Setting("model", _text, None, "text", "the model that answers when none is named"),
    Setting(
        "provider", _text, None, "text", "the provider a bare model name is looked up in first"
    ),
    Setting("chat.system", _text, None, "text", "the system prompt when none is given"),
    Setting(
        "chat.max_tokens",
        _integer(1, 1_000_000),
        2048,
        "tokens",
        "the longest answer; some models never stop by themselves",
    ),
    Setting("history.record", _flag, True, "true|false", "keep conversations on this machine"),
    Setting(
        "engine.keep_alive",
        parse_duration,
        300.0,
        "duration",
        "how long an idle model stays loaded; 0 unloads at once, -1 never",
    ),
    Setting(
        "engine.context",
        _integer(256, 16_777_216),
        4096,
        "tokens",
        "the context that the embedded engine starts with; it grows when needed",
    ),
    Setting(
        "engine.slots", _integer(1, 64), 4, "count", "requests that one worker computes at a time"
    ),
    Setting(
        "engine.threads",
        _integer(1, 1024),
        None,
        "count",
        "CPU threads; the engine's choice if unset",
    ),
    Setting(
        "engine.gpu_layers",
        _integer(0, 10_000),
        None,
        "count",
        "layers on the GPU; as many as fit if unset",
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
        _clouds,
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
        "ollama.host", _text, None, "address", "where Ollama listens; OLLAMA_HOST is honoured too"
    ),
    Setting("lmstudio.host", _text, "127.0.0.1:1234", "address", "where LM Studio listens"),
    Setting(
        "registry.ollama", _text, "https://registry.ollama.ai", "URL", "where `pull name:tag` asks"
    ),
    Setting("registry.hub", _text, "https://huggingface.co", "URL", "where `pull hf.co/…` asks"),
)

_BY_KEY = {setting.key: setting for setting in SETTINGS}

_ENDPOINT_FIELDS: dict[str, Callable[[Any], Any]] = {
    "url": _text,
    "key_env": _text,
    "api": _one_of("chat", "responses"),
    "context": _integer(256, 16_777_216),
    "concurrency": _integer(1, 4096),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server of the user's own, `[endpoint.NAME]` in the file, used as `NAME/model`.

    `key_env` is the *name* of an environment variable that holds the key, never the key.
    """

    name: str
    url: str
    key_env: str | None = None
    api: Literal["chat", "responses"] = "chat"
    context: int | None = None
    concurrency: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Value:
    """A setting's value and where it came from (`where`: the file and line, or the variable)."""

    value: Any
    origin: Origin
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """All settings in force. `config["engine.keep_alive"]` is the typed value."""

    values: Mapping[str, Value]
    endpoints: Mapping[str, Endpoint]
    file: Path

    def __getitem__(self, key: str) -> Any:
        return self.values[key].value

    def with_flags(self, **flags: Any) -> Config:
        """A copy in which the given keys (dots as `__`) have the flag's value; None is no flag."""
        changed = {
            key.replace("__", "."): Value(value, "flag")
            for key, value in flags.items()
            if value is not None
        }
        return Config({**self.values, **changed}, self.endpoints, self.file)


def load(paths: Paths, environ: Mapping[str, str] | None = None) -> Config:
    """Read the settings in force.

    Raises InvalidInput that names the file, line and key, or the environment variable.
    """
    environ = os.environ if environ is None else environ
    values = {setting.key: Value(setting.default, "default") for setting in SETTINGS}
    text = _read(paths.config_file)
    endpoints: dict[str, Endpoint] = {}
    if text:
        document = _parse_toml(text, paths.config_file)
        endpoints = _endpoints(document.pop("endpoint", {}), text, paths.config_file)
        for key, raw in _flatten(document):
            where = f"{paths.config_file}:{_line_of(text, key)}"
            values[key] = Value(_parse(key, raw, where), "file", where)
    for setting in SETTINGS:
        raw = environ.get(setting.variable)
        if raw:
            values[setting.key] = Value(
                _parse(setting.key, raw, setting.variable), "environment", setting.variable
            )
    return Config(values, endpoints, paths.config_file)


def setting(key: str) -> Setting:
    """The setting called `key`. Raises InvalidInput with the nearest names."""
    found = _BY_KEY.get(key)
    if found is None:
        raise InvalidInput(f"there is no setting called {key!r}", hint=_nearest(key))
    return found


def set_value(paths: Paths, key: str, raw: str) -> None:
    """Write `key` into the file, keeping its comments and order. Raises InvalidInput."""
    parsed = _parse(key, raw, "the command line")
    _edit(paths, key, list(parsed) if isinstance(parsed, tuple) else _as_written(raw, parsed))


def unset_value(paths: Paths, key: str) -> None:
    """Remove `key` from the file; nothing happens if it is not there. Raises InvalidInput."""
    if not key.startswith("endpoint."):
        setting(key)
    _edit(paths, key, None)


def _as_written(raw: str, parsed: Any) -> Any:
    # A duration stays "5m" in the file: that is what a person wants to read there.
    return raw if isinstance(parsed, float) else parsed


def _edit(paths: Paths, key: str, value: Any) -> None:
    import tomlkit

    text = _read(paths.config_file)
    _parse_toml(text, paths.config_file)
    document = tomlkit.parse(text)
    *tables, last = key.split(".")
    table: Any = document
    for name in tables:
        if name not in table:
            if value is None:
                return
            table[name] = tomlkit.table()
        table = table[name]
    if value is None:
        table.pop(last, None)
    else:
        table[last] = value
    private_dir(paths.config_file.parent)
    try:
        write_atomically(paths.config_file, tomlkit.dumps(document).encode())
    except OSError as error:
        raise InvalidInput(
            f"cannot write {paths.config_file}: {error.strerror}",
            hint="check the folder's permissions and free space",
        ) from error


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{file} is not UTF-8 (byte {error.start})", hint=f"$EDITOR {file}"
        ) from error
    except OSError as error:
        raise InvalidInput(
            f"cannot read {file}: {error.strerror}", hint=f"chmod u+r {file}"
        ) from error


def _parse_toml(text: str, file: Path) -> dict[str, Any]:
    if not text:
        return {}
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{file} is not valid TOML: {error}", hint=f"$EDITOR {file}") from error


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        key = prefix + name
        if isinstance(value, dict) and key not in _BY_KEY:
            yield from _flatten(value, key + ".")
        else:
            yield key, value


def _parse(key: str, raw: Any, where: str) -> Any:
    found = _BY_KEY.get(key)
    if found is None:
        raise InvalidInput(f"{where}: there is no setting called {key!r}", hint=_nearest(key))
    try:
        return found.parse(raw)
    except _Invalid as error:
        raise InvalidInput(
            f"{where}: {key} must be {error}, not {raw!r}",
            hint=f"localai config unset {key}" if where != found.variable else None,
        ) from error


def _endpoints(tables: Any, text: str, file: Path) -> dict[str, Endpoint]:
    endpoints = {}
    for name, table in tables.items() if isinstance(tables, dict) else ():
        fields: dict[str, Any] = {}
        for key, raw in table.items() if isinstance(table, dict) else ():
            where = f"{file}:{_line_of(text, f'endpoint.{name}.{key}')}"
            if key == "headers" and isinstance(raw, dict):
                fields[key] = {str(header): str(value) for header, value in raw.items()}
                continue
            parse = _ENDPOINT_FIELDS.get(key)
            if parse is None:
                known = ", ".join((*_ENDPOINT_FIELDS, "headers"))
                raise InvalidInput(f"{where}: an endpoint has no {key!r}", hint=f"it has: {known}")
            try:
                fields[key] = parse(raw)
            except _Invalid as error:
                raise InvalidInput(f"{where}: {key} must be {error}, not {raw!r}") from error
        if "url" not in fields:
            raise InvalidInput(
                f"{file}:{_line_of(text, f'endpoint.{name}')}: [endpoint.{name}] needs a url",
                hint='url = "http://127.0.0.1:8080/v1"',
            )
        endpoints[name] = Endpoint(name=name, **fields)
    return endpoints


def _line_of(text: str, key: str) -> int:
    """The line that sets `key` (1-based); the table's own line if the key is inline."""
    *tables, last = key.split(".")
    current: list[str] = []
    fallback = 1
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line)
        if header:
            current = [part.strip().strip("\"'") for part in header[1].split(".")]
            if current == [*tables, last]:
                return number
            if tables and current[:1] == tables[:1]:
                fallback = number
            continue
        name = line.split("=", 1)[0].strip().strip("\"'") if "=" in line else ""
        if [*current, *name.split(".")] == [*tables, last]:
            return number
    return fallback


def _nearest(key: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, _BY_KEY, n=2, cutoff=0.75)
    return f"did you mean {' or '.join(near)}?" if near else "localai config list"
