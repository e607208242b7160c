"""The document of `localai cp`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.stores.folders import StoreName

if TYPE_CHECKING:
    from localai.library.copy import SecondName


class Cp(TypedDict):
    """`localai cp --json`"""

    schema: Annotated[Literal["localai.cp/1"], "the name and version of the document"]
    source_model: Annotated[str, "the model that gets the second name"]
    model: Annotated[str, "the model's second name"]
    store: Annotated[StoreName, "the model store of the second name"]
    path: Annotated[str, "the model's file or folder in that store"]
    how: Annotated[
        Literal["manifest", "hard link", "link"],
        "what lets both names share the bytes; nothing is copied",
    ]


def cp_document(given: SecondName) -> Cp:
    """The document of `localai cp`."""
    return {
        "schema": "localai.cp/1",
        "source_model": given.source,
        "model": given.name,
        "store": given.store,
        "path": str(given.path),
        "how": given.how,
    }
