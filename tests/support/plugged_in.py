"""The providers of tests in the environment of a command, installed as pip would install them.

They stand in modules of their own, without pytest, which would cost each command a fifth of a
second.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import REPOSITORY


@pytest.fixture
def robot_environment(tmp_path: Path) -> dict[str, str]:
    """What the environment needs so that `-m robot/r2` is found."""
    return _installed(tmp_path / "site", "robot")


@pytest.fixture
def cast_environment(tmp_path: Path) -> dict[str, str]:
    """What the environment needs so that `cast` and `clouds` are found."""
    return _installed(tmp_path / "cast-site", "cast", "clouds")


def _installed(site: Path, *names: str) -> dict[str, str]:
    metadata = site / f"localai_{names[0]}-1.dist-info"
    metadata.mkdir(parents=True)
    text = f"Metadata-Version: 2.1\nName: localai-{names[0]}\nVersion: 1\n"
    (metadata / "METADATA").write_text(text)
    points = [f"{name} = tests.support.{name}:create\n" for name in names]
    (metadata / "entry_points.txt").write_text("[localai.providers]\n" + "".join(points))
    return {"PYTHONPATH": f"{site}:{REPOSITORY}"}
