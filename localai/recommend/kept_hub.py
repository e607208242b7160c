"""What the hub was last found to have, kept in the data folder until it is asked again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from localai.dataclass import dataclass
from localai.files import write_atomically
from localai.paths import private_dir
from localai.recommend.catalogue import File
from localai.recommend.hub_model import HubModel

if TYPE_CHECKING:
    from pathlib import Path

    from localai.paths import Paths

# Raise it when the form or the meaning changes: what was kept before then counts as nothing.
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Unread:
    """A repository, or a publisher, of which nothing is known, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeptHub:
    """What the hub at `server` had when it was asked, at `asked_at` (seconds since the epoch).

    `models` come in the hub's order: what is new and popular first. `unread` are those whose header
    was not read, `unasked` the publishers whose list did not come. `too_large` counts those that
    were not read because the machine has no room for them, by the hub's word. `whole` is False if
    the asking was broken off.
    """

    server: str
    asked_at: float
    models: tuple[HubModel, ...] = ()
    unread: tuple[Unread, ...] = ()
    unasked: tuple[Unread, ...] = ()
    too_large: int = 0
    whole: bool = False


def read_kept(paths: Paths) -> KeptHub | None:
    """What is kept; None if nothing is, or if it cannot be read."""
    try:
        document = json.loads(_file(paths).read_bytes())
        if document.pop("version") != _VERSION:
            return None
        for key in ("unread", "unasked"):
            document[key] = tuple(Unread(**each) for each in document[key])
        document["models"] = tuple(_model(each) for each in document["models"])
        return KeptHub(**document)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def write_kept(paths: Paths, kept: KeptHub) -> None:
    """Keep `kept` in the place of what was kept before. Raises OSError."""
    private_dir(paths.data_dir)
    write_atomically(
        _file(paths), json.dumps({"version": _VERSION, **asdict(kept)}, indent=1).encode()
    )


def _file(paths: Paths) -> Path:
    return paths.data_dir / "hub-models.json"


def _model(document: Mapping[str, Any]) -> HubModel:
    changed = {
        "files": tuple(File(**each) for each in document["files"]),
        "dimensions": {
            key: tuple(value) if isinstance(value, list) and key != "layer_types" else value
            for key, value in document["dimensions"].items()
        },
    }
    for key in ("capabilities", "tasks"):
        changed[key] = tuple(document[key])
    return HubModel(**{**document, **changed})
