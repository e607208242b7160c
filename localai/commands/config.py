"""`localai config`: show and change settings."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from localai import config as settings
from localai.output.streams import note, print_document, print_table
from localai.paths import locate
from localai.providers.registry import check_cloud_allow, require_clouds

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
_Key = Annotated[str, typer.Argument(help="The setting, as `localai config list` names it.")]


@app.command("list")
def list_settings(as_json: _Json = False) -> None:
    """Every setting: its value, where that came from, and what it is for."""
    config = _load()
    if as_json:
        from localai.output.documents.config import list_document

        print_document(list_document(config))
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
    print_table(["setting", "value", "from", "meaning"], rows)


@app.command("get")
def get_setting(key: _Key, as_json: _Json = False) -> None:
    """One setting's value, alone on stdout."""
    config = _load()
    setting = settings.setting(key)
    if as_json:
        from localai.output.documents.config import get_document

        print_document(get_document(setting, config))
    else:
        print(_text(config[key]))


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
    print(file)
    if not file.exists():
        note("the file does not exist yet: everything has its default")


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
