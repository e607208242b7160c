"""The model files of all stores, whose headers are read once and remembered, and Ollama's
manifests."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from localai.dataclass import dataclass
from localai.doctor.capture.context import Context
from localai.doctor.facts.models import Blob, ModelFile, ModelFolder, OllamaStore
from localai.engine.template_findings import RememberedFindings
from localai.errors import LocalaiError, NotFound
from localai.files import content_key, inode_of
from localai.remembered import Remembered
from localai.stores.folders import StoredModel
from localai.stores.inventory import stored_mlx_models, stored_models
from localai.stores.oci_manifest import MediaType
from localai.stores.ollama import StoredLayer, blob_path, manifests, ollama_roots
from localai.wires.chat_templates import template_problems, template_suspicions

_VERSION: Final = 1
_MOST: Final = 2000
_MOST_MODELS: Final = 500
_LARGEST_CONFIG: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class _Header:
    """The remembered facts of a file."""

    problem: str
    architecture: str
    answers: bool
    has_template: bool
    template_problems: tuple[str, ...]
    template_suspicions: tuple[str, ...]
    missing_parts: tuple[str, ...]


def models(context: Context) -> tuple[ModelFile, ...]:
    """Every GGUF model here, up to 500, with the facts of its header."""
    remembered = Remembered(context.paths.cache_dir / "doctor.json", version=_VERSION, most=_MOST)
    stored = itertools.islice(stored_models(context.paths, context.environ), _MOST_MODELS)
    known_findings = RememberedFindings(context.paths.cache_dir)
    names: dict[tuple[int, int], str] = {}
    found = [_with_findings(_model(each, remembered, names), known_findings) for each in stored]
    remembered.save()
    architectures = {model.architecture for model in found if model.architecture}
    supported = _supported(architectures, remembered)
    remembered.save()
    from dataclasses import replace

    return tuple(
        replace(model, supported=supported.get(model.architecture or "")) for model in found
    )


def model_folders(context: Context) -> tuple[ModelFolder, ...]:
    """Every MLX model here, up to 500."""
    found = itertools.islice(stored_mlx_models(context.paths, context.environ), _MOST_MODELS)
    return tuple(
        ModelFolder(model.id, store, str(model.path), model.size_bytes) for store, model in found
    )


def _model(
    stored: StoredModel, remembered: Remembered, names: dict[tuple[int, int], str]
) -> ModelFile:
    """The facts of a model. `names` are those of the models before it, by their files."""
    try:
        key = content_key(stored.path)
        status = stored.path.stat()
    except OSError as error:
        return ModelFile(stored.name, stored.store, str(stored.path), problem=str(error.strerror))
    header = _read_remembered(remembered.get(key))
    if header is None:
        header = _read(stored.path)
        if not header.missing_parts:
            remembered.put(key, asdict(header))
    first = names.setdefault(inode_of(status), stored.name)
    return ModelFile(
        name=stored.name,
        store=stored.store,
        path=str(stored.path),
        size_bytes=status.st_size,
        same_file_as="" if first == stored.name else first,
        **{name: getattr(header, name) for name in _Header.__slots__},
    )


def _with_findings(model: ModelFile, remembered: RememberedFindings) -> ModelFile:
    """The model with an engine's findings about its template, if an engine was asked."""
    found = None if model.path is None else remembered.of(Path(model.path))
    if found is None or not found.problems:
        return model
    from dataclasses import replace

    return replace(model, template_problems=found.sentences)


def _read_remembered(value: Any) -> _Header | None:
    try:
        known: dict[str, Any] = {
            name: tuple(each) if isinstance(each, list) else each for name, each in value.items()
        }
        return _Header(**known)
    except (TypeError, AttributeError):
        return None


