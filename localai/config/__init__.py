"""Settings: the table of them, reading those in force, and editing the file."""

from localai.config.editing import set_value, unset_value
from localai.config.models import model_key
from localai.config.reading import Config, Endpoint, Origin, Value, load
from localai.config.settings import (
    SETTINGS,
    Setting,
    endpoint_key,
    parse_value,
    setting,
)
from localai.config.values import parse_age, parse_duration

__all__ = [
    "SETTINGS",
    "Config",
    "Endpoint",
    "Origin",
    "Setting",
    "Value",
    "endpoint_key",
    "load",
    "model_key",
    "parse_age",
    "parse_duration",
    "parse_value",
    "set_value",
    "setting",
    "unset_value",
]
