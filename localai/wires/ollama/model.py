"""What Ollama's documents tell of a model (`/api/tags`, `/api/show`). No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localai.types import (
    Capability,
)

_CAPABILITIES: Mapping[str, Capability] = {
    "completion": "completion",
    "tools": "tools",
    "vision": "vision",
    "thinking": "thinking",
    "embedding": "embedding",
}


def remote_of(document: Mapping[str, Any]) -> str | None:
    """The host of the other machine that computes the answer, from the fields of a model or a
    chunk; None if they name none."""
    host, model = document.get("remote_host"), document.get("remote_model")
    if not host and not model:
        return None
    return str(host or f"its cloud, as {model}")


def remote_by_name(name: str) -> str | None:
    """The host to which Ollama sends requests for a model because of its name alone (`x:cloud`,
    `x:8b-cloud`); None for other names.

    Newer versions of Ollama pass such requests through, and then no answer names the machine that
    it came from.
    """
    tag = name.rpartition("/")[2].partition(":")[2].strip().lower()
    return "its cloud" if tag == "cloud" or tag.endswith("-cloud") else None


def capabilities_of(document: Mapping[str, Any]) -> frozenset[Capability] | None:
    """The capabilities of a model, from its document in `/api/tags` or `/api/show`; None if an old
    server does not state them."""
    listed = document.get("capabilities")
    if not listed:
        return None
    known = {_CAPABILITIES[name] for name in listed if name in _CAPABILITIES}
    return frozenset(known | {"schema"}) if "completion" in known else frozenset(known)


def context_limit_of(show: Mapping[str, Any]) -> int | None:
    """The largest context that the model was made for, in tokens."""
    info = show.get("model_info") or {}
    architecture = info.get("general.architecture")
    limit = info.get(f"{architecture}.context_length")
    if limit is None:
        limit = (show.get("details") or {}).get("context_length")
    return int(limit) if limit else None


def blob_of(modelfile: str | None) -> Path | None:
    """The path of the file that a model's Modelfile names, in the model store of that server."""
    found = re.search(r"^FROM (/.+)$", modelfile or "", re.MULTILINE)
    return Path(found[1].strip()) if found else None


def think_switches_of(show: Mapping[str, Any]) -> tuple[bool | None, bool | None]:
    """Whether a model's TEMPLATE knows of thinking that is off, and of levels; None for both where
    Ollama makes the prompt by code of its own."""
    template, modelfile = show.get("template"), show.get("modelfile") or ""
    if not template or show.get("renderer") or re.search("^RENDERER ", modelfile, re.MULTILINE):
        return None, None
    knows_off = re.search(r"\.(Think|IsThinkSet)\b", template) is not None
    return knows_off, re.search(r"\.ThinkLevel\b", template) is not None


def makers_limit_of(show: Mapping[str, Any]) -> int | None:
    """The `num_predict` that the model's maker wrote into it; None if there is no limit."""
    found = re.search(r"^num_predict\s+(\d+)", show.get("parameters") or "", re.MULTILINE)
    return int(found[1]) if found and int(found[1]) > 0 else None


def makers_context_of(show: Mapping[str, Any]) -> int | None:
    """The `num_ctx` that the model's maker wrote into it."""
    found = re.search(r"^num_ctx\s+(\d+)", show.get("parameters") or "", re.MULTILINE)
    return int(found[1]) if found else None
