"""The document of a failure, the same for every command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypedDict

if TYPE_CHECKING:
    from localai.errors import LocalaiError


class ErrorDocument(TypedDict):
    """An error."""

    kind: Annotated[str, "the kind of the error, from the table of exit codes"]
    message: Annotated[str, "what happened, and to which thing"]
    hint: Annotated[str | None, "what to do, in words"]
    command: Annotated[str | None, "a line that does it and can be run as it stands"]
    check: Annotated[str | None, "the argument for `localai doctor` that finds the cause"]
    exit_code: Annotated[int, "the command's exit code"]


class Failed(TypedDict):
    """Any command that failed prints this on stdout, with the same exit code as without --json."""

    schema: Annotated[str, "localai.<command>/1"]
    error: Annotated[ErrorDocument, "what went wrong"]


def failure_document(error: LocalaiError, command: str) -> Failed:
    """The document of a command that failed."""
    return {"schema": f"localai.{command}/1", "error": error_document(error)}


def error_document(error: LocalaiError) -> ErrorDocument:
    """The `error` of a document."""
    return {
        "kind": error.kind,
        "message": error.message,
        "hint": error.hint,
        "command": error.command,
        "check": error.check,
        "exit_code": error.exit_code,
    }
