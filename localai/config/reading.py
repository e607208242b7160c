"""Reading the settings in force, each with the place that its value came from.

Values come, in rising order, from the defaults of the table, `config.toml`, the environment
(`LOCALAI_` and the key in capitals: `engine.keep_alive` is `LOCALAI_ENGINE_KEEP_ALIVE`) and the
flags of a command; another program's variable that a setting honours comes after the file. The
registry of providers checks the names in `cloud.allow`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from localai.config.models import TABLE, ModelSettings, read_models
from localai.config.settings import BY_KEY, ENDPOINT_FIELDS, SETTINGS, parse_value
from localai.config.values import Invalid
from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.paths import Paths, require_owned_by_user

Origin = Literal["default", "file", "environment", "flag"]


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
    """A setting's value, and where it came from (`where`: the file and line, or the variable)."""

    value: Any
    origin: Origin
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """All settings in force. `config["engine.keep_alive"]` is the typed value."""

    values: Mapping[str, Value]
    endpoints: Mapping[str, Endpoint]
    models: Mapping[str, ModelSettings]
    file: Path

    def __getitem__(self, key: str) -> Any:
        return self.values[key].value

    def with_flags(self, **flags: Any) -> Config:
        """A copy in which the given keys (dots as `__`) have the flag's value; None means that the
        flag was not given."""
        changed = {
            key.replace("__", "."): Value(value, "flag")
            for key, value in flags.items()
            if value is not None
        }
        return Config({**self.values, **changed}, self.endpoints, self.models, self.file)

    def of_model(self, provider: str, model: str, path: Path | None) -> dict[str, ModelSettings]:
        """What is set for a model, by the name that it is set under: its full name, its name, which
        may lack `:latest`, or its path. The first has the last word."""
        if not self.models:
            return {}
        known = (f"{provider}/{model}", model, None if path is None else str(path))
        names = [each for name in known if name for each in (name, name.removesuffix(":latest"))]
        return {name: self.models[name] for name in names if name in self.models}


def load(paths: Paths, environ: Mapping[str, str] | None = None) -> Config:
    """Read the settings in force.

    Raises InvalidInput that names the file, line and key, or the environment variable.
    """
    environ = os.environ if environ is None else environ
    values = {setting.key: Value(setting.default, "default") for setting in SETTINGS}
    text = read_file(paths.config_file)
    endpoints: dict[str, Endpoint] = {}
    models: dict[str, ModelSettings] = {}
    if text:
        document = parse_toml(text, paths.config_file)
        endpoints = _endpoints(document.pop("endpoint", {}), text, paths.config_file)
        models = read_models(document.pop(TABLE, {}), str(paths.config_file))
        for key, raw in _flatten(document):
            where = f"{paths.config_file}:{_line_of(text, key)}"
            values[key] = Value(_value_of_file(key, raw, where), "file", where)
    for setting in SETTINGS:
        unset = values[setting.key].origin == "default"
        for variable in (setting.variable, setting.honours if unset else None):
            if variable and (raw := environ.get(variable)):
                value = parse_value(setting.key, raw, variable)
                values[setting.key] = Value(value, "environment", variable)
                break
    return Config(values, endpoints, models, paths.config_file)


def _value_of_file(key: str, raw: Any, where: str) -> Any:
    try:
        return parse_value(key, raw, where)
    except InvalidInput as error:
        line = error.command or f"localai config unset {key}"
        raise InvalidInput(error.message, hint=error.hint, command=line) from error


def read_file(file: Path) -> str:
    """The text of the configuration file; empty if there is none. Raises InvalidInput, also if the
    file is another user's: it decides where prompts go."""
    require_owned_by_user(file, "the configuration file")
    try:
        # Editors on Windows begin a file with a byte-order mark.
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{file} is not UTF-8 (byte {error.start})", command=("${EDITOR:-vi}", file)
        ) from error
    except OSError as error:
        raise InvalidInput(
            f"cannot read {file}: {error.strerror}", command=("chmod", "u+r", file)
        ) from error


def parse_toml(text: str, file: Path) -> dict[str, Any]:
    """The document in `text`. Raises InvalidInput that names `file`."""
    if not text:
        return {}
    import tomllib

    try:
        return tomllib.loads(text)
    # tomllib's error is a ValueError, and so is Python's for a number of 5,000 digits.
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"{file} is not valid TOML: {error}", command=("${EDITOR:-vi}", file)
        ) from error


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        key = prefix + name
        if isinstance(value, dict) and key not in BY_KEY:
            yield from _flatten(value, key + ".")
        else:
            yield key, value


def _endpoints(tables: Any, text: str, file: Path) -> dict[str, Endpoint]:
    endpoints = {}
    for name, table in tables.items() if isinstance(tables, dict) else ():
        fields: dict[str, Any] = {}
        for key, raw in table.items() if isinstance(table, dict) else ():
            where = f"{file}:{_line_of(text, f'endpoint.{name}.{key}')}"
            if key == "headers" and isinstance(raw, dict):
                fields[key] = {str(header): str(value) for header, value in raw.items()}
                continue
            parse = ENDPOINT_FIELDS.get(key)
            if parse is None:
                known = ", ".join((*ENDPOINT_FIELDS, "headers"))
                raise InvalidInput(f"{where}: an endpoint has no {key!r}", hint=f"it has: {known}")
            try:
                fields[key] = parse(raw)
            except Invalid as error:
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
