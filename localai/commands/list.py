"""`localai list`: every model that could answer, and where."""

from __future__ import annotations

from typing import Annotated

import typer

from localai.chat.catalog import offers
from localai.commands.startup import begin
from localai.render.documents import model_document
from localai.render.sink import note, print_json, print_table
from localai.render.units import UNKNOWN, bytes_text, count_text
from localai.types import ResolvedModel

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command("list")
def list_models(
    provider: Annotated[
        str | None, typer.Option("--provider", help="Only what this provider has.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Every model of every provider that answers: size, quantization, context, zone."""
    paths, config = begin("list")
    found = [
        offer for offer in offers(config, paths) if provider is None or offer.provider == provider
    ]
    if as_json:
        models = [model_document(model) for offer in found for model in offer.models]
        silent = [{"provider": o.provider, "problem": o.problem} for o in found if o.problem]
        print_json("list", {"models": models, "silent": silent})
        return
    rows = [_row(model) for offer in found for model in offer.models]
    if rows:
        print_table(
            ["model", "provider", "size", "quantization", "parameters", "context", "zone"], rows
        )
    else:
        note("there is no model on this machine yet: localai pull starter")
    for offer in found:
        if offer.problem:
            note(f"{offer.provider}: {offer.problem}")


def _row(model: ResolvedModel) -> list[str]:
    return [
        model.id,
        model.provider,
        bytes_text(model.size_bytes),
        model.quantization or UNKNOWN,
        model.parameters or UNKNOWN,
        count_text(model.context_limit),
        "unproven" if model.zone is None else model.zone.label,
    ]
