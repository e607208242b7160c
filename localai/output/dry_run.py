"""A question that is shown instead of sent (`--dry-run`), for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localai.providers.registry import full_name
from localai.units import counted

if TYPE_CHECKING:
    from localai.chat.dry_run import DryRun
    from localai.output.output import Output

_STAYS: Final = "nobody: it stays on this machine"


def print_dry_run(found: DryRun, output: Output) -> None:
    """Print the model that would get the question, the settings, and the prompt as the model would
    read it."""
    request, model = found.request, found.request.model
    zone = "unproven" if model.zone is None else model.zone.label
    stays = "a server on this machine, which may hand it on" if model.zone is None else _STAYS
    tokens = found.about_tokens if found.rendered is None else found.rendered.tokens
    about = "about " if found.rendered is None else ""
    limit = f" of at most {model.context_limit:,}" if model.context_limit else ""
    output.facts(
        [
            ("model", full_name(model.provider, model.id)),
            ("goes to", f"{found.destination or stays} ({zone})"),
            ("prompt", f"{about}{counted(tokens, 'token')}{limit}"),
            *((each.name, f"{each.value}", each.origin) for each in found.options),
        ]
    )
    output.line()
    if found.rendered is not None:
        output.text(found.rendered.text)
        return
    for message in request.messages:
        pictures = f" (+{counted(len(message.pictures), 'picture')})" if message.pictures else ""
        output.line((f"{message.role}{pictures}:", "bold"))
        output.text(message.text)
