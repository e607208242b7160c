"""`localai dedupe`: files with the same bytes become one file on the disk."""

from __future__ import annotations

from typing import Annotated

import typer

from localai.commands.common_options import Json, Quiet, Yes
from localai.commands.settings import load_settings
from localai.errors import InvalidInput
from localai.library.duplicates import find_duplicates, link
from localai.output.duplicates import print_duplicates
from localai.output.output import Output
from localai.output.progress import show_work
from localai.units import bytes_text

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def dedupe(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Link nothing; say what would be linked.")
    ] = False,
    yes: Yes = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Find files with the same bytes in several places, and make them one by hard links.

    Files are the same if their whole SHA-256 is. Each program finds its file where it was. Files
    that are open, or whose owner or permissions differ, are left as they are.
    """
    output = Output("dedupe", as_json=as_json, quiet=quiet)
    paths, _ = load_settings("dedupe")
    found = show_work(find_duplicates(paths), output)
    print_duplicates(found, output)
    possible = sum(each.freed_bytes for each in found)
    if dry_run or not possible:
        freed = [each.freed_bytes for each in found]
        output.note(_unchanged(bool(found), possible))
    else:
        if not yes:
            output.confirm(
                f"Link them? It frees {bytes_text(possible)}.",
                unasked=InvalidInput(
                    "this changes files in several programs' stores, and has to be confirmed",
                    command="localai dedupe --yes",
                ),
                declined="nothing was linked",
            )
        freed = [link(each) for each in found]
        output.note(f"{bytes_text(sum(freed))} freed")
    if output.as_json:
        from localai.output.documents.dedupe import dedupe_document

        output.document(dedupe_document(found, freed, dry_run=dry_run))


def _unchanged(any_found: bool, possible: int) -> str:
    if possible:
        return f"linking them would free {bytes_text(possible)}"
    return "none of them can be linked" if any_found else "nothing is here twice"
