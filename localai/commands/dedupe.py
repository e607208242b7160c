"""`localai dedupe`: the same bytes in two stores once on the disk."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from localai.commands.startup import begin
from localai.errors import Interrupted, InvalidInput
from localai.library.duplicates import find_duplicates, link
from localai.output.duplicates import print_duplicates
from localai.output.progress import show_work
from localai.output.streams import ask, is_terminal, note, print_document
from localai.output.units import bytes_text

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def dedupe(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be linked.")
    ] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do it unasked.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Find the same bytes in several places and make them one file by hard links.

    What is the same is told by SHA-256 over everything. Each program finds its file where it was.
    Files whose owner or permissions differ, and files that are open, are left as they are.
    """
    paths, _ = begin("dedupe")
    found = show_work(find_duplicates(paths), quiet=as_json)
    if not as_json:
        print_duplicates(found)
    possible = sum(each.freed_bytes for each in found)
    if dry_run or not possible:
        freed = [each.freed_bytes for each in found]
        if not as_json:
            note(_unchanged(bool(found), possible))
    else:
        if not yes:
            _ask(possible, may_ask=not as_json)
        freed = [link(each) for each in found]
        if not as_json:
            note(f"{bytes_text(sum(freed))} freed")
    if as_json:
        from localai.output.documents.dedupe import dedupe_document

        print_document(dedupe_document(found, freed, dry_run=dry_run))


def _unchanged(any_found: bool, possible: int) -> str:
    if possible:
        return f"linking them would free {bytes_text(possible)}"
    return "none of them can be linked" if any_found else "nothing is here twice"


def _ask(possible: int, *, may_ask: bool) -> None:
    if not may_ask or not is_terminal(sys.stdin) or not is_terminal(sys.stderr):
        raise InvalidInput(
            "this changes files in several programs' stores, and has to be confirmed",
            command="localai dedupe --yes",
        )
    if not ask(f"Link them? It frees {bytes_text(possible)}."):
        raise Interrupted("nothing was linked")
