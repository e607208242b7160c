"""The machine-readable promise: the type of every document that `--json` prints, and the function
that makes it.

The documents of `localai NAME` are in the module NAME, each as a type beside the function that
builds it. `answer`, `figure` and `model` have the parts that several commands' documents share,
`bench_result` and `compare_run` a part of one command's. A
type with a field `schema` is a document; standing in the module of its command registers it.
`docs/reference/json.md` is generated from these types, and the tests compare every command's real
output with them.

An unknown value is null, never zero and never left out. Within a version, a field may be added, but
none is renamed, removed or given another meaning.

A command imports its module inside the function that prints JSON, because each type costs a third
of a millisecond. The types are `typing.TypedDict`s, because `typing_extensions` takes longer to
import than all of them. Before Python 3.12, pydantic needs the `TypedDict` of `typing_extensions`;
`tests.support.promise` gives it copies of that kind.
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
    """The documents that `localai COMMAND --json` prints, in the order of their definition; empty
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
