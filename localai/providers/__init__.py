"""The providers: a table of lazy import strings, and entry points for those of third parties.

A provider is a module with `create(config, paths) -> Provider`, imported when it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from localai.errors import InvalidInput
from localai.types import Provider

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths

PROVIDERS: dict[str, str] = {
    "llamacpp": "localai.providers.llamacpp",
    "ollama": "localai.providers.ollama",
    "lmstudio": "localai.providers.lmstudio",
    "mlx": "localai.providers.mlx",
    "openai": "localai.providers.openai",
    "anthropic": "localai.providers.anthropic",
}


def open_provider(name: str, config: Config, paths: Paths) -> Provider:
    """The provider called `name`: one of the table, an endpoint of the config, or an entry point
    in the group `localai.providers`. Raises InvalidInput if there is none."""
    create: Callable[[Config, Paths], Provider]
    if name in PROVIDERS:
        create = import_module(PROVIDERS[name]).create
        return create(config, paths)
    if name in config.endpoints:
        from localai.providers.endpoint import open_endpoint

        return open_endpoint(config.endpoints[name], config)
    from importlib.metadata import entry_points

    for point in entry_points(group="localai.providers", name=name):
        create = point.load()
        return create(config, paths)
    raise InvalidInput(
        f"there is no provider called {name!r}",
        hint="known are " + ", ".join((*PROVIDERS, *config.endpoints)),
    )


def is_provider(name: str, config: Config) -> bool:
    """Whether `name/model` names a provider here, without importing it."""
    if name in PROVIDERS or name in config.endpoints:
        return True
    from importlib.metadata import entry_points

    return bool(entry_points(group="localai.providers", name=name))
