"""Fetching a model by a running Ollama, for a store that only Ollama's own user may write to.

Ollama connects by itself, and the guard does not see its connections. So this module enters them in
the ledger before it asks Ollama.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from localai.config import setting
from localai.database import Database
from localai.dataclass import dataclass
from localai.errors import ForeignStore
from localai.fetch.oci import RegistryModel, registry_model
from localai.fetch.plan import Pulled, PullEvent
from localai.net.target import Target
from localai.privacy.zones import zone_of_host
from localai.providers.ollama_daemon import running_ollama
from localai.providers.ollama_models import pull
from localai.stores.lookup import resolve_gguf
from localai.stores.ollama import DEFAULT_HOST
from localai.types import EgressRecord, Purpose, Zone

if TYPE_CHECKING:
    from localai.config import Config
    from localai.fetch.plan import PullPlan
    from localai.paths import Paths


@dataclass(frozen=True, slots=True)
class OllamaPull:
    """A running Ollama, and the model that it is to fetch."""

    target: Target
    model: RegistryModel


def ollama_for(
    text: str, quant: str | None, refused: ForeignStore, config: Config, paths: Paths
) -> OllamaPull:
    """The Ollama that can fetch the model `text`. Raises `refused` if none runs, or if the
    configured registry is not the one that Ollama would ask."""
    mirror = config["registry.ollama"]
    model = registry_model(text, mirror, quant)
    mirrored = model.name.host == DEFAULT_HOST and mirror != setting("registry.ollama").default
    daemon = running_ollama(config, paths, os.environ)
    if daemon is None or mirrored:
        raise refused
    return OllamaPull(daemon.target, model)


def pull_by_ollama(request: OllamaPull, plan: PullPlan, paths: Paths) -> Iterator[PullEvent]:
    """Have Ollama fetch the model of `plan`; the last event is `Pulled`. Raises NotFound,
    ProviderRefused, Unreachable."""
    registry = urlsplit(request.model.registry)
    insecure = registry.scheme == "http"
    host, port = registry.hostname or "", registry.port or (80 if insecure else 443)
    if zone_of_host(host) is not Zone.DEVICE:
        _enter(paths, host, port)
    present = plan.path.exists()
    yield from pull(request.target, request.model.name.short, insecure=insecure)
    model = resolve_gguf(plan.name, paths)
    digest = (model.digest or "").removeprefix("sha256:")
    yield Pulled(model.path or plan.path, plan.size_bytes, digest, fetched=not present)


def _enter(paths: Paths, host: str, port: int) -> None:
    ledger = Database(paths.database)
    try:
        record = EgressRecord(time.time(), "pull", Purpose.DOWNLOAD, host, address=host, port=port)
        ledger.record_egress(record)
    finally:
        ledger.close()