def _read(path: Path) -> _Header:
    from localai.formats.gguf import part_paths, read_header
    from localai.stores.describe import header_capabilities

    try:
        header = read_header(path)
        parts = part_paths(path, header)
    except (LocalaiError, NotFound) as error:
        message = error.message.removeprefix(f"{path}").strip(": ")
        return _Header(message, "", False, False, (), (), ())
    template = header.chat_template or ""
    return _Header(
        problem="",
        architecture=header.architecture or "",
        answers="completion" in header_capabilities(header) and not header.is_projector,
        has_template=bool(template),
        template_problems=template_problems(template),
        template_suspicions=template_suspicions(template),
        missing_parts=tuple(part.name for part in parts if not part.exists()),
    )


def _supported(architectures: set[str], remembered: Remembered) -> Mapping[str, bool]:
    """The architectures that the engine supports: their names are in its library."""
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec

    try:
        engine, spec = version("xllamacpp"), find_spec("xllamacpp")
    except PackageNotFoundError:
        return {}
    library = None
    if spec is not None and spec.origin is not None:
        library = next(Path(spec.origin).parent.glob("xllamacpp*.so"), None)
    if library is None:
        return {}
    found: dict[str, bool] = {}
    for architecture in sorted(architectures):
        key = f"engine {engine} {architecture}"
        known = remembered.get(key)
        if not isinstance(known, bool):
            known = _holds(library, architecture.encode() + b"\0")
            remembered.put(key, known)
        found[architecture] = known
    return found


def _holds(file: Path, needle: bytes) -> bool:
    import mmap

    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as view:
        return view.find(needle) >= 0


def ollama_store(context: Context) -> OllamaStore:
    """Ollama's store as this user sees it: the layers that its manifests name, and the files that
    exist."""
    root = ollama_roots(context.environ)[0]
    if not os.access(root / "manifests", os.R_OK | os.X_OK):
        if (root / "manifests").exists():
            return OllamaStore(path=str(root), readable=False)
        return OllamaStore(str(root), True, 0, (), (), {}, 0, 0)
    broken: list[str] = []
    bad: list[Blob] = []
    needs: dict[str, str] = {}
    count = 0
    for name, layers in manifests(root):
        count += 1
        if layers is None:
            broken.append(name.short)
            continue
        bad += _bad_blobs(root, name.short, layers)
        if required := _required_version(root, layers):
            needs[name.short] = required
    partial = list(_partial_sizes(root / "blobs"))
    return OllamaStore(
        path=str(root),
        readable=True,
        models=count,
        broken_manifests=tuple(broken),
        bad_blobs=tuple(bad),
        needs=needs,
        partial_files=len(partial),
        partial_bytes=sum(partial),
    )


def _bad_blobs(root: Path, model: str, layers: tuple[StoredLayer, ...]) -> Iterator[Blob]:
    for layer in layers:
        path = blob_path(root, layer.digest)
        if path is None:
            continue
        try:
            size = path.stat().st_size
        except OSError:
            yield Blob(model, str(path), layer.size_bytes, None, exists=False)
            continue
        if layer.size_bytes is not None and size != layer.size_bytes:
            yield Blob(model, str(path), layer.size_bytes, size, exists=True)


def _required_version(root: Path, layers: tuple[StoredLayer, ...]) -> str:
    """The oldest Ollama that a model says it needs; "" if it names none."""
    config = next((each for each in layers if each.media_type == MediaType.CONFIG), None)
    path = None if config is None else blob_path(root, config.digest)
    if path is None:
        return ""
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(_LARGEST_CONFIG))
    except (OSError, ValueError, RecursionError):
        return ""
    required = document.get("requires") if isinstance(document, dict) else None
    return required if isinstance(required, str) else ""


def _partial_sizes(folder: Path) -> Iterator[int]:
    """The disk space of broken-off downloads. Such a file may be sparse."""
    try:
        for entry in os.scandir(folder):
            if "-partial" in entry.name:
                yield entry.stat().st_blocks * 512
    except OSError:
        return
