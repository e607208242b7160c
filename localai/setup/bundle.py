"""A folder from which localai is set up on a machine without a network.

It has the pinned wheels for one platform, the package itself, the weights, a script, and the
SHA-256 of each. It is made beside its final path and renamed when it is whole.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput, NotFound
from localai.fetch.pip import OnConnect, pip_download, pip_failure, require_pip, waited_for
from localai.files import file_sha256, require_place_for
from localai.temporary import TemporaryFolder

SUMS: Final = "SHA256SUMS"
MODELS: Final = "models"
_LOCK: Final = "requirements.lock"
_SCRIPT: Final = "install-offline.sh"
_PACKAGE: Final = Path(__file__).parents[1]
THIS_PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
# Those that the lock has wheels for on every platform (`.ci/wheels`).
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
# Needed only for building from source, which a bundle makes unnecessary.
_BUILD_TOOLS: Final = frozenset({"hatchling", "editables"})
_MANYLINUX: Final = ("2014", *(f"_2_{minor}" for minor in range(17, 35)))
_SPLIT: Final = re.compile(r"-\d{5}-of-\d{5}\.gguf$")


@dataclass(frozen=True, slots=True)
class Platform:
    """A kind of machine: its platform by its Python, and the tags of the wheels that it takes, the
    most widely usable ones first."""

    name: str
    sys_platform: str
    machine: str
    tags: tuple[str, ...]


PLATFORMS: Final = {
    platform.name: platform
    for platform in (
        *(
            Platform(
                f"linux-{machine}",
                "linux",
                machine,
                tuple(f"manylinux{version}_{machine}" for version in _MANYLINUX),
            )
            for machine in ("x86_64", "aarch64")
        ),
        Platform(
            "macos-arm64",
            "darwin",
            "arm64",
            tuple(
                f"macosx_{major}_0_{kind}"
                for major in range(11, 16)
                for kind in ("arm64", "universal2")
            ),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A finished bundle: its folder, its platform and Python, the model's file, and the size of
    everything."""

    folder: Path
    platform: str
    python: str
    model: str
    size_bytes: int


def name_in_bundle(path: Path, name: str) -> str:
    """What the model file `path`, called `name` here, is called in a bundle: a blob of Ollama's
    store says nothing by its own name."""
    if path.suffix == ".gguf":
        return path.name
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in name) + ".gguf"


def this_platform() -> str:
    """The name of this machine's platform. Raises InvalidInput if there are no bundles for it."""
    import platform

    for each in PLATFORMS.values():
        if (each.sys_platform, each.machine) == (sys.platform, platform.machine()):
            return each.name
    raise InvalidInput(
        f"there are no bundles for {sys.platform} on {platform.machine()}",
        hint=f"name one: --platform {next(iter(PLATFORMS))}",
    )


def check_bundle(folder: Path, platform: str, python: str) -> None:
    """Raise InvalidInput if no bundle for `platform` and `python` can be made at `folder`."""
    if platform not in PLATFORMS:
        raise InvalidInput(f"--platform takes {', '.join(PLATFORMS)}, not {platform!r}")
    if python not in (*PYTHONS, THIS_PYTHON):
        raise InvalidInput(f"--python takes {', '.join(PYTHONS)}, not {python!r}")
    if os.path.lexists(folder):
        raise InvalidInput(f"{folder} exists", hint="name a folder that does not exist yet")
    require_place_for(folder)


