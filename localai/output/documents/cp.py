"""The document of `localai cp`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.stores.folders import StoreName

if TYPE_CHECKING:
    from localai.library.copy import SecondName


class Cp(TypedDict):
    """`localai cp --json`"""

    schema: Annotated[Literal["localai.cp/1"], "the promise that the rest keeps"]
    source_model: Annotated[str, "the model that gets it"]
    model: Annotated[str, "its second name"]
    store: Annotated[StoreName, "in which store that is"]
    path: Annotated[str, "its file or folder there"]
    how: Annotated[
        Literal["manifest", "hard link", "link"], "what shares the bytes: nothing was copied"
    ]


def cp_document(given: SecondName) -> Cp:
    """What `localai cp` prints."""
    return {
        "schema": "localai.cp/1",
        "source_model": given.source,
        "model": given.name,
        "store": given.store,
        "path": str(given.path),
        "how": given.how,
    }
