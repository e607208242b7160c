"""The document of `localai stop`."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict


class Stop(TypedDict):
    """`localai stop --json`"""

    schema: Annotated[Literal["localai.stop/1"], "the promise that the rest keeps"]
    stopped: Annotated[list[str], "the models that were unloaded"]


def stop_document(models: list[str]) -> Stop:
    """What `localai stop` prints."""
    return {"schema": "localai.stop/1", "stopped": models}
