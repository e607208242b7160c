"""Ollama's store on disk, read and changed without Ollama: manifests, and GGUF files as blobs.

Layout: `manifests/HOST/NAMESPACE/NAME/TAG` is an OCI manifest (JSON); `blobs/sha256-HEX` are the
layers. Broken manifests and remote models are left out. Ollama reads its manifests each time it is
asked, so it need not be told of a change.

A blob is removed only if no other manifest names it. If any manifest cannot be read, no blob is
removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.files import is_file, write_atomically
from localai.patterns import lazy_pattern
from localai.stores.folders import StoredModel
from localai.stores.oci_manifest import MediaType
from localai.stores.ollama_layers import context_of, examples_of, has_renderer, options_of

DEFAULT_HOST: Final = "registry.ollama.ai"
DEFAULT_NAMESPACE: Final = "library"
DEFAULT_TAG: Final = "latest"

# The store of the Ollama that a Linux distribution or Ollama's installer runs as a service.
_SERVICE_ROOT: Final = Path("/usr/share/ollama/.ollama/models")
_PART: Final = lazy_pattern(r"[A-Za-z0-9_][\w.-]*", re.ASCII)
_HOST: Final = lazy_pattern(r"[A-Za-z0-9][\w.-]*(?::\d+)?", re.ASCII)
_DIGEST: Final = lazy_pattern(r"sha256[:-]([0-9a-f]{64})")
_LARGEST_MANIFEST_BYTES: Final = 1 << 20
_LARGEST_TEXT_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class OllamaName:
    """A name in Ollama's form, [HOST/][NAMESPACE/]NAME[:TAG], with every part filled in."""

    host: str
    namespace: str
    name: str
    tag: str

    @property
    def short(self) -> str:
        """The name that `ollama list` shows: without the default host and namespace."""
        text = f"{self.name}:{self.tag}"
        if self.host != DEFAULT_HOST:
            return f"{self.host}/{self.namespace}/{text}"
        return text if self.namespace == DEFAULT_NAMESPACE else f"{self.namespace}/{text}"

    def manifest(self, root: Path) -> Path:
        """The path of the manifest in the store at `root`."""
        return root / "manifests" / self.host / self.namespace / self.name / self.tag


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """An unchecked entry of a stored manifest; `size_bytes` is None if it is no number."""

    media_type: str
    digest: str
    size_bytes: int | None


def parse_name(text: str) -> OllamaName | None:
    """`text` as a name of Ollama's; None if it cannot be one. No name leads out of the store."""
    *before, last = text.split("/")
    name, separator, tag = last.partition(":")
    if len(before) > 2 or (separator and not tag):
        return None
    host = before[0] if len(before) == 2 else DEFAULT_HOST
    namespace = before[-1] if before else DEFAULT_NAMESPACE
    tag = tag or DEFAULT_TAG
    if not _HOST.fullmatch(host) or not all(map(_PART.fullmatch, (namespace, name, tag))):
        return None
    return OllamaName(host, namespace, name, tag)


def ollama_roots(environ: Mapping[str, str]) -> list[Path]:
    """The stores of this machine; first the one that an Ollama of this user would use."""
    chosen = environ.get("OLLAMA_MODELS")
    own = Path(chosen).expanduser() if chosen else Path.home() / ".ollama" / "models"
    return [own] if own == _SERVICE_ROOT else [own, _SERVICE_ROOT]


def ollama_models(environ: Mapping[str, str]) -> Iterator[StoredModel]:
    """Every model whose files are all in a store. A name that is in two stores is listed once."""
    seen: set[str] = set()
    for root in ollama_roots(environ):
        for name in _names(root):
            model = _read(root, name)
            if model is not None and model.name not in seen:
                seen.add(model.name)
                yield model


def find_ollama_model(text: str, environ: Mapping[str, str]) -> StoredModel | None:
    """The model that Ollama calls `text`, found by its manifest alone; None if there is none."""
    name = parse_name(text)
    if name is None:
        return None
    found = (_read(root, name) for root in ollama_roots(environ))
    return next((model for model in found if model is not None), None)


def license_texts(root: Path, text: str) -> list[str]:
    """The licences that came with the model called `text`, under that name and no other."""
    name = parse_name(text)
    layers = None if name is None else _layers(name.manifest(root))
    return [
        _text(root, str(layer.get("digest")))
        for layer in layers or ()
        if layer.get("mediaType") == MediaType.LICENSE
    ]


def blob_path(root: Path, digest: str) -> Path | None:
    """The path of the blob with this digest, `sha256:…`, in the store at `root`; None if the digest
    is malformed."""
    match = _DIGEST.fullmatch(digest)
    return None if match is None else root / "blobs" / f"sha256-{match[1]}"


def manifests(root: Path) -> Iterator[tuple[OllamaName, tuple[StoredLayer, ...] | None]]:
    """Yields each name in the store at `root` and its layers, the config last; None as layers if
    the manifest is broken."""
    for name in _names(root):
        layers = _layers(name.manifest(root))
        yield name, None if layers is None else tuple(_layer(each) for each in layers)


def _layer(entry: Mapping[str, Any]) -> StoredLayer:
    size = entry.get("size")
    return StoredLayer(
        str(entry.get("mediaType", "")),
        str(entry.get("digest", "")),
        size if isinstance(size, int) and not isinstance(size, bool) else None,
    )


