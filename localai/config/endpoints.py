"""The servers of the user's own as settings: `endpoint.NAME.FIELD` and its value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from localai.config.reading import Config


def endpoint_values(config: Config) -> Iterator[tuple[str, Any]]:
    """Each field of each endpoint in the file, under its name for `config get`, and its value."""
    for name, endpoint in config.endpoints.items():
        for field in fields(endpoint):
            value = getattr(endpoint, field.name)
            if field.name == "headers":
                yield from ((f"endpoint.{name}.headers.{key}", each) for key, each in value.items())
            elif field.name != "name" and value is not None:
                yield f"endpoint.{name}.{field.name}", value
