"""Removing all of localai's own from this machine, and saying what stays because it is not.

With LOCALAI_HOME set only what is below it is localai's own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localai.errors import NotRemoved

if TYPE_CHECKING:
    from localai.paths import Paths

# install.sh writes it into the environments that it makes.
_INSTALLED_MARK: Final = ".localai-installed"
_VENV: Final = "venv"


@dataclass(frozen=True, slots=True)
class Left:
    """Something that stays: what it is, where, and how many bytes."""

    what: str
    where: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Uninstallation:
    """What an uninstallation removes, and what stays (`left`).

    `data` are conversations, settings, models and caches. `program` is the environment that
    install.sh made and the link to it; empty if localai was installed otherwise.
    """

    data: tuple[Path, ...]
    program: tuple[Path, ...]
    left: tuple[Left, ...]

    @property
    def size_bytes(self) -> int:
        """What is removed, by the sizes of its files; links count nothing."""
        return sum(_bytes_below(path) for path in (*self.data, *self.program))


def plan_uninstall(paths: Paths) -> Uninstallation:
    """What would go and what would stay. Touches nothing."""
    return Uninstallation(tuple(own_data(paths)), tuple(_program(paths)), tuple(_left(paths)))


def own_data(paths: Paths) -> Iterator[Path]:
    """Every file and folder of localai's own that is there, but the program."""
    with contextlib.suppress(OSError):
        # install.sh puts the program among the data.
        yield from sorted(each for each in paths.data_dir.iterdir() if each.name != _VENV)
    templates = paths.config_file.parent / "templates"
    for path in (paths.config_file, templates, paths.runtime_dir, paths.cache_dir):
        if os.path.lexists(path):
            yield path


def remove(targets: Iterable[Path], paths: Paths) -> None:
    """Remove `targets`, and localai's own folders where nothing else is in them.

    A link is removed, its target stays. Raises NotRemoved at the first that resists.
    """
    for target in targets:
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
    for folder in (paths.data_dir, paths.config_file.parent):
        with contextlib.suppress(OSError):
            folder.rmdir()


def stop_engines(paths: Paths) -> None:
    """End every worker of this home, so that none keeps or writes what is removed."""
    from localai.engine.lifecycle import stop, workers

    for files, info in workers(paths):
        stop(files, info)


def _program(paths: Paths) -> Iterator[Path]:
    """The environments that install.sh made, after the links to them.

    The one that runs this comes last: nothing can be imported once it is gone.
    """
    environment = Path(sys.prefix)
    root = environment.parent
    home = os.environ.get("LOCALAI_HOME")
    if not (environment / _INSTALLED_MARK).exists():
        return
    if home and not environment.is_relative_to(paths.config_file.parent):
        return
    for link in (root.parent / "bin" / "localai", Path.home() / ".local" / "bin" / "localai"):
        if link.is_symlink() and link.readlink().is_relative_to(root):
            yield link
    yield root


def _left(paths: Paths) -> Iterator[Left]:
    from localai.stores.inventory import stored_models

    sizes: dict[str, int] = {}
    places: dict[str, list[str]] = {}
    for model in stored_models(paths):
        real = model.path.resolve()
        adopted = model.store == "localai"
        if adopted and real.is_relative_to(paths.models_dir.resolve()):
            continue
        what = "models that were adopted" if adopted else f"{model.store}'s models"
        sizes[what] = sizes.get(what, 0) + _bytes_below(real)
        places.setdefault(what, []).append(str(real.parent))
    for what, size in sizes.items():
        yield Left(what, Path(os.path.commonpath(places[what])), size)


def _bytes_below(path: Path) -> int:
    if path.is_symlink():
        return 0
    if not path.is_dir():
        with contextlib.suppress(OSError):
            return path.stat().st_size
        return 0
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(folder, name).lstat().st_size
    return total
