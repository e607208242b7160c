"""`localai config`: show and change settings."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from localai import config as settings
from localai.commands.common_options import Json
from localai.commands.verbs import Verbs
from localai.config.endpoints import endpoint_values
from localai.config.models import model_values
from localai.config.reading import read_file
from localai.config.values import typed
from localai.errors import NotFound
from localai.files import write_atomically
from localai.output.output import Output
from localai.output.table import Column
from localai.paths import locate, private_dir
from localai.providers.registry import check_provider_names, require_clouds

app = typer.Typer(rich_markup_mode=None, add_completion=False, cls=Verbs)

_COLUMNS = (
    Column("setting"),
    Column("value"),
    Column("from", drop=1),
    Column("meaning", wraps=True),
)
_EMPTY_FILE = """# The settings of localai; `localai config list` names them, such as
# model = "qwen3:8b"
"""
_Key = Annotated[str, typer.Argument(help="The setting, as `localai config list` names it.")]


@app.command("list")
def list_settings(as_json: Json = False) -> None:
    """List every setting: its value, the source of the value, and its purpose."""
    output = Output("config", as_json=as_json)
    config = _load()
    if output.as_json:
        from localai.output.documents.config import list_document

        output.document(list_document(config))
        return
    rows = [
        [
            setting.key,
            typed(config[setting.key], setting.kind),
            _origin(config.values[setting.key]),
            setting.meaning,
        ]
        for setting in settings.SETTINGS
    ]
    for key, value in endpoint_values(config):
        rows.append([key, typed(value, _kind_of_field(key)), "file", "of a server of your own"])
    for key, value in model_values(config.models):
        rows.append([key, _text_of_model(value), "file", "of one model"])
    with output.paged():
        output.table(_COLUMNS, rows)


@app.command("get")
def get_setting(key: _Key, as_json: Json = False) -> None:
    """Print one setting's value, alone on stdout."""
    output = Output("config", as_json=as_json)
    config = _load()
    if (endpoint := settings.endpoint_key(key)) is not None:
        _get_of_endpoint(key, endpoint, config, output)
        return
    if (model := settings.model_key(key)) is not None:
        _get_of_model(key, model, config, output)
        return
    setting = settings.setting(key)
    if output.as_json:
        from localai.output.documents.config import get_document

        output.document(get_document(setting, config))
    output.line(typed(config[key], setting.kind))


@app.command("set")
def set_setting(
    key: _Key,
    value: Annotated[str, typer.Argument(help="The new value; a list is separated by commas.")],
) -> None:
    """Write a setting to the configuration file: one of the list, a field of your own server
    (endpoint.NAME.url), or what shall hold for one model (models.NAME.temperature)."""
    if key == "cloud.allow":
        require_clouds(settings.parse_value(key, value, None), None)
    paths = locate()
    settings.set_value(paths, key, value)
    from localai.library.doubts import doubt_about

    if (doubt := doubt_about(key, value, paths)) is not None:
        Output("config").warn(doubt)


@app.command("unset")
def unset_setting(key: _Key) -> None:
    """Remove a setting from the file, so that its default holds. endpoint.NAME removes a server,
    models.NAME all that is set for a model."""
    settings.unset_value(locate(), key)


@app.command("edit")
def edit_file() -> None:
    """Change the configuration file in $EDITOR; its errors are shown afterwards."""
    from localai.session.editor import edit_text

    paths = locate()
    file = paths.config_file
    before = read_file(file) or _EMPTY_FILE
    after = edit_text(before) + "\n"
    output = Output("config")
    if after.strip() == before.strip():
        output.note("nothing was changed")
        return
    private_dir(file.parent)
    write_atomically(file, after.encode())
    _load()
    output.line(str(file))


@app.command("path")
def show_path() -> None:
    """Print the path of the configuration file, whether it exists or not."""
    file = locate().config_file
    output = Output("config")
    output.line(str(file))
    if not file.exists():
        output.note("the file does not exist yet: everything has its default")


def _get_of_endpoint(
    key: str, endpoint: tuple[str, str | None], config: settings.Config, output: Output
) -> None:
    name, field = endpoint
    found = [
        (each, value)
        for each, value in endpoint_values(config)
        if each == key or (field is None and each.startswith(f"endpoint.{name}."))
    ]
    if name not in config.endpoints:
        raise NotFound(f"there is no endpoint {name!r}", command="localai config list")
    if output.as_json:
        from localai.output.documents.config import endpoint_document

        output.document(endpoint_document(name, found))
    for each, value in found:
        text = typed(value, _kind_of_field(each))
        output.line(text if field is not None else f"{each} = {text}")


def _get_of_model(
    key: str, model: tuple[str, str | None], config: settings.Config, output: Output
) -> None:
    name, field = model
    if name not in config.models:
        raise NotFound(f"nothing is set for a model {name!r}", command="localai config list")
    found = list(model_values({name: config.models[name]}))
    if output.as_json:
        from localai.output.documents.config import model_document

        output.document(model_document(name, found))
    if field is not None and key not in dict(found):
        raise NotFound(f"{key} is not set", command="localai config list")
    for each, value in found:
        if field is None:
            output.line(f"{each} = {_text_of_model(value)}")
        elif each == key:
            output.line(_text_of_model(value))


def _load() -> settings.Config:
    config = settings.load(locate())
    check_provider_names(config)
    return config


def _origin(value: settings.Value) -> str:
    return value.where or value.origin


def _kind_of_field(key: str) -> str | None:
    """The kind of an endpoint's field, where how it is typed depends on it."""
    return "tokens" if key.endswith(".context") else None


def _text_of_model(value: Any) -> str:
    """A model's setting as it is typed; a number has no unit here."""
    return ",".join(value) if isinstance(value, tuple) else str(value)
