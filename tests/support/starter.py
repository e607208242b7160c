"""A home that has the starter, as after `localai pull starter`."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.paths import Paths, locate
from localai.stores.starter import starter_path


@pytest.fixture
def home_with_starter(localai_home: Path, smollm2_path: Path) -> Paths:
    """The paths of a fresh home in which the starter lies."""
    paths = locate()
    target = starter_path(paths)
    target.parent.mkdir(parents=True)
    target.symlink_to(smollm2_path)
    return paths
