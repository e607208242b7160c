"""The options of `localai chat` that ask no model: `--dry-run` and `--save`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localai.commands.ask_options import AskOptions
from localai.commands.parsed_ask_options import ParsedAskOptions, typed_sampling_options
from localai.errors import InvalidInput
from localai.output.output import Output
from localai.paths import locate

if TYPE_CHECKING:
    from localai.chat.select import SelectedModel
    from localai.types import ChatRequest


def show_dry_run(
    selected: SelectedModel,
    request: ChatRequest,
    ask_options: AskOptions,
    parsed: ParsedAskOptions,
    output: Output,
) -> None:
    """Show what `request` would send: its model, its options, and the prompt."""
    from localai.chat.dry_run import dry_run as dry_run_of
    from localai.chat.dry_run import lasting_options
    from localai.output.documents.chat import dry_run_document
    from localai.output.dry_run import print_dry_run

    given = {"the command line": typed_sampling_options(ask_options)}
    if parsed.template is not None:
        given[f"the template {parsed.template.name}"] = parsed.template.options
    given |= lasting_options(selected.model, parsed.config, locate())
    found = dry_run_of(selected, request, given, parsed.config)
    output.document(dry_run_document(found))
    if not output.as_json:
        print_dry_run(found, output)


def save_line(
    name: str,
    prompt: list[str] | None,
    ask_options: AskOptions,
    output: Output,
    cannot_be_kept: list[object],
) -> None:
    """Write the command line as a template of the user's own. Raises InvalidInput for an option
    that a template cannot have, and if the name is taken."""
    from localai.chat.templates import save_template

    others = (
        ask_options.template,
        ask_options.ctx,
        ask_options.think,
        ask_options.chat_template,
        ask_options.adapter,
        ask_options.keep_alive,
        *cannot_be_kept,
    )
    if any(others):
        raise InvalidInput(
            "--save keeps a question, -s, -m, --schema and the model's options, and nothing else",
            hint="files and pictures go along when the template is used",
        )
    file = save_template(
        name,
        locate(),
        prompt=" ".join(prompt or []),
        system=ask_options.system,
        model=ask_options.model,
        schema=ask_options.schema,
        options=typed_sampling_options(ask_options),
    )
    output.line(str(file))
    output.note(f"localai chat -t {name} asks it")
