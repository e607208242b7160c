"""What is set for one model: `[models."NAME"]` in the file, `models.NAME.FIELD` for `config set`.

NAME is one that `-m` takes, with or without its provider, or a path. It may have dots, so a key is
read from both of its ends. The fields are those of a preset and the sampling options.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from localai.config.settings import KV_TYPES
from localai.config.values import Invalid, integer, one_of, tokens
from localai.errors import InvalidInput
from localai.near_names import did_you_mean

if TYPE_CHECKING:
    from localai.sampling_options import SamplingOption

ModelSettings = Mapping[str, Any]
"""What is set for one model, by the names of the fields; what is not set is its maker's."""

TABLE: Final = "models"
FILE_FIELDS: Final = ("adapter", "chat_template")
"""The fields that are files."""


def model_key(key: str) -> tuple[str, str | None] | None:
    """The name and the field that `models.NAME.FIELD` means; the field is None for the whole table.
    None if it is no key of a model."""
    table, _, rest = key.partition(".")
    if table != TABLE or not rest:
        return None
    name, _, field = rest.rpartition(".")
    return (name, field) if name and field in model_fields() else (rest, None)


def model_fields() -> dict[str, Callable[[Any], Any]]:
    """The fields that may be set for a model, each with the function that reads its value and
    raises Invalid."""
    from localai.sampling_options import SAMPLING_OPTIONS
    from localai.types import Think

    own: dict[str, Callable[[Any], Any]] = {
        "system": _system,
        "context": tokens(64, 16_777_216),
        "kv": one_of(*KV_TYPES),
        "gpu_layers": integer(0, 10_000),
        "think": one_of(*get_args(Think)),
        **dict.fromkeys(FILE_FIELDS, parse_file),
    }
    return own | {option.name: _sampling(option) for option in SAMPLING_OPTIONS}


def parse_file(raw: Any) -> Path:
    """A file, from the root or from the home `~`. Raises Invalid."""
    if not isinstance(raw, str) or not raw or "\0" in raw:
        raise Invalid("a file")
    path = Path(os.path.expanduser(raw))  # noqa: PTH111 (it does not raise for ~nobody)
    if not path.is_absolute():
        raise Invalid("a file with its whole path, from / or ~")
    return path


def parse_field(name: str, field: str | None, raw: Any, where: str | None) -> Any:
    """The value of a model's field, from what was typed or stands in the file `where`. Raises
    InvalidInput."""
    place = "" if where is None else f"{where}: "
    parse = model_fields().get(field or "")
    if parse is None:
        if name.startswith("."):
            raise InvalidInput(f"{place}{TABLE}.{name} names no model", hint="models.NAME.FIELD")
        last = (field or name).rpartition(".")[2]
        raise InvalidInput(
            f"{place}a model has no setting {last!r}",
            hint=did_you_mean(last, model_fields())
            or f"it has: {', '.join(model_fields())}; a name with dots stands in quotes",
        )
    try:
        return parse(raw)
    except Invalid as error:
        raise InvalidInput(f"{place}{TABLE}.{name}.{field} must be {error}, not {raw!r}") from error


def read_models(tables: Any, where: str) -> dict[str, ModelSettings]:
    """The settings in the `tables` of the file. Raises InvalidInput that begins with `where`, the
    file."""
    if not isinstance(tables, dict):
        raise InvalidInput(f'{where}: {TABLE} is a table of tables: [{TABLE}."NAME"]')
    found: dict[str, ModelSettings] = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise InvalidInput(f'{where}: {TABLE}.{name} is a table: [{TABLE}."{name}"]')
        found[name] = {
            field: parse_field(name, field, value, where) for field, value in table.items()
        }
    return found


def model_values(models: Mapping[str, ModelSettings]) -> Iterator[tuple[str, Any]]:
    """Each field of each model in the file, under its name for `config get`, and its value."""
    for name, settings in models.items():
        for field, value in settings.items():
            yield f"{TABLE}.{name}.{field}", str(value) if isinstance(value, Path) else value


def _system(raw: Any) -> str:
    if not isinstance(raw, str):
        raise Invalid("a text; an empty one is no system prompt")
    return raw


def _sampling(option: SamplingOption) -> Callable[[Any], Any]:
    def parse(raw: Any) -> Any:
        given = raw if option.repeatable and isinstance(raw, list | tuple) else [raw]
        is_text = option.kind is str
        if any(isinstance(each, bool) or (is_text and not isinstance(each, str)) for each in given):
            raise Invalid(option.takes)
        try:
            found = [option.parse(str(each)) for each in given]
        except ValueError as error:
            raise Invalid(option.takes) from error
        return tuple(found) if option.repeatable else found[0]

    return parse
