"""`localai preset`: a model with lasting settings under a name of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from localai.commands.common_options import PAIR, SHOT, Json, PairCommand
from localai.commands.settings import load_settings
from localai.commands.verbs import Verbs
from localai.errors import InvalidInput, NotFound
from localai.files import as_path
from localai.output.output import Output
from localai.output.table import Column
from localai.sampling_options import parse_options
from localai.stores.presets import (
    Preset,
    find_preset,
    list_presets,
    preset_file,
    write_preset,
)
from localai.types import Message, Options, Think
from localai.units import counted, parse_count


class _Presets(Verbs):
    elsewhere: Mapping[str, str] = {"rm": "rm"}


app = typer.Typer(rich_markup_mode=None, add_completion=False, cls=_Presets)

_COLUMNS = (
    Column("preset"),
    Column("model"),
    Column("sets", drop=1, wraps=True),
    Column("description", drop=2, wraps=True),
)
_Name = Annotated[str, typer.Argument(help="The preset, as `localai preset list` names it.")]


@app.command(cls=PairCommand)
def new(
    name: Annotated[str, typer.Argument(help="What `-m` shall take: small letters, digits, - _ .")],
    base: Annotated[
        str | None, typer.Option("--from", help="The model, or another preset, that it is made of.")
    ] = None,
    system: Annotated[str | None, typer.Option("-s", "--system", help="Its system prompt.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("-o", "--option", metavar=PAIR, help="A sampling option, as for `chat`."),
    ] = None,
    ctx: Annotated[str | None, typer.Option("--ctx", help="Its context in tokens: 16k.")] = None,
    kv: Annotated[
        str | None, typer.Option("--kv", help="Type of keys and values on the embedded engine.")
    ] = None,
    think: Annotated[
        str | None, typer.Option("--think", help="off, on, low, medium or high.")
    ] = None,
    adapter: Annotated[
        Path | None, typer.Option("--adapter", help="A LoRA (GGUF) that the engine applies to it.")
    ] = None,
    chat_template: Annotated[
        Path | None,
        typer.Option(
            "--chat-template",
            metavar="FILE",
            help="A Jinja file in place of the model's own chat template.",
        ),
    ] = None,
    shot: Annotated[
        list[str] | None,
        typer.Option("--shot", metavar=SHOT, help="A question and its answer, from two files."),
    ] = None,
    description: Annotated[
        str, typer.Option("--description", help="What it is for, in one line.")
    ] = "",
    modelfile: Annotated[
        Path | None,
        typer.Option("--modelfile", help="Read it from Ollama's Modelfile; - is stdin."),
    ] = None,
) -> None:
    """Make a preset, which is used like a model: `localai chat -m NAME`.

    It is a small TOML file; its path is printed. What it does not set is the model's own.
    """
    output = Output("preset")
    paths, _ = load_settings("preset")
    file = preset_file(name, paths)
    if file.exists():
        raise InvalidInput(
            f"there is a preset {name} already", command=("localai", "preset", "edit", name)
        )
    _refuse_name_of_model(name)
    base = base and _whole_path(base, Path())
    preset = Preset(name, base or "")
    if modelfile is not None:
        preset = _from_modelfile(name, modelfile, output)
    # `PairCommand` gives lists of pairs, which Typer cannot declare.
    options = parse_options(cast("list[tuple[str, str]]", option or []))
    messages = _messages(cast("list[tuple[str, str]]", shot or []))
    preset = _changed(preset, base, system, options, ctx, kv, think, messages, description)
    if adapter is not None:
        from localai.formats.gguf_kinds import require_adapter

        preset = replace(preset, adapter=require_adapter(adapter.expanduser()))
    if chat_template is not None:
        from localai.chat.chat_template import read_chat_template

        template_file = chat_template.expanduser().absolute()
        read_chat_template(template_file)
        preset = replace(preset, template_file=template_file)
    if not preset.base:
        raise InvalidInput(
            "a preset is made of a model: --from NAME",
            command=("localai", "preset", "new", name, "--from", "qwen3:8b"),
        )
    output.line(str(write_preset(preset, paths)))
    _warn_of(preset, output)
    output.note(f"localai chat -m {name}")


@app.command("list")
def list_all(as_json: Json = False) -> None:
    """Every preset, and what it sets."""
    output = Output("preset", as_json=as_json)
    paths, _ = load_settings("preset")
    found = list(list_presets(paths))
    if output.as_json:
        from localai.output.documents.preset import preset_list_document

        output.document(preset_list_document(found))
    rows = [[each.name, each.base, ", ".join(_sets(each)), each.description] for each in found]
    with output.paged():
        output.table(_COLUMNS, rows)
        if not found:
            output.note("there is no preset: localai preset new reviewer --from qwen3:8b -s …")


@app.command()
def show(name: _Name, as_json: Json = False) -> None:
    """The file of a preset, as it is."""
    output = Output("preset", as_json=as_json)
    paths, _ = load_settings("preset")
    preset = _known(name)
    text = preset_file(name, paths).read_text(encoding="utf-8")
    if output.as_json:
        from localai.output.documents.preset import preset_show_document

        output.document(preset_show_document(preset, text))
        return
    with output.paged():
        output.write(text)


@app.command()
def modelfile(name: _Name) -> None:
    """A preset as Ollama's Modelfile: `localai preset modelfile NAME | ollama create NAME -f -`."""
    from localai.stores.modelfile import modelfile_text

    output = Output("preset")
    preset = _known(name)
    nowhere = {
        "kv": preset.kv_type,
        "think": preset.think,
        "chat_template": preset.template_file,
    }
    for what, is_set in nowhere.items():
        if is_set is not None:
            output.warn(f"{what} = {is_set} has no place in a Modelfile and is left out")
    output.write(modelfile_text(preset))


