"""Flags that several commands take as text, and what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args

from localai.config import parse_duration
from localai.errors import InvalidInput
from localai.types import Think

if TYPE_CHECKING:
    from localai.chat.schema import Schema
    from localai.chat.templates import Template
    from localai.paths import Paths


def parse_think(text: str | None) -> Think | None:
    """The level of reasoning that `--think` asks for. Raises InvalidInput."""
    if text is None:
        return None
    if text not in get_args(Think):
        raise InvalidInput(
            f"--think takes {', '.join(get_args(Think))}, not {text!r}", hint="--think high"
        )
    return cast("Think", text)


def parse_keep_alive(text: str | None) -> float | None:
    """How long `--keep-alive` lets the model stay, in seconds. Raises InvalidInput."""
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidInput(f"--keep-alive must be {error}, not {text!r}") from error


def named_template(name: str | None, paths: Paths) -> Template | None:
    """The template that `-t` names. Raises NotFound, InvalidInput."""
    if name is None:
        return None
    from localai.chat.templates import find_template

    return find_template(name, paths)


def wanted_schema(given: str | None, template: Template | None) -> Schema | None:
    """What `--schema` says, else what the template does. Raises InvalidInput, NotFound."""
    if given is None and (template is None or template.schema is None):
        return None
    from localai.chat.schema import from_document, read_schema

    if given is not None:
        return read_schema(given)
    assert template is not None
    wanted = template.schema
    if isinstance(wanted, str):
        return read_schema(wanted)
    return from_document(wanted, f"the schema of the template {template.name}")
