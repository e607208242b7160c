"""The options that say which model to ask and how. They are declared once for every command that
asks, and read once.

    @app.command(cls=PairCommand)
    @with_ask_options
    def chat(prompt: Prompt, asked: AskOptions = NOT_ASKED, ...) -> int:
        settings = read_ask_options(asked, paths, config).settings

The command line then has each option of `AskOptions` in the place of the parameter `asked`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import field, fields
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, cast, get_args, get_type_hints

import typer

from localai.chat.off_device import allow_every_cloud
from localai.chat.request import LEAST_CONTEXT, AskSettings, overlaid
from localai.commands.options import PAIR
from localai.config import Config, parse_duration
from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.files import user_path
from localai.options import SAMPLING_OPTIONS, SamplingOption, parse_options
from localai.types import Options, Think
from localai.units import parse_count

if TYPE_CHECKING:
    from pathlib import Path

    from localai.chat.schema import Schema
    from localai.chat.templates import Template
    from localai.paths import Paths

_PARAMETER = "asked"
_SAMPLING = "sampling"
_BY_KEYWORD: Final = inspect.Parameter.POSITIONAL_OR_KEYWORD
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class AskOptions:
    """The options as they were typed.

    `parameter` and `option` are lists of pairs (see `PairCommand`). `sampling` has the values of
    the sampling options' own flags, by name.
    """

    model: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--model",
            help=(
                "The model that answers: a name, provider/name or a file.  [default: the "
                "setting model]"
            ),
        ),
    ] = None
    system: Annotated[str | None, typer.Option("-s", "--system", help="The system prompt.")] = None
    template: Annotated[
        str | None,
        typer.Option(
            "-t", "--template", help="The template of the question (localai template list)."
        ),
    ] = None
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--param", metavar=PAIR, help="Set a variable of the template."),
    ] = None
    option: Annotated[
        list[str] | None,
        typer.Option(
            "-o",
            "--option",
            metavar=PAIR,
            help=(
                "Set a model option: one of the following, or provider.KEY for the provider's own."
            ),
        ),
    ] = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    ctx: Annotated[
        str | None,
        typer.Option(
            "--ctx",
            help="The context to use, in tokens, such as 8k.  [default: engine.context, 4096, "
            "and more when needed]",
        ),
    ] = None
    think: Annotated[
        str | None,
        typer.Option(
            "--think",
            help="Reasoning: off, on, low, medium, high, or at most N tokens, such as 800."
            "  [default: the model's]",
        ),
    ] = None
    schema: Annotated[
        str | None,
        typer.Option(
            "--schema",
            help='Answer in JSON: a schema file, "name:str, age:int", or pkg.mod:Model.',
        ),
    ] = None
    chat_template: Annotated[
        str | None,
        typer.Option(
            "--chat-template",
            metavar="FILE",
            help="A Jinja file in place of the model's own chat template.",
        ),
    ] = None
    adapter: Annotated[
        str | None,
        typer.Option(
            "--adapter",
            metavar="FILE",
            help="A LoRA (GGUF) that the embedded engine applies to the model.",
        ),
    ] = None
    keep_alive: Annotated[
        str | None,
        typer.Option(
            "--keep-alive",
            help=(
                "The time that the idle model stays loaded: 5m, 0, -1 (for ever).  "
                "[default: engine.keep_alive, 5m]"
            ),
        ),
    ] = None
    allow_cloud: Annotated[
        bool,
        typer.Option("--allow-cloud", help="Let this one run send the question to a cloud."),
    ] = False
    force: Annotated[
        bool, typer.Option("--force", help="Load the model even if it does not seem to fit.")
    ] = False


NOT_ASKED: Final = AskOptions()
"""The default of the parameter `asked`, which every call replaces."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The meaning of the options.

    `settings` has the template's settings with the command line's laid over them. `model` is the
    name of the model; None is the default one. `config` may permit more for this one run.
    """

    model: str | None
    settings: AskSettings
    template: Template | None
    parameters: dict[str, str]
    config: Config


def with_ask_options(command: Callable[..., _Result]) -> Callable[..., _Result]:
    """`command` with the options of AskOptions in the place of its parameter `asked`.

    If `command` itself uses a form (`-o`) for another option, it keeps that form. An option that
    has no form left is not offered, and has its default in `asked`.
    """
    hints = get_type_hints(command, include_extras=True)
    own = inspect.signature(command).parameters
    taken = {form for name in own if name != _PARAMETER for form in _forms(hints[name])}
    types = get_type_hints(AskOptions, include_extras=True)
    offered = [
        each
        for each in fields(AskOptions)
        if each.name == _SAMPLING or not _is_taken(types[each.name], taken)
    ]
    names = [each.name for each in offered if each.name != _SAMPLING]
    parameters: list[inspect.Parameter] = []
    for parameter in own.values():
        if parameter.name != _PARAMETER:
            parameters.append(parameter.replace(annotation=hints[parameter.name]))
            continue
        for each in offered:
            if each.name == _SAMPLING:
                parameters += map(_sampling_parameter, SAMPLING_OPTIONS)
                continue
            hint = _without(types[each.name], taken)
            parameters.append(
                inspect.Parameter(each.name, _BY_KEYWORD, default=each.default, annotation=hint)
            )

    @functools.wraps(command)
    def expanded(**given: Any) -> _Result:
        sampling = {each.name: given.pop(each.name) for each in SAMPLING_OPTIONS}
        asked = AskOptions(**{name: given.pop(name) for name in names}, sampling=sampling)
        return command(**given, asked=asked)

    expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    expanded.__annotations__ = {each.name: each.annotation for each in parameters}
    return expanded


def read_ask_options(given: AskOptions, paths: Paths, config: Config) -> Asked:
    """The meaning of the options. Raises NotFound for an unknown template, and InvalidInput."""
    template = _template(given.template, paths)
    settings = AskSettings(
        system=given.system or None,
        options=asked_options(given),
        schema=_schema(given.schema),
        chat_template=_chat_template(given.chat_template),
        adapter=_adapter(given.adapter),
        think=_think(given.think),
        think_tokens=_think_tokens(given.think),
        context_tokens=_context(given.ctx),
        keep_alive_s=_keep_alive(given.keep_alive),
        force=given.force,
    )
    model = given.model
    if template is not None:
        from localai.chat.filling import settings_of

        settings = overlaid(settings_of(template), settings)
        model = model or template.model
    parameters = dict(cast("list[tuple[str, str]]", given.parameter or []))
    config = allow_every_cloud(config) if given.allow_cloud else config
    return Asked(model, settings, template, parameters, config)


def asked_options(given: AskOptions) -> Options:
    """The sampling options that were typed. Raises InvalidInput."""
    pairs = cast("list[tuple[str, str]]", given.option or [])
    return parse_options(pairs, **given.sampling)


def _sampling_parameter(option: SamplingOption) -> inspect.Parameter:
    """The flag of a sampling option, such as `--top-p` for `top_p`. The table of options says which
    values it takes."""
    limit = (
        "  [default: what is left of the context; 2048 in a batch or a suite]"
        if option.name == "max_tokens"
        else ""
    )
    flag: Any = typer.Option(
        "--" + option.name.replace("_", "-"),
        metavar={float: "X", int: "N", str: "TEXT"}[option.kind],
        help=option.meaning + limit,
    )
    values: Any = list[str] | None if option.repeatable else str | None
    hint = Annotated[values, flag]
    return inspect.Parameter(option.name, _BY_KEYWORD, default=None, annotation=hint)


def _forms(hint: Any) -> tuple[str, ...]:
    """All forms in which an option is written. Empty for an argument, and for a bare `--name`."""
    for each in getattr(hint, "__metadata__", ()):
        # `typer.Option` takes its first argument as a default; within Annotated it is a form.
        forms = (each.default, *(each.param_decls or ()))
        return tuple(form for form in forms if isinstance(form, str) and form.startswith("-"))
    return ()


def _is_taken(hint: Any, taken: set[str]) -> bool:
    return taken.issuperset(_forms(hint))


def _without(hint: Any, taken: set[str]) -> Any:
    """The annotation of an option without the forms in `taken`."""
    forms = _forms(hint)
    if not taken.intersection(forms):
        return hint
    option = copy(hint.__metadata__[0])
    option.default, *others = [form for form in forms if form not in taken]
    option.param_decls = tuple(others)
    return Annotated[hint.__origin__, option]


def _context(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        tokens = parse_count(text)
    except ValueError as error:
        raise InvalidInput(f"--ctx takes {error}, not {text!r}", hint="--ctx 8k") from error
    if tokens < LEAST_CONTEXT:
        raise InvalidInput(f"--ctx takes at least {LEAST_CONTEXT} tokens, not {text!r}")
    return tokens


def _think(text: str | None) -> Think | None:
    if text is None:
        return None
    if text[:1].isdigit():
        return "on"
    if text not in get_args(Think):
        raise InvalidInput(
            f"--think takes {', '.join(get_args(Think))} or a number of tokens, not {text!r}",
            hint="--think high",
        )
    return cast("Think", text)


def _think_tokens(text: str | None) -> int | None:
    if text is None or not text[:1].isdigit():
        return None
    try:
        tokens = parse_count(text)
    except ValueError as error:
        raise InvalidInput(f"--think takes {error}, not {text!r}", hint="--think 800") from error
    if tokens == 0:
        raise InvalidInput("--think takes a number from 1", hint="--think off")
    return tokens


def _keep_alive(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidInput(f"--keep-alive must be {error}, not {text!r}") from error


def _template(name: str | None, paths: Paths) -> Template | None:
    if name is None:
        return None
    from localai.chat.templates import find_template

    return find_template(name, paths)


def _chat_template(file: str | None) -> str | None:
    if file is None:
        return None
    from localai.chat.chat_template import read_chat_template

    return read_chat_template(user_path(file))


def _adapter(file: str | None) -> Path | None:
    if file is None:
        return None
    from localai.formats.gguf_kinds import require_adapter

    return require_adapter(user_path(file))


def _schema(given: str | None) -> Schema | None:
    if given is None:
        return None
    from localai.chat.schema import from_command_line

    return from_command_line(given)
