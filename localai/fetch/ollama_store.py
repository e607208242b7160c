"""Whether we may write into Ollama's store, and who else would see the files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from localai.errors import ForeignStore
from localai.stores.ollama import OllamaName, ollama_roots


def own_root(name: OllamaName, environ: Mapping[str, str]) -> Path:
    """The store that an Ollama of this user would use. Raises ForeignStore if it cannot be written,
    because it belongs to the user that Ollama's service runs as."""
    root = ollama_roots(environ)[0]
    in_the_way = next(
        filter(_not_writable, (_nearest(root), root / "blobs", root / "manifests")), None
    )
    if in_the_way is None:
        return root
    raise ForeignStore(
        f"Ollama's models are in {root}, and you may not write to {in_the_way}{_owner(in_the_way)}",
        hint="let Ollama fetch it: localai then uses it in place; or set "
        "OLLAMA_MODELS=/a/folder/of/yours",
        command=("ollama", "pull", name.short),
    )


def _nearest(folder: Path) -> Path:
    """`folder`, or its nearest parent that we can see."""
    for each in (folder, *folder.parents):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            each.stat()
            return each
    return folder


def _not_writable(folder: Path) -> bool:
    try:
        folder.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK))


def _owner(path: Path) -> str:
    try:
        return f", which belongs to {path.owner()}"
    except (KeyError, OSError):
        return ""


def service_notes(roots: list[Path], name: OllamaName) -> tuple[str, ...]:
    """A note for a user of Ollama's service, whose store only the service may write to."""
    note = (
        "Ollama's service has its models in {}: it will not see this one, localai will "
        f"(for both: ollama pull {name.short})"
    )
    return tuple(note.format(root) for root in roots[1:] if root.is_dir())
