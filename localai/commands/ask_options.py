"""The options that say which model to ask and how, declared once for every command that asks.

    @app.command(cls=PairCommand)
    @with_ask_options
    def chat(prompt: Prompt, ask_options: AskOptions = NO_ASK_OPTIONS, ...) -> int:
        settings = parse_ask_options(ask_options, paths, config).settings

The command line then has each option of `AskOptions` in the place of the parameter `ask_options`.
`parsed_ask_options` reads them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import field, fields
from typing import Annotated, Any, Final, TypeVar, get_type_hints

import typer

from localai.commands.common_options import PAIR
from localai.dataclass import dataclass
from localai.sampling_options import SAMPLING_OPTIONS, SamplingOption

_PARAMETER: Final = "ask_options"
_SAMPLING: Final = "sampling"
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


NO_ASK_OPTIONS: Final = AskOptions()
"""The default of the parameter `ask_options`, which every call replaces."""


def with_ask_options(command: Callable[..., _Result]) -> Callable[..., _Result]:
    """`command` with the options of AskOptions in the place of its parameter `ask_options`.

    If `command` itself uses a form (`-o`) for another option, it keeps that form. An option that
    has no form left is not offered, and has its default there.
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
        options = AskOptions(**{name: given.pop(name) for name in names}, sampling=sampling)
        return command(**given, ask_options=options)

    expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    expanded.__annotations__ = {each.name: each.annotation for each in parameters}
    return expanded


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
