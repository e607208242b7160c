from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from localai.net.listener import listening_pid

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_the_process_that_listens_is_named() -> None:
    own_name = Path("/proc/self/comm").read_text().strip()
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.create_server((address, 0), family=family) as server:
            port = server.getsockname()[1]
            assert listening_pid(port, own_name) == os.getpid()
            assert listening_pid(port, "another-program") is None
        assert listening_pid(port, own_name) is None
