"""What was added to an environment by hand goes along into the next one, without an index.

The script of a bundle asks for it: `python -P -m localai.setup.additions OLD`, by the Python of the
new environment. Nothing is fetched and nothing is built: the files are copied.
"""

from __future__ import annotations

import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

# Both are written by `install.sh` and by the script of a bundle.
_PACKAGES_MARK: Final = ".localai-packages"
_INSTALLED_MARK: Final = ".localai-installed"
_WITH_CLOUDS: Final = "requirements-cloud.lock"


def carry(old: Path, site: Path) -> tuple[list[str], list[str]]:
    """Copy what was added to the environment `old` into the packages' folder `site`.

    Returns the names that were copied, and those that cannot be: packages for another version of
    Python, and packages that do not say which files are theirs.
    """
    copied: list[str] = []
    left: list[str] = []
    there = {_name(each) for each in distributions(path=[str(site)])}
    for folder in sorted((old / "lib").glob("python3.*/site-packages")):
        for each in _added(old, folder, there):
            fits = folder.parent.name == site.parent.name and _copy(each, folder, site)
            (copied if fits else left).append(_name(each))
    return sorted(copied), sorted(left)


def _added(old: Path, folder: Path, there: set[str]) -> Iterator[Distribution]:
    """The packages of `old` that neither its installation brought nor the new environment has. The
    clouds' clients were wanted too, and a bundle has none."""
    brought = {"localai", "pip", "setuptools"} | there
    if _text(old / _INSTALLED_MARK).strip() != _WITH_CLOUDS:
        lines = _text(old / _PACKAGES_MARK).splitlines()
        brought |= {_normal(line.partition("==")[0]) for line in lines}
    yield from (each for each in distributions(path=[str(folder)]) if _name(each) not in brought)


def _copy(package: Distribution, folder: Path, site: Path) -> bool:
    """Whether the files of `package` that lie in `folder` were copied."""
    files = [folder / file for file in package.files or () if ".." not in file.parts]
    for file in files:
        target = site / file.relative_to(folder)
        if file.is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
    return bool(files)


def _name(package: Distribution) -> str:
    return _normal(package.name)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _text(file: Path) -> str:
    return file.read_text("utf-8") if file.is_file() else ""


def main() -> None:
    """Carry the additions of the environment that is named over to this one, and say which."""
    copied, left = carry(Path(sys.argv[1]), Path(sysconfig.get_path("purelib")))
    if copied:
        sys.stdout.write(f"Kept as well: {', '.join(copied)}, which was added here.\n")
    if left:
        sys.stdout.write(f"Added here, and not kept without a network: {', '.join(left)}\n")


if __name__ == "__main__":
    main()
