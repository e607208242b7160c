"""Whether what a setting names is there. It may come later, so it is a warning and no error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localai.config import load
from localai.errors import InvalidInput, LocalaiError
from localai.files import as_path
from localai.providers.registry import is_provider, provider_names
from localai.stores.lookup import find_stored

if TYPE_CHECKING:
    from localai.paths import Paths


def doubt_about(key: str, value: str, paths: Paths) -> str | None:
    """What is to be said of the new `value` of the setting `key`; None where nothing is.

    Stores and the configuration are looked at, no server is asked.
    """
    config = load(paths)
    if key == "provider" and not is_provider(value, config):
        known = ", ".join(provider_names(config))
        return f"there is no provider called {value!r}: known are {known}"
    if key != "model" or is_provider(value.partition("/")[0], config):
        return None
    path = as_path(value)
    if path is not None:
        return None if path.exists() else f"there is no file {value!r}"
    try:
        find_stored(value, paths)
    except InvalidInput as error:
        return error.message
    except LocalaiError as error:
        return f"{error.message}: {error.hint or error.command}"
    return None
