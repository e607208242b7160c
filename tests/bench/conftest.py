"""What is measured: a server with a known schedule, and the engine with a model of few layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.paths import Paths, locate
from tests.support.paced_server import PacedServer, Schedule


@pytest.fixture
def paced(localai_home: Path) -> Iterator[PacedServer]:
    """The models `farm/paced` and `farm/other`: 20 ms to the first of pieces 2 ms apart."""
    with PacedServer(Schedule(first_s=0.02, gap_s=0.002)) as server:
        text = f'[endpoint.farm]\nurl = "{server.url}"\n'
        (localai_home / "config.toml").write_text(text)
        yield server


@pytest.fixture
def home_with_short_model(localai_home: Path, shortened_path: Path) -> Paths:
    """The paths of a fresh home that has the model `short`."""
    paths = locate()
    paths.models_dir.mkdir(parents=True)
    (paths.models_dir / "short.gguf").symlink_to(shortened_path)
    return paths
