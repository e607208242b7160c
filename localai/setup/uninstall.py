"""Removing all files of localai's own from this machine, and naming those that stay because they
are not its own.

With LOCALAI_HOME set, only files below it are localai's own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localai.dataclass import dataclass
from localai.errors import NotRemoved
from localai.files import bytes_once

if TYPE_CHECKING:
    from localai.paths import Paths

# A mark that install.sh writes into the environments that it makes.
_INSTALLED_MARK: Final = ".localai-installed"
# A mark that install.sh writes into the folder of the environments: everything in that is its own.
_ROOT_MARK: Final = ".localai-environments"

_TEMPORARY: Final = ".*.????????.tmp"
DATA: Final = (
    "datasets",
    "hub-models.json",
    "localai.db",
    "localai.db-*",
    "input_history",
    "input_history.lock",
    "models",
    "removing",
    "runs*",
    "votes.jsonl",
    _TEMPORARY,
)
"""What localai makes in its folder of data, as patterns."""
CACHE: Final = (
    "bench",
    "bandwidth.json",
    "binaries.json",
    "chat-templates.json",
    "digests.json",
    "doctor.json",
    "headers.json",
    "memory.json",
    "projections.json",
    "ollama.json",
    "kv",
    "logs",
    _TEMPORARY,
)
"""What localai makes in its folder of caches."""
RUNTIME: Final = ("[0-9a-f]" * 16,)
"""What localai makes in the folder of its workers."""


@dataclass(frozen=True, slots=True)
class Left:
    """A file or folder that stays: what it is, where, and how many bytes."""

    what: str
    where: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Uninstallation:
    """The files that an uninstallation removes, and those that stay (`left`).

    `data` are conversations, settings, models and caches. `program` is the environment that
    install.sh made and the link to it; empty if localai was installed otherwise. `size_bytes` is
    the size of the files that are removed, each once whatever its names; links do not count.
    """

    data: tuple[Path, ...]
    program: tuple[Path, ...]
    left: tuple[Left, ...]
    size_bytes: int


def plan_uninstall(paths: Paths) -> Uninstallation:
    """The files that would be removed and those that would stay. Touches nothing."""
    data, program = tuple(own_data(paths)), tuple(_program(paths))
    size = _bytes_below(*data, *program)
    return Uninstallation(data, program, tuple(_left(paths)), size)


def written_by_hand(paths: Paths) -> tuple[Path, ...]:
    """What exists of the settings, the templates and the presets."""
    folder = paths.config_file.parent
    written = (paths.config_file, folder / "presets", folder / "templates")
    return tuple(path for path in written if os.path.lexists(path))


def own_data(paths: Paths) -> Iterator[Path]:
    """Every existing file and folder of localai's own, without the program."""
    yield from written_by_hand(paths)
    for folder, patterns in (
        (paths.data_dir, DATA),
        (paths.cache_dir, CACHE),
        (paths.runtime_dir, RUNTIME),
    ):
        # By name, because LOCALAI_HOME may be a folder in which the user keeps other files.
        yield from sorted({path for pattern in patterns for path in folder.glob(pattern)})


def remove(
    targets: Iterable[Path], paths: Paths, before: Callable[[Path], object] = lambda _: None
) -> None:
    """Remove `targets`, and localai's own folders if nothing else is in them. `before` is told each
    target before it goes.

    A link is removed, its target stays. Raises NotRemoved at the first that cannot be removed.
    """
    for target in targets:
        before(target)
        try:
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)
        except OSError as error:
            raise NotRemoved(
                f"{error.filename or target} cannot be removed: {error.strerror or error}",
                command=("ls", "-ld", error.filename or target),
            ) from error
    for folder in (
        paths.runtime_dir,
        paths.cache_dir,
        paths.data_dir,
        paths.config_file.parent,
    ):
        with contextlib.suppress(OSError):
            folder.rmdir()


def stop_engines(paths: Paths) -> None:
    """End every worker of this home, so that none uses or writes the files that are removed."""
    from localai.engine.lifecycle import stop, workers

    for files, info in workers(paths):
        stop(files, info)


def _program(paths: Paths) -> Iterator[Path]:
    """The environments that install.sh made, after the links to them.

    The one that runs this code comes last: nothing can be imported once it is gone.
    """
    environment = Path(sys.prefix)
    root = environment.parent
    home = os.environ.get("LOCALAI_HOME")
    if not (environment / _INSTALLED_MARK).exists():
        return
    if home and not environment.is_relative_to(paths.config_file.parent):
        return
    for link in _links(root.parent, Path.home() / ".local"):
        if link.is_symlink() and link.readlink().is_relative_to(root):
            yield link
    if (root / _ROOT_MARK).exists():
        yield root
    else:
        yield environment


def _links(*prefixes: Path) -> Iterator[Path]:
    """Where install.sh links the command and its manual pages."""
    for prefix in prefixes:
        yield prefix / "bin" / "localai"
        yield from sorted((prefix / "share" / "man" / "man1").glob("localai*.1"))


def _left(paths: Paths) -> Iterator[Left]:
    from localai.stores.inventory import stored_models

    files: dict[str, list[Path]] = {}
    for model in stored_models(paths):
        real = model.path.resolve()
        adopted = model.store == "localai"
        if adopted and real.is_relative_to(paths.models_dir.resolve()):
            continue
        what = "models that were adopted" if adopted else f"{model.store}'s models"
        files.setdefault(what, []).append(real)
    for what, found in files.items():
        folder = Path(os.path.commonpath([file.parent for file in found]))
        yield Left(what, folder, _bytes_below(*found))


def _bytes_below(*paths: Path) -> int:
    return bytes_once(status for path in paths for status in _statuses(path))


def _statuses(path: Path) -> Iterator[os.stat_result]:
    """Those of the files at or below `path`; none for a link."""
    with contextlib.suppress(OSError):
        if path.is_symlink():
            return
        if not path.is_dir():
            yield path.stat()
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                yield Path(folder, name).lstat()
