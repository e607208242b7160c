"""Whether what a setting names exists. It may be made later, so a doubt is a warning and no
error."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from localai.chat.chat_template import read_chat_template
from localai.chat.doubts import context_doubt
from localai.chat.request import AskSettings
from localai.config import load, model_key
from localai.errors import InvalidInput, LocalaiError
from localai.files import as_path, user_path
from localai.formats.gguf_kinds import require_adapter
from localai.net.target import client_target
from localai.providers.registry import is_provider, provider_names
from localai.stores.lookup import find_stored, resolve_model
from localai.stores.presets import Preset, applied, chain_of
from localai.stores.references import plain_name

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths

_ADDRESSES: Final = ("ollama.host", "lmstudio.host", "network.proxy")
_ANY_PORT: Final = 80


def preset_doubt(preset: Preset, paths: Paths) -> str | None:
    """A warning if the model of `preset` is missing, or was made for less context than the preset
    wants; None if all is well. Looks at the stores; asks no server."""
    try:
        *_, last = chain = chain_of(preset, paths)
    except LocalaiError as error:
        return error.message
    if (doubt := doubt_about("model", last.base, paths)) is not None:
        return doubt
    try:
        model = applied(chain, resolve_model(plain_name(last.base), paths))
    except LocalaiError:
        # A model that only a server has; which context it takes is said when it is asked.
        return None
    return context_doubt(AskSettings(), model)


def doubt_about(key: str, value: str, paths: Paths) -> str | None:
    """A warning if `value`, the new value of the setting `key`, names something missing; None if
    all is there.

    Looks at the stores and the configuration; asks no server.
    """
    config = load(paths)
    if (model := model_key(key)) is not None:
        return _doubt_about_model(*model, value, config, paths)
    if key == "provider" and not is_provider(value, config):
        known = ", ".join(provider_names(config))
        return f"there is no provider called {value!r}: known are {known}"
    if key == "engine.binary" and shutil.which(user_path(value)) is None:
        return f"there is no program {value!r}"
    if key in _ADDRESSES or (key.startswith("endpoint.") and key.endswith(".url")):
        return _doubt_about_address(key, value)
    return _doubt_about_name(value, config, paths) if key == "model" else None


def _doubt_about_address(key: str, value: str) -> str | None:
    try:
        client_target(value, _ANY_PORT, key)
    except InvalidInput as error:
        return error.message
    return None


def _doubt_about_model(
    name: str, field: str | None, value: str, config: Config, paths: Paths
) -> str | None:
    try:
        if field == "chat_template":
            read_chat_template(user_path(value))
        if field == "adapter":
            require_adapter(user_path(value))
    except LocalaiError as error:
        return error.message
    return _doubt_about_name(name, config, paths)


def _doubt_about_name(value: str, config: Config, paths: Paths) -> str | None:
    if is_provider(value.partition("/")[0], config):
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