def make_bundle(
    folder: Path,
    platform: str,
    python: str,
    weights: Path,
    file_name: str,
    *,
    say: Callable[[str], None],
    on_connect: OnConnect,
) -> Bundle:
    """Make a bundle at `folder` with the GGUF file `weights`, which is called `file_name` in it,
    for a machine with that Python (`3.12`).

    `say` is called with each step. If it is interrupted, nothing is left. Raises InvalidInput,
    NotFound (no wheel for that platform), Unreachable, InsufficientResources.
    """
    check_bundle(folder, platform, python)
    if _SPLIT.search(file_name):
        raise InvalidInput(f"{file_name} is one of several files: a bundle takes a model of one")
    with _beside(folder.absolute()) as building:
        say(f"wheels for {platform} and Python {python} …")
        _add_wheels(building, PLATFORMS[platform], python, on_connect)
        say(f"weights: {file_name} …")
        (building / MODELS).mkdir()
        shutil.copyfile(weights, building / MODELS / file_name)
        _add_package(building / "app" / "localai")
        _add_pages(building / "man")
        (building / "PYTHON").write_text(f"{python}\n")
        script = building / "install.sh"
        script.write_text(resources.files("localai.setup").joinpath(_SCRIPT).read_text("utf-8"))
        script.chmod(0o755)
        say("checksums …")
        size = _add_sums(building)
    return Bundle(folder, platform, python, file_name, size)


def wanted_requirements(lock: str, platform: Platform, python: str) -> str:
    """The part of the lock that applies to `platform` and `python`, hashes included."""
    from packaging.requirements import Requirement

    environment = {
        "sys_platform": platform.sys_platform,
        "platform_machine": platform.machine,
        "platform_system": {"linux": "Linux", "darwin": "Darwin"}[platform.sys_platform],
        "os_name": "posix",
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    wanted = []
    for block in re.split(r"\n(?=\S)", lock):
        if block.startswith("#") or not block.strip():
            continue
        head, _, hashes = block.partition("\\\n")
        requirement = Requirement(head.strip())
        if requirement.name in _BUILD_TOOLS:
            continue
        if requirement.marker is None or requirement.marker.evaluate(environment):
            pin = f"{requirement.name}{requirement.specifier}"
            wanted.append(f"{pin} \\\n{hashes.rstrip()}\n")
    return "".join(wanted)


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A folder that becomes `folder` at the end of the block, or is removed."""
    with TemporaryFolder(folder.parent, f".{folder.name}.") as name:
        building = Path(name)
        building.chmod(0o755)
        yield building
        building.rename(folder)


def _add_wheels(building: Path, platform: Platform, python: str, on_connect: OnConnect) -> None:
    require_pip("the wheels of a bundle")
    wheels = building / "wheels"
    wheels.mkdir()
    with tempfile.TemporaryDirectory(dir=building) as name:
        requirements, log = Path(name) / "requirements.txt", Path(name) / "pip.log"
        requirements.write_text(
            wanted_requirements(_lock_file().read_text("utf-8"), platform, python)
        )
        options = ["--python-version", python, "--implementation", "cp"]
        for tag in platform.tags:
            options += ["--platform", tag]
        with pip_download(requirements, wheels, log, options=options) as process:
            for _ in waited_for(process, log, on_connect):
                pass
        if process.returncode != 0:
            what = f"wheels for {platform.name} and Python {python}"
            raise pip_failure(what, log.read_text(errors="replace"), "every wheel of the lock")


def _lock_file() -> Path:
    """The lock: in the installed package, or beside it in a source tree."""
    for path in (_PACKAGE / "setup" / _LOCK, _PACKAGE.parent / _LOCK):
        if path.is_file():
            return path
    raise NotFound(
        f"{_LOCK} is missing from this installation",
        hint="in the folder that localai was installed from",
        command="./install.sh",
    )


def _add_package(target: Path) -> None:
    shutil.copytree(_PACKAGE, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    shutil.copyfile(_lock_file(), target / "setup" / _LOCK)


def _add_pages(target: Path) -> None:
    """The manual pages: of the installation, or beside the package in a source tree."""
    target.mkdir()
    for folder in (Path(sys.prefix) / "share" / "man" / "man1", _PACKAGE.parent / "docs" / "man"):
        for page in folder.glob("localai*.1"):
            shutil.copyfile(page, target / page.name)


def _add_sums(building: Path) -> int:
    """Write the SHA-256 of every file, in the form of sha256sum. Returns the size of all files."""
    files = sorted(path for path in building.rglob("*") if path.is_file())
    lines = []
    for path in files:
        lines.append(f"{file_sha256(path)}  {path.relative_to(building).as_posix()}\n")
    (building / SUMS).write_text("".join(lines))
    return sum(path.stat().st_size for path in files)
