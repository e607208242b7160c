"""What most commands do first: find their folders, read the settings, bind the guard to them."""

from __future__ import annotations

from contextlib import closing

from localai.config import Config, load
from localai.paths import Paths, locate
from localai.privacy import guard
from localai.providers.registry import check_cloud_allow
from localai.types import EgressRecord


def load_settings(command: str) -> tuple[Paths, Config]:
    """The paths and settings in force, after the guard has learned what they permit.

    Connections that leave the machine are entered in the ledger under `command`. Raises
    InvalidInput where the configuration has an error.
    """
    paths = locate()
    config = load(paths)
    check_cloud_allow(config)
    guard.allow_lan(config["network.lan"])
    guard.record_egress(command, lambda record: _enter(paths, record))
    return paths, config


def _enter(paths: Paths, record: EgressRecord) -> None:
    from localai.database import Database

    with closing(Database(paths.database)) as database:
        database.record_egress(record)
