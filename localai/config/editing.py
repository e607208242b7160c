"""Changing the configuration file; its comments and its order stay."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localai.config.models import FILE_FIELDS, TABLE, model_key, parse_field
from localai.config.reading import Endpoint, load, parse_toml, read_file
from localai.config.settings import endpoint_key, parse_value, setting
from localai.errors import InvalidInput
from localai.files import user_path, write_atomically
from localai.locks import lock_descriptor
from localai.paths import Paths, private_dir


def set_value(paths: Paths, key: str, raw: str) -> None:
    """Write `key` into the file, keeping its comments and order. Raises InvalidInput, also for a
    field of an endpoint without a url, which would make the file invalid."""
    if (model := model_key(key)) is not None:
        _edit(paths, key, _value_of_model(model, raw))
        return
    endpoint = endpoint_key(key)
    if endpoint is not None and endpoint[1] != "url" and endpoint[0] not in load(paths).endpoints:
        raise InvalidInput(
            f"there is no endpoint {endpoint[0]} yet: its url comes first",
            hint=f"set its address: localai config set endpoint.{endpoint[0]}.url URL",
        )
    parsed = parse_value(key, raw, None)
    _edit(paths, key, list(parsed) if isinstance(parsed, tuple) else _as_written(raw, parsed))


def unset_value(paths: Paths, key: str) -> None:
    """Remove `key` from the file, and with a table's last key the table; `endpoint.NAME` removes a
    whole table. A missing key is no error. Raises InvalidInput."""
    endpoint = endpoint_key(key)
    if model_key(key) is not None:
        pass
    elif endpoint is None:
        setting(key)
    elif endpoint[1] == "url":
        known = load(paths).endpoints.get(endpoint[0])
        if known is not None and known != Endpoint(endpoint[0], known.url):
            raise InvalidInput(
                f"the endpoint {endpoint[0]} needs its url",
                hint="to remove all of it",
                command=("localai", "config", "unset", f"endpoint.{endpoint[0]}"),
            )
    _edit(paths, key, None)


def edited_text(paths: Paths, key: str, raw: str | None) -> tuple[str, str]:
    """The file's present text, and its text after setting `key` to `raw`, or unsetting it if `raw`
    is None. Nothing is written. Raises InvalidInput."""
    text = read_file(paths.config_file)
    parse_toml(text, paths.config_file)
    value: Any = None
    if raw is not None:
        parsed = parse_value(key, raw, None)
        value = list(parsed) if isinstance(parsed, tuple) else _as_written(raw, parsed)
    return text, _edited(text, key, value)


def _as_written(raw: str, parsed: Any) -> Any:
    # A duration stays "5m" in the file, a size "4GB", which is how a person reads it.
    is_count = isinstance(parsed, int) and not isinstance(parsed, bool)
    has_unit = isinstance(parsed, float) or (is_count and raw.strip()[-1:].isalpha())
    return raw if has_unit else parsed


def _edit(paths: Paths, key: str, value: Any) -> None:
    if value is None and not paths.config_file.exists():
        return
    with _alone(private_dir(paths.config_file.parent)):
        text = read_file(paths.config_file)
        parse_toml(text, paths.config_file)
        try:
            changed = _edited(text, key, value)
        except (TypeError, AttributeError) as error:
            raise InvalidInput(
                f"{paths.config_file} has a value where {key} needs a table",
                command=("${EDITOR:-vi}", paths.config_file),
            ) from error
        if changed == text:
            return
        try:
            write_atomically(paths.config_file, changed.encode())
        except OSError as error:
            raise InvalidInput(
                f"cannot write {paths.config_file}: {error.strerror}",
                hint="check the folder's permissions and free space",
            ) from error


def _edited(text: str, key: str, value: Any) -> str:
    """The file's `text` with `key` set to `value`, or without the key if `value` is None."""
    import tomlkit

    document = tomlkit.parse(text)
    *tables, last = _names(key)
    table: Any = document
    above: list[tuple[Any, str]] = []
    for name in tables:
        if name not in table:
            if value is None:
                return text
            # Above `[endpoint.work]` no line says `[endpoint]`.
            table[name] = tomlkit.table(is_super_table=name != tables[-1])
        above.append((table, name))
        table = table[name]
    if value is None:
        table.pop(last, None)
        for outer, name in reversed(above):
            if not outer[name]:
                outer.pop(name)
    else:
        table[last] = value
    return tomlkit.dumps(document)


def _names(key: str) -> list[str]:
    """The tables of `key` and its own name."""
    if (model := model_key(key)) is None:
        return key.split(".")
    return [TABLE, model[0], *([] if model[1] is None else [model[1]])]


def _value_of_model(model: tuple[str, str | None], raw: str) -> Any:
    """What stands in the file for a setting of a model's; a file has its whole path there. Raises
    InvalidInput."""
    name, field = model
    if field in FILE_FIELDS:
        raw = str(user_path(raw).absolute())
    parsed = parse_field(name, field, raw, None)
    if isinstance(parsed, tuple):
        return list(parsed)
    return str(parsed) if isinstance(parsed, Path) else parsed


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from editing the file in `folder`, from reading it to replacing it.

    The folder is locked and not the file, because every edit puts another file in its place.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock_descriptor(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)
