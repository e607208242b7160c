"""The meaning of `AskOptions`: the model's name, and the settings, laid over a template's."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args

from localai.chat.off_device import allow_every_cloud
from localai.chat.request import LEAST_CONTEXT, AskSettings, overlaid
from localai.commands.ask_options import AskOptions
from localai.config import Config, parse_duration
from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.files import user_path
from localai.sampling_options import parse_options
from localai.types import Options, Think
from localai.units import parse_count

if TYPE_CHECKING:
    from pathlib import Path

    from localai.chat.schema import Schema
    from localai.chat.templates import Template
    from localai.paths import Paths


@dataclass(frozen=True, slots=True)
class ParsedAskOptions:
    """The meaning of the options.

    `settings` has the template's settings with the command line's laid over them. `model` is the
    name of the model; None is the default one. `config` may permit more for this one run.
    """

    model: str | None
    settings: AskSettings
    template: Template | None
    parameters: dict[str, str]
    config: Config


def parse_ask_options(given: AskOptions, paths: Paths, config: Config) -> ParsedAskOptions:
    """The meaning of the options. Raises NotFound for an unknown template, and InvalidInput."""
    template = _template(given.template, paths)
    settings = AskSettings(
        system=given.system or None,
        options=typed_sampling_options(given),
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
    return ParsedAskOptions(model, settings, template, parameters, config)


def typed_sampling_options(given: AskOptions) -> Options:
    """The sampling options that were typed. Raises InvalidInput."""
    pairs = cast("list[tuple[str, str]]", given.option or [])
    return parse_options(pairs, **given.sampling)


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
        raise InvalidInput(
            f"--keep-alive must be {error}, not {text!r}", hint="--keep-alive 5m"
        ) from error


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
