"""`localai quantize`: a smaller model of a large one."""

from __future__ import annotations

from typing import Annotated

import typer

from localai.commands.startup import begin
from localai.library.quantize import Plan, plan_quantization
from localai.library.quantize import quantize as do_quantize
from localai.output.progress import show_work
from localai.output.streams import note, print_document
from localai.output.units import UNKNOWN, bytes_text
from localai.sizing.memory import MemoryNeed

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def quantize(
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
        typer.Option("-o", "--name", help="What it shall be called; else SOURCE-TYPE."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also what has been quantized before.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Make a smaller model of an f16, bf16 or f32 one; the source stays.

    Plain types are made by the gguf package, K-types by a running Ollama or the engine's own
    library, MLX folders by mlx-lm.
    The result has to load and answer before it is kept.
    """
    paths, config = begin("quantize")
    plan = plan_quantization(source, to, name, config, paths, force=force)
    if dry_run:
        if as_json:
            from localai.output.documents.quantize import quantize_document

            print_document(quantize_document(plan, None))
        else:
            print("\n".join(_plan_lines(plan)))
        return
    if not as_json:
        for line in _plan_lines(plan):
            note(line)
    made = show_work(do_quantize(plan, config, paths), quiet=as_json)
    if as_json:
        from localai.output.documents.quantize import quantize_document

        print_document(quantize_document(plan, made))
        return
    note(
        f"{plan.name}: {bytes_text(plan.size_bytes)} became {bytes_text(made.size_bytes)},"
        f" memory {_memory(plan.need)} became {_memory(made.need)}"
    )
    if made.answer is not None:
        note(f"it loads and answers: {made.answer}")


def _plan_lines(plan: Plan) -> list[str]:
    kind = plan.source.quantization or UNKNOWN
    before = f"{bytes_text(plan.size_bytes)}, {_memory(plan.need)} of memory"
    return [
        f"from    {plan.source.id}  {kind}, {before}",
        f"to      {plan.name}  {plan.to}, about {bytes_text(plan.made_bytes)}, by {plan.by}",
        f"into    {plan.target.parent}  {bytes_text(plan.disk_free_bytes)} free",
    ]


def _memory(need: MemoryNeed | None) -> str:
    return UNKNOWN if need is None else bytes_text(need.total_bytes)
