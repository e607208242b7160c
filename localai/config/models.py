"""What is set for one model: `[models."NAME"]` in the file, `models.NAME.FIELD` for `config set`.

NAME is one that `-m` takes, with or without its provider, or a path. It may have dots, so a key is
read from both of its ends.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from localai.config.settings import Invalid
from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.patterns import lazy_pattern

TABLE: Final = "models"
_KEY: Final = lazy_pattern(r"models\.(?P<name>.+?)(\.(?P<field>chat_template))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What is set for one model; None leaves it as it is. `chat_template` is the file of one."""

    chat_template: Path | None = None


def model_key(key: str) -> tuple[str, str | None] | None:
    """The name and the field that `models.NAME.FIELD` means; the field is None for the whole table.
    None if it is no key of a model."""
    found = _KEY.fullmatch(key)
    return None if found is None else (found["name"], found["field"])


def parse_file(raw: Any) -> Path:
    """A file, from the root or from the home `~`. Raises Invalid."""
    if not isinstance(raw, str) or not raw or "\0" in raw:
        raise Invalid("a file")
    path = Path(os.path.expanduser(raw))  # noqa: PTH111 (it does not raise for ~nobody)
    if not path.is_absolute():
        raise Invalid("a file with its whole path, from / or ~")
    return path


def read_models(tables: Any, where: str) -> dict[str, ModelSettings]:
    """The settings in the `tables` of the file. Raises InvalidInput that begins with `where`, the
    file."""
    if not isinstance(tables, dict):
        raise InvalidInput(f'{where}: {TABLE} is a table of tables: [{TABLE}."NAME"]')
    found = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise InvalidInput(f'{where}: {TABLE}.{name} is a table: [{TABLE}."{name}"]')
        known = {each.name for each in fields(ModelSettings)}
        if unknown := sorted(table.keys() - known):
            raise InvalidInput(
                f"{where}: a model has no setting {unknown[0]!r}",
                hint=f"it has: {', '.join(sorted(known))}; a name with dots stands in quotes",
            )
        try:
            found[name] = ModelSettings(
                **{field: parse_file(value) for field, value in table.items()}
            )
        except Invalid as error:
            raise InvalidInput(f"{where}: {TABLE}.{name}.chat_template must be {error}") from error
    return found


def model_values(models: Mapping[str, ModelSettings]) -> Iterator[tuple[str, str]]:
    """Each field of each model in the file, under its name for `config get`, and its value."""
    for name, settings in models.items():
        if settings.chat_template is not None:
            yield f"{TABLE}.{name}.chat_template", str(settings.chat_template)
