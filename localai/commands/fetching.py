"""The parts that the fetching commands share: the allowed hosts, and the ledger of pip's
connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from localai.privacy.zones import zone_of_host
from localai.types import EgressRecord, Purpose, Zone

if TYPE_CHECKING:
    from localai.config import Config
    from localai.fetch.allowed_hosts import AllowedHosts
    from localai.output.output import Output
    from localai.paths import Paths


def allowed_hosts(config: Config, output: Output) -> AllowedHosts:
    """The hosts that the settings allow for a download. A note is shown for each redirect."""
    from localai.fetch.allowed_hosts import AllowedHosts

    return AllowedHosts(output.note, lan=config["network.lan"], proxy=config["network.proxy"])


@contextmanager
def pip_ledger(paths: Paths, command: str) -> Iterator[Callable[[str, int], None]]:
    """A function to call with each host and port that pip connects to, because the guard does not
    see a child's connections. It enters connections off this machine in the ledger, under
    `command`."""
    from localai.database import Database

    ledger = Database(paths.database)

    def connected(host: str, port: int) -> None:
        if zone_of_host(host) is not Zone.DEVICE:
            ledger.record_egress(
                EgressRecord(time.time(), command, Purpose.DOWNLOAD, host, address=host, port=port)
            )

    try:
        yield connected
    finally:
        ledger.close()
