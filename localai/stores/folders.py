"""Models in folders on this machine: our own, LM Studio's and the hub's cache.

Finds GGUF files and MLX folders, and the names that the programs which keep them have for them.
Reads no header, writes nothing, and skips a folder that it may not read. Ollama's store has another
layout: `stores.ollama`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from localai.dataclass import dataclass
from localai.files import is_file
from localai.formats.gguf_names import (
    plain_label,
    projector_for,
    quantization_label,
    role_by_name,
    stem_of,
)
from localai.formats.mlx_folder import is_model_folder
from localai.patterns import lazy_pattern
from localai.stores.model_defaults import read_defaults
from localai.stores.starter import STARTER, starter_path
from localai.types import Message, Options

if TYPE_CHECKING:
    from localai.paths import Paths

StoreName = Literal["localai", "ollama", "lmstudio", "huggingface"]

_LATER_PART: Final = lazy_pattern(r"-(?!00001-)\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)
_SHA256: Final = lazy_pattern(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model file in a store, its header unread.

    `name` is what `localai list` shows and `localai chat -m` takes; `aliases` are the other names
    that mean it. `projector` is the file that lets it see images. `digest` is `sha256:…` if the
    store states it. `system_prompt`, `recommended` and `examples` are stored with the model by
    whoever published or made it. `adapter` is a LoRA that is applied to it.
    `context_tokens` is the context that its maker sets, `go_template` the template in Go's
    language.
    """

    store: StoreName
    name: str
    path: Path
    aliases: frozenset[str] = frozenset()
    projector: Path | None = None
    digest: str | None = None
    system_prompt: str | None = None
    recommended: Options = field(default_factory=Options)
    examples: tuple[Message, ...] = ()
    adapter: Path | None = None
    context_tokens: int | None = None
    go_template: str | None = None


@dataclass(frozen=True, slots=True)
class StoredFolder:
    """A model folder in a store, its files unread. `name` is what `localai list` shows:
    ORG/REPO."""

    store: StoreName
    name: str
    path: Path

    @property
    def aliases(self) -> frozenset[str]:
        """Every name that means it: ORG/REPO, hf.co/ORG/REPO as `pull` takes it, and REPO alone."""
        return frozenset({self.name, f"hf.co/{self.name}", self.name.rpartition("/")[2]})


def own_models(paths: Paths) -> Iterator[StoredModel]:
    """The models in our own store, each named after its file, and the starter as `starter`."""
    for path, projector in _gguf_files(paths.models_dir):
        name = model_stem(path.relative_to(paths.models_dir))
        aliases = {path.name}
        if path == starter_path(paths):
            aliases.add(name)
            name = STARTER.name
        kept = read_defaults(path)
        yield StoredModel(
            "localai",
            name,
            path,
            frozenset(aliases),
            projector,
            system_prompt=kept.system_prompt,
            recommended=kept.recommended,
            examples=kept.examples,
            context_tokens=kept.context_tokens,
            go_template=kept.go_template,
        )


def lmstudio_models() -> Iterator[StoredModel]:
    """LM Studio's models. Their names are PUBLISHER/REPO/FILE, as its folders are."""
    seen: set[Path] = set()
    for folder in lmstudio_folders():
        for path, projector in _gguf_files(folder):
            real = path.resolve()
            if real in seen:
                continue
            seen.add(real)
            relative = path.relative_to(folder)
            yield StoredModel(
                "lmstudio",
                model_stem(relative),
                path,
                _repository_aliases(relative.parent.as_posix(), path, relative.name),
                projector,
            )


def hub_models(environ: Mapping[str, str]) -> Iterator[StoredModel]:
    """The GGUF files in the hub's cache, only the newest snapshot of each. Their names are
    ORG/REPO/FILE."""
    for repository in sorted(_folders(hub_cache(environ), "models--*")):
        repo = repository.name.removeprefix("models--").replace("--", "/")
        newest: dict[Path, tuple[Path, Path | None]] = {}
        for snapshot in sorted(_folders(repository / "snapshots", "*"), key=_modified_at):
            for path, projector in _gguf_files(snapshot, one_repository=True):
                newest[path.relative_to(snapshot)] = (path, projector)
        for relative, (path, projector) in sorted(newest.items()):
            yield StoredModel(
                "huggingface",
                f"{repo}/{model_stem(relative)}",
                path,
                _repository_aliases(repo, path, relative.as_posix()),
                projector,
                _blob_digest(path),
            )


def stored_folders(paths: Paths, environ: Mapping[str, str] | None) -> list[StoredFolder]:
    """The MLX model folders of all stores. A folder that two stores share is listed once."""
    environ = os.environ if environ is None else environ
    found: dict[Path, StoredFolder] = {}
    roots: list[tuple[StoreName, Path]] = [("localai", paths.models_dir)]
    roots += [("lmstudio", folder) for folder in lmstudio_folders()]
    for store, root in roots:
        for path in _model_folders(root):
            name = path.relative_to(root).as_posix()
            found.setdefault(path.resolve(), StoredFolder(store, name, path))
    for stored in _hub_model_folders(hub_cache(environ)):
        found.setdefault(stored.path.resolve(), stored)
    return list(found.values())


