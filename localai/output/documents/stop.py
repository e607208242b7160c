"""The document of `localai stop`."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict


class Stop(TypedDict):
    """`localai stop --json`"""

    schema: Annotated[Literal["localai.stop/1"], "the name and version of the document"]
    stopped: Annotated[list[str], "the models that were unloaded"]


def stop_document(models: list[str]) -> Stop:
    """The document of `localai stop`."""
    return {"schema": "localai.stop/1", "stopped": models}
