"""Changing the configuration file; its comments and its order stay."""

from __future__ import annotations

from typing import Any

from localai.config.reading import parse_toml, read_file
from localai.config.settings import parse_value, setting
from localai.errors import InvalidInput
from localai.files import write_atomically
from localai.paths import Paths, private_dir


def set_value(paths: Paths, key: str, raw: str) -> None:
    """Write `key` into the file, keeping its comments and order. Raises InvalidInput."""
    parsed = parse_value(key, raw, "the command line")
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

    text = read_file(paths.config_file)
    parse_toml(text, paths.config_file)
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