def _names(root: Path) -> list[OllamaName]:
    manifests = root / "manifests"
    names: list[OllamaName] = []
    for where, _, files in os.walk(manifests):
        parts = Path(where).relative_to(manifests).parts
        if len(parts) == 3:
            parsed = (parse_name(f"{'/'.join(parts)}:{tag}") for tag in files)
            names += [name for name in parsed if name is not None]
    return sorted(names, key=lambda name: name.short)


def blobs_of(root: Path, name: OllamaName) -> frozenset[Path]:
    """The blobs that the manifest of `name` names. Raises InvalidInput if the manifest is
    broken."""
    manifest = name.manifest(root)
    found = _blobs(root, manifest)
    if found is None:
        raise InvalidInput(f"{manifest} cannot be read as a manifest")
    return found


def blobs_only_of(root: Path, name: OllamaName) -> frozenset[Path]:
    """The blobs that only the manifest of `name` names. Raises InvalidInput if the manifest is
    broken."""
    own = blobs_of(root, name)
    return own - _named(root, own, without=name.manifest(root))


def unreferenced(root: Path, blobs: frozenset[Path]) -> frozenset[Path]:
    """Those of `blobs` that no manifest of the store names; none if a manifest cannot be read."""
    return blobs - _named(root, blobs)


def remove_manifest(root: Path, name: OllamaName) -> None:
    """Remove the name; its blobs stay. Raises OSError."""
    manifest = name.manifest(root)
    manifest.unlink(missing_ok=True)
    # As Ollama does, remove folders that had only this tag in them, at most the tag's, the name's
    # and the namespace's.
    for folder in list(manifest.parents)[:3]:
        with contextlib.suppress(OSError):
            folder.rmdir()


def copy_manifest(root: Path, source: OllamaName, target: OllamaName) -> None:
    """Give the model `source` the second name `target`; both manifests name the same blobs. Raises
    OSError."""
    write_manifest(root, target, source.manifest(root).read_bytes())


def write_manifest(root: Path, name: OllamaName, content: bytes) -> None:
    """Store `content` as the manifest of `name`. Raises OSError."""
    manifest = name.manifest(root)
    manifest.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(manifest, content)
    # Ollama's service may run as another user, who must be able to read it.
    manifest.chmod(0o644)


def root_of(blob: Path) -> Path:
    """The root of the store that the blob is in."""
    return blob.parent.parent


def _read(root: Path, name: OllamaName) -> StoredModel | None:
    digests = _digests(name.manifest(root))
    if MediaType.MODEL not in digests:
        return None
    digest = digests[MediaType.MODEL]
    path = _existing_blob(root, digest)
    adapter = _existing_blob(root, digests.get(MediaType.ADAPTER))
    # Ollama applies an adapter on loading: its base alone would answer as another model.
    if path is None or (MediaType.ADAPTER in digests and adapter is None):
        return None
    aliases = {name.short.removesuffix(f":{DEFAULT_TAG}")}
    return StoredModel(
        "ollama",
        name.short,
        path,
        frozenset(aliases - {name.short}),
        _existing_blob(root, digests.get(MediaType.PROJECTOR)),
        digest,
        _text(root, digests.get(MediaType.SYSTEM)) or None,
        options_of(_text(root, digests.get(MediaType.PARAMETERS))),
        examples_of(_text(root, digests.get(MediaType.MESSAGES))),
        adapter,
        context_of(_text(root, digests.get(MediaType.PARAMETERS))),
        _template(root, digests),
    )


def _template(root: Path, digests: Mapping[str, str]) -> str | None:
    """The TEMPLATE; None where Ollama makes the prompt by code of its own."""
    text = _text(root, digests.get(MediaType.TEMPLATE))
    return None if not text or has_renderer(_text(root, digests.get(MediaType.CONFIG))) else text


def _digests(manifest: Path) -> dict[str, str]:
    """The digest of the first layer of each media type; empty if the manifest is broken."""
    digests: dict[str, str] = {}
    for layer in _layers(manifest) or ():
        digests.setdefault(str(layer.get("mediaType")), str(layer.get("digest")))
    return digests


def _blobs(root: Path, manifest: Path) -> frozenset[Path] | None:
    """The blobs that a manifest names, without malformed digests; None if the manifest is
    broken."""
    layers = _layers(manifest)
    if layers is None:
        return None
    found = (blob_path(root, str(layer.get("digest", ""))) for layer in layers)
    return frozenset(path for path in found if path is not None)


def _layers(manifest: Path) -> list[dict[str, Any]] | None:
    """The layers and the config of a manifest, unchecked; None if the manifest is broken."""
    try:
        with manifest.open("rb") as file:
            document: Any = json.loads(file.read(_LARGEST_MANIFEST_BYTES))
        entries = [*document["layers"], document.get("config") or {}]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return entries if all(isinstance(entry, dict) for entry in entries) else None


def _named(root: Path, blobs: frozenset[Path], without: Path | None = None) -> frozenset[Path]:
    """The blobs that any manifest but `without` names. If any of them is unreadable, all of
    `blobs`."""
    named: set[Path] = set()
    for where, _, files in os.walk(root / "manifests"):
        for manifest in (Path(where, name) for name in files if not name.startswith(".")):
            if manifest != without:
                found = _blobs(root, manifest)
                if found is None:
                    return blobs
                named |= found
    return frozenset(named)


def _existing_blob(root: Path, digest: str | None) -> Path | None:
    path = None if digest is None else blob_path(root, digest)
    return path if path is not None and is_file(path) else None


def _text(root: Path, digest: str | None) -> str:
    path = _existing_blob(root, digest)
    if path is None:
        return ""
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_TEXT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
