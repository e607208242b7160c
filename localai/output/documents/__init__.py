"""The machine-readable promise: every document that `--json` prints, its shape and its making.

The documents of `localai NAME` are in the module NAME, each as a type beside the function that
builds it; `answer`, `failure` and `model` hold what the documents of several commands contain. A
type with a field `schema` is a document, and is registered by standing in the module of its
command: `docs/reference/json.md` is generated from these types, and the tests hold every command's
real output against them.

Unknown is null, never zero and never left out. A field may be added within a version; none is
renamed, removed or given another meaning without raising it.

A command imports its module inside the function that prints JSON: the shapes cost a third of a
millisecond each. They are `typing.TypedDict`s, because `typing_extensions` costs more to import
than all of them; what needs those of `typing_extensions` (pydantic, before Python 3.12) is given
a copy by `tests.support.promise`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, is_typeddict

if TYPE_CHECKING:
    from typing_extensions import ReadOnly, TypedDict

    class Document(TypedDict):
        """Any document of the promise."""

        schema: ReadOnly[str]


FAILURE = "failure"
"""The module of the one document that every command may print."""


def documents_of(command: str) -> tuple[type, ...]:
    """The documents that `localai COMMAND --json` prints, in the order of their definition; none
    for a command without `--json`."""
    name = f"{__name__}.{command}"
    if find_spec(name) is None:
        return ()
    defined = vars(import_module(name)).values()
    return tuple(
        each
        for each in defined
        if is_typeddict(each) and each.__module__ == name and "schema" in each.__annotations__
    )
