"""Changing Ollama's store by its layout, for when no Ollama runs: second names, and removal.

A blob goes only when no other manifest names it; where one manifest cannot be read, no blob goes.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from localai.errors import InvalidInput
from localai.files import write_atomically
from localai.stores.ollama import OllamaName, blob_path

_LARGEST_MANIFEST_BYTES: Final = 1 << 20


def blobs_of(root: Path, name: OllamaName) -> frozenset[Path]:
    """Every blob that the manifest of `name` names. Raises InvalidInput for one that is none."""
    manifest = name.manifest(root)
    found = _blobs(root, manifest)
    if found is None:
        raise InvalidInput(f"{manifest} cannot be read as a manifest")
    return found


def own_blobs(root: Path, name: OllamaName) -> frozenset[Path]:
    """The blobs that no other manifest of the store names."""
    mine = blobs_of(root, name)
    return mine - _named_elsewhere(root, name.manifest(root), mine)


def unnamed(root: Path, blobs: frozenset[Path]) -> frozenset[Path]:
    """Those of `blobs` that no manifest of the store names."""
    return blobs - _named_elsewhere(root, None, blobs)


def remove_manifest(root: Path, name: OllamaName) -> None:
    """Take the name away; the blobs stay. Raises OSError."""
    manifest = name.manifest(root)
    manifest.unlink(missing_ok=True)
    # As Ollama does: folders that held only this tag go too, up to the manifests' own.
    for folder in list(manifest.parents)[:3]:
        with contextlib.suppress(OSError):
            folder.rmdir()


def copy_manifest(root: Path, source: OllamaName, target: OllamaName) -> None:
    """Give the model `source` a second name, over the same blobs. Raises OSError."""
    manifest = target.manifest(root)
    manifest.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(manifest, source.manifest(root).read_bytes())
    # Ollama's service may be another user's.
    manifest.chmod(0o644)


def root_of(blob: Path) -> Path:
    """The store that a model's blob is in."""
    return blob.parent.parent


def _named_elsewhere(root: Path, but: Path | None, all_of: frozenset[Path]) -> frozenset[Path]:
    named: set[Path] = set()
    for manifest in _manifests(root):
        if manifest == but:
            continue
        blobs = _blobs(root, manifest)
        if blobs is None:
            return all_of
        named |= blobs
    return frozenset(named)


def _manifests(root: Path) -> Iterator[Path]:
    for where, _, files in os.walk(root / "manifests"):
        yield from (Path(where, name) for name in files if not name.startswith("."))


def _blobs(root: Path, manifest: Path) -> frozenset[Path] | None:
    """What a manifest names; None where it cannot be read. What is no digest names nothing."""
    try:
        with manifest.open("rb") as file:
            document: Any = json.loads(file.read(_LARGEST_MANIFEST_BYTES))
        layers = [*document["layers"], document.get("config") or {}]
        digests = [str(layer.get("digest", "")) for layer in layers]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    found = (blob_path(root, digest) for digest in digests)
    return frozenset(path for path in found if path is not None)
