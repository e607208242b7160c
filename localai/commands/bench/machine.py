"""`localai bench machine`: the limits of the machine itself, whatever the model."""

from __future__ import annotations

from typing import Annotated

import typer

from localai.commands.common_options import Json
from localai.commands.settings import load_settings, open_pool
from localai.errors import LocalaiError
from localai.output.output import Output


def machine(
    context: typer.Context,
    model: Annotated[
        str | None,
        typer.Argument(
            help="The model whose file is read from the disk.  [default: the default model]"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure memory bandwidth by threads, the reading of a model's file, and a fixed piece of
    work.

    Decoding reads all weights in use for each token, so no engine is faster than memory.
    """
    from localai.bench.machine_limits import limits
    from localai.chat.select import select_model
    from localai.hardware.detect import detect
    from localai.output.table import Column

    output = Output("bench", as_json=as_json)
    paths, config = load_settings("bench")
    try:
        path = select_model(model, config, open_pool(context, paths)).model.path
    except LocalaiError:
        # Only the disk's row needs a model.
        if model is not None:
            raise
        path = None
    found = detect(paths.models_dir)
    cores = int(found.cpu.usable_cores.value or found.cpu.logical_cores.value or 1)
    output.note("measuring for about five seconds …")
    file = path if path is not None and path.is_file() else None
    measured = list(limits(cores, file, found.cpu.last_level_cache_bytes.value))
    if as_json:
        from localai.output.documents.bench import bench_machine_document

        output.document(bench_machine_document(measured))
    columns = (Column("what"), Column("rate", right=True), Column("how", wraps=True))
    output.table(
        columns,
        [[each.name, f"{each.bytes_per_s / 1e9:.1f} GB/s", each.how] for each in measured],
    )
