"""`localai config`: show and change settings."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from localai import config as settings
from localai.commands.options import Json
from localai.commands.verbs import Verbs
from localai.output.output import Output
from localai.output.table import Column
from localai.paths import locate
from localai.providers.registry import check_cloud_allow, require_clouds

app = typer.Typer(rich_markup_mode=None, add_completion=False, cls=Verbs)

_COLUMNS = (
    Column("setting"),
    Column("value"),
    Column("from", drop=1),
    Column("meaning", wraps=True),
)
_Key = Annotated[str, typer.Argument(help="The setting, as `localai config list` names it.")]


@app.command("list")
def list_settings(as_json: Json = False) -> None:
    """Every setting: its value, where that came from, and what it is for."""
    output = Output("config", as_json=as_json)
    config = _load()
    if output.as_json:
        from localai.output.documents.config import list_document

        output.document(list_document(config))
        return
    rows = [
        [
            setting.key,
            _text(config[setting.key]),
            _origin(config.values[setting.key]),
            setting.meaning,
        ]
        for setting in settings.SETTINGS
    ]
    for name, endpoint in config.endpoints.items():
        rows.append([f"endpoint.{name}.url", endpoint.url, "file", "a server of your own"])
    output.table(_COLUMNS, rows)


@app.command("get")
def get_setting(key: _Key, as_json: Json = False) -> None:
    """One setting's value, alone on stdout."""
    output = Output("config", as_json=as_json)
    config = _load()
    setting = settings.setting(key)
    if output.as_json:
        from localai.output.documents.config import get_document

        output.document(get_document(setting, config))
    output.line(_text(config[key]))


@app.command("set")
def set_setting(
    key: _Key, value: Annotated[str, typer.Argument(help="Its new value; lists by commas.")]
) -> None:
    """Write a setting into the configuration file."""
    if key == "cloud.allow":
        require_clouds(settings.parse_value(key, value, "the command line"), "the command line")
    settings.set_value(locate(), key, value)


@app.command("unset")
def unset_setting(key: _Key) -> None:
    """Remove a setting from the file; the default holds again."""
    settings.unset_value(locate(), key)


@app.command("path")
def show_path() -> None:
    """Where the configuration file is, or would be."""
    file = locate().config_file
    output = Output("config")
    output.line(str(file))
    if not file.exists():
        output.note("the file does not exist yet: everything has its default")


def _load() -> settings.Config:
    config = settings.load(locate())
    check_cloud_allow(config)
    return config


def _origin(value: settings.Value) -> str:
    return value.where or value.origin


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, float):
        return "-1" if value == float("inf") else f"{value:g}s"
    return str(value)
