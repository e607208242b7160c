"""A failure as a document: the same of every command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypedDict

if TYPE_CHECKING:
    from localai.errors import LocalaiError


class ErrorDocument(TypedDict):
    """What went wrong."""

    kind: Annotated[str, "the kind, see the table of exit codes"]
    message: Annotated[str, "what happened, to which thing"]
    hint: Annotated[str | None, "what to do, in words"]
    command: Annotated[str | None, "one line that does it, to be run as it stands"]
    check: Annotated[str | None, "what to call `localai doctor` with, to find out why"]
    exit_code: Annotated[int, "the same as the command's"]


class Failed(TypedDict):
    """Any command that failed prints this on stdout, with the same exit code as without --json."""

    schema: Annotated[str, "localai.<command>/1"]
    error: Annotated[ErrorDocument, "what went wrong"]


def failure_document(error: LocalaiError, command: str) -> Failed:
    """What a command that failed prints."""
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