def lmstudio_folders() -> list[Path]:
    """Where LM Studio keeps its models: the folder that its settings name, and the usual ones."""
    folders = []
    for home in lmstudio_homes(Path.home()):
        folders += [*_chosen_by_lmstudio(home), home / "models"]
    return list(dict.fromkeys(folders))


def lmstudio_homes(user: Path) -> list[Path]:
    """The folders of LM Studio, of its daemon (llmster) and of Bionic, which is an app of its own
    beside it: where the pointer in the user's home leads (as `lms` finds it), that of today's
    versions, and that of earlier ones. They need not exist."""
    homes = [user / ".lmstudio", user / ".cache" / "lm-studio"]
    try:
        pointed = (user / ".lmstudio-home-pointer").read_text("utf-8").strip()
    except (OSError, ValueError):
        return homes
    return list(dict.fromkeys([Path(pointed), *homes])) if Path(pointed).is_absolute() else homes


def _chosen_by_lmstudio(home: Path) -> list[Path]:
    """The models folder that the user has chosen in LM Studio (`downloadsFolder`), if any."""
    try:
        chosen = json.loads((home / "settings.json").read_bytes())["downloadsFolder"]
        return [Path(chosen)] if Path(chosen).is_absolute() else []
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def hub_cache(environ: Mapping[str, str]) -> Path:
    """The folder of the hub's cache, found by the same variables as `huggingface_hub` finds it."""
    if chosen := environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(chosen).expanduser()
    if home := environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    cache = environ.get("XDG_CACHE_HOME")
    return (Path(cache).expanduser() if cache else Path.home() / ".cache") / "huggingface" / "hub"


def is_projector_name(file_name: str) -> bool:
    """Whether a file name is that of a projector."""
    return file_name.lower().endswith(".gguf") and role_by_name(file_name) == "projector"


def projector_beside(path: Path) -> Path | None:
    """The projector of the model at `path` in its folder; None if there is none."""
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return None
    projectors = [name for name in names if is_projector_name(name)]
    chosen = projector_for(path.name, projectors, filter(_is_model_name, names))
    return None if chosen is None else path.parent / chosen


def _gguf_files(folder: Path, *, one_repository: bool = False) -> list[tuple[Path, Path | None]]:
    """Every model below `folder` with its projector, if it has one, sorted by path. Of a model in
    parts only the first part is listed. In `one_repository` the projector of a folder above serves,
    too. Never raises."""
    found: list[tuple[Path, Path | None]] = []
    # Where the projectors of each folder lie, and their names.
    lying: dict[Path, tuple[Path, list[str]]] = {}
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        here = Path(where)
        place, projectors = here, [name for name in names if is_projector_name(name)]
        if not projectors and one_repository:
            place, projectors = lying.get(here.parent, (here, []))
        lying[here] = place, projectors
        models = [name for name in names if _is_model_name(name)]
        for name in models:
            chosen = projector_for(name, projectors, models) if projectors else None
            found.append((here / name, None if chosen is None else place / chosen))
    return sorted((path, projector) for path, projector in found if is_file(path))


def _is_model_name(file_name: str) -> bool:
    return (
        file_name.lower().endswith(".gguf")
        and not file_name.startswith(".")
        and role_by_name(file_name) in ("model", "draft model")
        and not _LATER_PART.search(file_name)
    )


def _folders(parent: Path, pattern: str) -> list[Path]:
    try:
        return [path for path in parent.glob(pattern) if path.is_dir()]
    except OSError:
        return []


def _modified_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def model_stem(relative: Path) -> str:
    """The name of the file at `relative` without `.gguf` and without the number of its part."""
    return stem_of(relative.as_posix())


def _repository_aliases(repository: str, path: Path, relative: str) -> frozenset[str]:
    """The shorter names of a file in a repository: the file's own, the repository's, and REPO:QUANT
    and REPO:FILE as `ollama run hf.co/…` takes them."""
    names = {path.name, model_stem(Path(path.name)), repository, f"hf.co/{repository}"}
    tags = {path.name, stem_of(path.name)}
    if (label := quantization_label(relative)) is not None:
        tags |= {label, plain_label(label)}
    for tag in tags:
        names |= {f"{repository}:{tag}", f"hf.co/{repository}:{tag}"}
    return frozenset({*names, f"hf.co/{repository}/{relative}"})


def _blob_digest(path: Path) -> str | None:
    """The SHA-256 by which the hub's cache names a large file; the file is not read. None if `path`
    is no link to such a file."""
    try:
        name = path.readlink().name
    except OSError:
        return None
    return f"sha256:{name}" if _SHA256.fullmatch(name) else None


def _model_folders(root: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "config.json" in names and is_model_folder(Path(where)):
            yield Path(where)


def _hub_model_folders(cache: Path) -> Iterator[StoredFolder]:
    """The newest snapshot with weights, for each repository in the hub's cache."""
    for repository in sorted(cache.glob("models--*")):
        name = repository.name.removeprefix("models--").replace("--", "/")
        snapshots = [path for path in repository.glob("snapshots/*") if is_model_folder(path)]
        if snapshots:
            yield StoredFolder(
                "huggingface", name, max(snapshots, key=lambda path: path.stat().st_mtime)
            )
