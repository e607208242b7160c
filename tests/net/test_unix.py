"""The connection to a worker's socket."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.errors import PolicyRefused
from localai.net.http import call
from tests.support.users import NOBODY


@pytest.fixture
def forged_socket() -> Iterator[tuple[Path, socket.socket]]:
    """A socket on which a process of another user listens, as a false worker would."""
    if os.getuid() != 0:
        pytest.skip("listening as another user takes root")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "engine.sock"
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(path))
        # The kernel notes who called listen().
        os.seteuid(NOBODY)
        try:
            listening.listen()
        finally:
            os.seteuid(0)
        listening.settimeout(10)
        with listening:
            yield path, listening


def test_a_worker_of_another_user_is_sent_nothing(
    forged_socket: tuple[Path, socket.socket],
) -> None:
    path, listening = forged_socket
    with pytest.raises(PolicyRefused, match=f"another user .number {NOBODY}."):
        call(path, "POST", "/v1/chat/completions", {"prompt": "my secret"})
    accepted, _ = listening.accept()
    with accepted:
        assert accepted.recv(100) == b""
