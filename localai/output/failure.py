"""How an error is shown: text on stderr, or a document with `error` on stdout."""

from __future__ import annotations

import sys

from localai.errors import Interrupted, LocalaiError
from localai.output.streams import fitted, print_json, stderr_color


def show_failure(error: LocalaiError, command: str, *, as_json: bool) -> None:
    """Show `error`; with `as_json` as the document that a failed `--json` promises."""
    if as_json:
        print_json(command, {"error": error_document(error)})
        return
    if isinstance(error, Interrupted):
        return
    red, dim, reset = ("\x1b[31m", "\x1b[2m", "\x1b[0m") if stderr_color() else ("", "", "")
    # The hint is not broken into lines: it is there to be pasted.
    lines = [f"{red}error:{reset}" + fitted(f"error: {error.message}").removeprefix("error:")]
    if error.hint:
        lines += ["", f"{dim}hint:{reset} {error.hint}"]
    print("\n".join(lines), file=sys.stderr)


def error_document(error: LocalaiError) -> dict[str, object]:
    """The `error` object of the JSON promise."""
    return {
        "kind": error.kind,
        "message": error.message,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }
