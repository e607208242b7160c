"""What names a model of this machine and is left without it: presets, the default model."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from localai.chat.select import parse_ref
from localai.dataclass import dataclass
from localai.errors import LocalaiError
from localai.stores.lookup import find_stored
from localai.stores.presets import list_presets
from localai.stores.references import plain_name

if TYPE_CHECKING:
    from localai.config import Config
    from localai.library.removal import Removal
    from localai.paths import Paths


@dataclass(frozen=True, slots=True)
class Dependents:
    """`presets` are made of the model, `is_default` says that the configuration names it."""

    presets: tuple[str, ...]
    is_default: bool


def dependents_of(
    removal: Removal, config: Config, paths: Paths, environ: Mapping[str, str] | None = None
) -> Dependents:
    """What names the model that is about to be removed, by any of its names."""

    def means_it(text: str) -> bool:
        with contextlib.suppress(LocalaiError):
            name = plain_name(parse_ref(text, config).name)
            if name == removal.name:
                return True
            stored = find_stored(name, paths, environ)
            return (stored.store, stored.name) == (removal.store, removal.name)
        return False

    return Dependents(
        presets=tuple(each.name for each in list_presets(paths) if means_it(each.base)),
        is_default=bool(config["model"]) and means_it(config["model"]),
    )
