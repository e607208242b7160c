"""The first steps of most commands: find the folders, read the settings, and tell the guard."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from localai.config import Config, load
from localai.paths import Paths, locate
from localai.privacy import guard
from localai.providers.registry import check_provider_names
from localai.types import EgressRecord

if TYPE_CHECKING:
    import typer

    from localai.providers.pool import ProviderPool


def load_settings(command: str) -> tuple[Paths, Config]:
    """The paths and settings in force. The guard is told what they permit.

    Connections that leave the machine are entered in the ledger under `command`. Raises
    InvalidInput if the configuration has an error.
    """
    paths = locate()
    config = load(paths)
    check_provider_names(config)
    guard.allow_lan(config["network.lan"])
    guard.record_egress(command, lambda record: _enter(paths, record))
    return paths, config


def open_pool(context: typer.Context, paths: Paths) -> ProviderPool:
    """The pool of providers for the command that runs in `context`. The providers are closed when
    the command ends, however it ends."""
    from localai.providers.pool import ProviderPool

    return context.with_resource(ProviderPool(paths))


def _enter(paths: Paths, record: EgressRecord) -> None:
    from localai.database import Database

    with closing(Database(paths.database)) as database:
        database.record_egress(record)