@app.command()
def edit(name: _Name) -> None:
    """Change a preset in $EDITOR; what is wrong with it is said."""
    from localai.files import write_atomically
    from localai.session.editor import edit_text
    from localai.stores.presets import read_preset

    output = Output("preset")
    paths, _ = load_settings("preset")
    file = preset_file(name, paths)
    if not file.is_file():
        _known(name)
    before = file.read_text(encoding="utf-8")
    text = edit_text(before) + "\n"
    if text.strip() != before.strip():
        write_atomically(file, text.encode())
    preset = read_preset(file)
    output.line(str(file))
    _warn_of(preset, output)


def _warn_of(preset: Preset, output: Output) -> None:
    from localai.library.doubts import preset_doubt

    paths, _ = load_settings("preset")
    if (doubt := preset_doubt(preset, paths)) is not None:
        output.warn(doubt)


def _known(name: str) -> Preset:
    paths, _ = load_settings("preset")
    preset = find_preset(name, paths)
    if preset is None:
        from localai.near_names import did_you_mean

        names = [each.name for each in list_presets(paths)]
        raise NotFound(
            f"there is no preset {name!r}",
            hint=did_you_mean(name, names),
            command="localai preset list",
        )
    return preset


def _refuse_name_of_model(name: str) -> None:
    """Raise InvalidInput if a model here has that name: the preset would hide it."""
    from localai.stores.lookup import find_stored

    paths, _ = load_settings("preset")
    try:
        found = find_stored(name, paths)
    except (NotFound, InvalidInput):
        return
    raise InvalidInput(
        f"{name} is the name of a model here, which the preset would hide",
        hint="another name",
        command=("localai", "show", found.name),
    )


def _from_modelfile(name: str, path: Path, output: Output) -> Preset:
    from localai.chat.inputs import file_text, read_stdin
    from localai.stores.modelfile import read_modelfile

    is_stdin = str(path) == "-"
    text = read_stdin() if is_stdin else file_text(path, "the Modelfile")
    found = read_modelfile(name, text)
    base = _whole_path(found.preset.base, Path() if is_stdin else path.parent)
    for each in found.left_out:
        output.warn(f"{each} of the Modelfile has no place in a preset and is left out")
    return replace(found.preset, base=base)


def _whole_path(base: str, folder: Path) -> str:
    """A model's file by its whole path: the preset is used in other folders, where another file may
    have that name."""
    path = as_path(base)
    return base if path is None else str((folder / path).absolute())


def _changed(
    preset: Preset,
    base: str | None,
    system: str | None,
    options: Options,
    ctx: str | None,
    kv: str | None,
    think: str | None,
    messages: list[Message],
    description: str,
) -> Preset:
    """`preset` with what the flags say."""
    from localai.engine.worker_files import KvType
    from localai.sampling_options import overlaid_options

    if kv is not None and kv not in get_args(KvType):
        raise InvalidInput(f"--kv takes {', '.join(get_args(KvType))}, not {kv!r}")
    if think is not None and think not in get_args(Think):
        raise InvalidInput(
            f"--think takes {', '.join(get_args(Think))}, not {think!r}", hint="--think high"
        )
    return replace(
        preset,
        base=base or preset.base,
        description=description or preset.description,
        system=preset.system if system is None else system,
        options=overlaid_options(preset.options, options),
        context_tokens=preset.context_tokens if ctx is None else _context(ctx),
        kv_type=preset.kv_type if kv is None else cast("KvType", kv),
        think=preset.think if think is None else cast("Think", think),
        messages=(*preset.messages, *messages),
    )


def _context(text: str) -> int:
    try:
        return parse_count(text)
    except ValueError as error:
        raise InvalidInput(f"--ctx takes {error}, not {text!r}", hint="--ctx 16k") from error


def _messages(shots: list[tuple[str, str]]) -> list[Message]:
    from localai.chat.inputs import file_text

    found = []
    for question, answer in shots:
        found.append(
            Message("user", file_text(Path(question), "question file of --shot").strip("\n"))
        )
        found.append(
            Message("assistant", file_text(Path(answer), "answer file of --shot").strip("\n"))
        )
    return found


def _sets(preset: Preset) -> list[str]:
    """What a preset sets, each in a few words."""
    from localai.sampling_options import options_set

    found = ["system prompt"] if preset.system is not None else []
    options = options_set(preset.options)
    options.pop("extra", None)
    found += [f"{name} {value}" for name, value in options.items()]
    found += [f"context {preset.context_tokens:,}"] if preset.context_tokens else []
    found += [f"kv {preset.kv_type}"] if preset.kv_type else []
    found += [f"think {preset.think}"] if preset.think else []
    found += [f"adapter {preset.adapter.name}"] if preset.adapter else []
    found += [f"chat template {preset.template_file.name}"] if preset.template_file else []
    found += ["TEMPLATE"] if preset.go_template else []
    found += [counted(len(preset.messages), "message")] if preset.messages else []
    return found
