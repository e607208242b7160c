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

    key: Annotated[str, "the setting's name"]
    value: Annotated[Any, "the value in force"]
    default: Annotated[Any, "the default value"]
    origin: Annotated[Origin, "the source of the value"]
    where: Annotated[str | None, "the file and line, or the variable"]
    type: Annotated[str, "the values that the setting takes"]
    meaning: Annotated[str, "the purpose of the setting"]


class ConfigList(TypedDict):
    """`localai config list --json`"""

    schema: Annotated[Literal["localai.config/1"], "the name and version of the document"]
    file: Annotated[str, "the configuration file"]
    settings: Annotated[list[SettingDocument], "all settings"]
    endpoints: Annotated[dict[str, Any], "the file's values of endpoint.NAME.FIELD, by that key"]
    model_settings: Annotated[dict[str, Any], "models.NAME.FIELD and its value, of the file"]


class ConfigGet(SettingDocument):
    """`localai config get KEY --json`"""

    schema: Annotated[Literal["localai.config/1"], "the name and version of the document"]


class ConfigEndpoint(TypedDict):
    """`localai config get endpoint.NAME --json`, and of one of its fields"""

    schema: Annotated[Literal["localai.config/1"], "the name and version of the document"]
    endpoint: Annotated[str, "the endpoint's name"]
    values: Annotated[dict[str, Any], "each field by its key"]


class ConfigModel(TypedDict):
    """`localai config get models.NAME --json`, and of one of its fields"""

    schema: Annotated[Literal["localai.config/1"], "the name and version of the document"]
    model: Annotated[str, "its name, as the file has it"]
    values: Annotated[dict[str, Any], "each field by its key"]


def model_document(name: str, found: Iterable[tuple[str, Any]]) -> ConfigModel:
    """What `localai config get` prints of what is set for one model."""
    return {"schema": "localai.config/1", "model": name, "values": dict(found)}


def endpoint_document(name: str, found: Iterable[tuple[str, Any]]) -> ConfigEndpoint:
    """The document of `localai config get` for a server of the user's own."""
    return {"schema": "localai.config/1", "endpoint": name, "values": dict(found)}


def list_document(config: Config) -> ConfigList:
    """The document of `localai config list`."""
    settings = [_setting(setting, config) for setting in SETTINGS]
    return {
        "schema": "localai.config/1",
        "file": str(config.file),
        "settings": settings,
        "endpoints": dict(endpoint_values(config)),
        "model_settings": dict(model_values(config.models)),
    }


def get_document(setting: Setting, config: Config) -> ConfigGet:
    """The document of `localai config get`."""
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
