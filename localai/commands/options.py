"""The options that several commands have: each is declared here, once.

def rm(yes: Yes = False, as_json: Json = False) -> None:
"""

from __future__ import annotations

from typing import Annotated

import typer


def _without_network(context: typer.Context, wanted: bool) -> None:
    """Go on where the kernel has no network, before anything else is done."""
    if wanted and not context.resilient_parsing:
        from localai.privacy.sandbox import airgap_reexec

        airgap_reexec(["--airgap", *context.obj])


Airgap = Annotated[
    bool,
    typer.Option(
        "--airgap",
        is_eager=True,
        callback=_without_network,
        help="Run the whole command where the kernel has no network.",
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Nothing on stderr but errors.")]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME|FILE",
        help="Another machine than this one: m3-max-64gb, m2-8gb, rtx-4090, laptop-16gb, "
        "or what `localai hardware --json` wrote there.",
    ),
]
