"""`localai quantize`: a smaller model made from a large one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from localai.commands.common_options import Json, Quiet
from localai.commands.settings import load_settings, open_pool
from localai.library.quantization.plan import QuantizationPlan, plan_quantization
from localai.library.quantization.run import quantize as do_quantize
from localai.output.output import Output
from localai.output.progress import show_work
from localai.sizing.memory import MemoryNeed
from localai.units import UNKNOWN, bytes_text

if TYPE_CHECKING:
    from collections.abc import Mapping

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def quantize(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(help="A name of `localai list`, a GGUF file or an MLX folder.")
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="TYPE",
            help="q4_k_m, q5_k_m, q6_k, q8_0, q4_0, …, f16; MLX: 4bit, …",
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", help="The name of the result.  [default: SOURCE-TYPE]"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Quantize even a model that is quantized already.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Make nothing; say what would be made.")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make a smaller model from an f16, bf16 or f32 one; the source stays.

    The gguf package makes plain types, a running Ollama or the engine's own library makes K-types,
    and mlx-lm makes MLX folders.
    The result is kept only if it loads and answers.
    """
    output = Output("quantize", as_json=as_json, quiet=quiet)
    paths, config = load_settings("quantize")
    plan = plan_quantization(source, to, name, config, paths, force=force)
    if dry_run:
        if output.as_json:
            from localai.output.documents.quantize import quantize_document

            output.document(quantize_document(plan, None))
        output.facts(_plan_facts(plan))
        return
    for name, text in _plan_facts(plan):
        output.note(f"{name:<6}{text}")
    made = show_work(do_quantize(plan, config, paths, open_pool(context, paths)), output)
    if output.as_json:
        from localai.output.documents.quantize import quantize_document

        output.document(quantize_document(plan, made))
    output.note(
        f"{plan.name}: {bytes_text(plan.conversion.size_bytes)} became"
        f" {bytes_text(made.size_bytes)}, memory {_memory(plan.need)} became {_memory(made.need)}"
    )
    if made.answer is not None:
        output.note(f"it loads and answers: {made.answer}")


def _plan_facts(plan: QuantizationPlan) -> list[tuple[str, str]]:
    conversion = plan.conversion
    kind = plan.source.quantization or UNKNOWN
    before = f"{bytes_text(conversion.size_bytes)}, {_memory(plan.need)} of memory"
    after = bytes_text(conversion.made_bytes)
    return [
        ("from", f"{plan.source.id}  {kind}, {before}"),
        ("to", f"{plan.name}  {conversion.to}, about {after}, by {conversion.by}"),
        ("into", f"{plan.target.parent}  {bytes_text(plan.disk_free_bytes)} free"),
        *_fallback_facts(conversion.fallbacks),
    ]


def _fallback_facts(fallbacks: Mapping[str, float]) -> list[tuple[str, str]]:
    if not fallbacks:
        return []
    parts = ", ".join(f"{share:.0%} {name}" for name, share in fallbacks.items())
    share = sum(fallbacks.values())
    why = f"rows of {share:.0%} of its weights are no whole blocks of that type"
    return [("note", f"{why}; they become larger ones: {parts}")]


def _memory(need: MemoryNeed | None) -> str:
    return UNKNOWN if need is None else bytes_text(need.total_bytes)
