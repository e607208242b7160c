"""A server with a known schedule, configured as an endpoint of the home; and the command, which
measures the machine itself in `test_engines` alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paced_server import PacedServer, Schedule


@pytest.fixture
def paced(localai_home: Path) -> Iterator[PacedServer]:
    """The models `farm/paced` and `farm/other`: 20 ms to the first of pieces 2 ms apart."""
    with PacedServer(Schedule(first_s=0.02, gap_s=0.002)) as server:
        text = f'[endpoint.farm]\nurl = "{server.url}"\n'
        (localai_home / "config.toml").write_text(text)
        yield server


@pytest.fixture
def localai_module() -> str:
    return "tests.bench.localai_without_anchors"
