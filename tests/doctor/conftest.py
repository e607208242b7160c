"""What the tests of doctor share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doctor.scene import Scene


@pytest.fixture
def scene(localai_home: Path, tmp_path: Path, command_environment: dict[str, str]) -> Scene:
    """A scene in which nothing is wrong yet."""
    assert command_environment["HOME"] == str(tmp_path / "user")
    return Scene(localai_home, tmp_path / "user")
