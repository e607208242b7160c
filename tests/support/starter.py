"""A home that has the starter, as after `localai pull starter`, and one that was used before."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.paths import Paths, locate
from localai.stores.starter import starter_path

_FOUND_OUT = ("bandwidth.json", "binaries.json", "memory.json", "projections.json")


@pytest.fixture(scope="session")
def found_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the homes below have found out; where a test is about finding it out, its
    file has an empty one."""
    return tmp_path_factory.mktemp("found-out")


@pytest.fixture
def used_home(
    localai_home: Path, found_out: Path, request: pytest.FixtureRequest
) -> Iterator[Path]:
    """`localai_home`, which knows what was found out in such homes before: how fast the memory of
    this machine is, on what engines compute and what models take of it, which is up to a second of
    processor time each. What a model takes is kept by its digest, and each file that stands in for
    the starter has the starter's: so homes with different ones know nothing of each other."""
    if "starter_weights" in request.fixturenames:
        found_out /= request.getfixturevalue("starter_weights").parent.name
    cache = locate().cache_dir
    _copy(found_out, cache)
    yield localai_home
    _copy(cache, found_out)


def _copy(source: Path, target: Path) -> None:
    for file in filter(Path.is_file, (source / name for name in _FOUND_OUT)):
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy(file, target)


@pytest.fixture
def starter_weights(laconic_path: Path) -> Path:
    """What lies as the starter in the home below: of fewer words than what is fetched. A file that
    is about these has another."""
    return laconic_path


@pytest.fixture
def home_with_starter(used_home: Path, starter_weights: Path) -> Paths:
    """The paths of a home that was used before, in which the starter lies."""
    paths = locate()
    target = starter_path(paths)
    target.parent.mkdir(parents=True)
    target.symlink_to(starter_weights)
    return paths


@pytest.fixture
def home_with_short_model(used_home: Path, shortened_path: Path) -> Paths:
    """The paths of a home that was used before, which has the model `short`."""
    paths = locate()
    paths.models_dir.mkdir(parents=True)
    (paths.models_dir / "short.gguf").symlink_to(shortened_path)
    return paths
