"""How an error is shown: text on stderr, or a document with `error` on stdout."""

from __future__ import annotations

from localai.errors import LocalaiError
from localai.output.output import Output


def show_failure(error: LocalaiError, command: str, *, as_json: bool) -> None:
    """Show `error`; with `as_json` as the document that a failed `--json` promises."""
    Output(command, as_json=as_json).error(error)
