"""The documents of `localai config`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from localai.config import SETTINGS, Origin
from localai.config.endpoints import endpoint_values
from localai.config.models import model_values

if TYPE_CHECKING:
    from localai.config import Config, Setting


class SettingDocument(TypedDict):
    """A setting."""

    key: Annotated[str, "its name"]
    value: Annotated[Any, "its value in force"]
    default: Annotated[Any, "its default"]
    origin: Annotated[Origin, "where the value is from"]
    where: Annotated[str | None, "file and line, or the variable"]
    type: Annotated[str, "what it takes"]
    meaning: Annotated[str, "what it is for"]


class ConfigList(TypedDict):
    """`localai config list --json`"""

    schema: Annotated[Literal["localai.config/1"], "the promise that the rest keeps"]
    file: Annotated[str, "the configuration file"]
    settings: Annotated[list[SettingDocument], "every setting"]
    endpoints: Annotated[dict[str, Any], "endpoint.NAME.FIELD and its value, of the file"]
    models: Annotated[dict[str, Any], "models.NAME.FIELD and its value, of the file"]


class ConfigGet(SettingDocument):
    """`localai config get KEY --json`"""

    schema: Annotated[Literal["localai.config/1"], "the promise that the rest keeps"]


class ConfigEndpoint(TypedDict):
    """`localai config get endpoint.NAME --json`, and of one of its fields"""

    schema: Annotated[Literal["localai.config/1"], "the promise that the rest keeps"]
    endpoint: Annotated[str, "its name"]
    values: Annotated[dict[str, Any], "each field by its key"]


class ConfigModel(TypedDict):
    """`localai config get models.NAME --json`, and of one of its fields"""

    schema: Annotated[Literal["localai.config/1"], "the promise that the rest keeps"]
    model: Annotated[str, "its name, as the file has it"]
    values: Annotated[dict[str, Any], "each field by its key"]


def model_document(name: str, found: Iterable[tuple[str, Any]]) -> ConfigModel:
    """What `localai config get` prints of what is set for one model."""
    return {"schema": "localai.config/1", "model": name, "values": dict(found)}


def endpoint_document(name: str, found: Iterable[tuple[str, Any]]) -> ConfigEndpoint:
    """What `localai config get` prints of a server of the user's own."""
    return {"schema": "localai.config/1", "endpoint": name, "values": dict(found)}


def list_document(config: Config) -> ConfigList:
    """What `localai config list` prints."""
    settings = [_setting(setting, config) for setting in SETTINGS]
    return {
        "schema": "localai.config/1",
        "file": str(config.file),
        "settings": settings,
        "endpoints": dict(endpoint_values(config)),
        "models": dict(model_values(config.models)),
    }


def get_document(setting: Setting, config: Config) -> ConfigGet:
    """What `localai config get` prints."""
    return {"schema": "localai.config/1", **_setting(setting, config)}


def _setting(setting: Setting, config: Config) -> SettingDocument:
    value = config.values[setting.key]
    return {
        "key": setting.key,
        "value": "-1" if value.value == float("inf") else value.value,
        "default": setting.default,
        "origin": value.origin,
        "where": value.where,
        "type": setting.kind,
        "meaning": setting.meaning,
    }
