from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from localai.net import listener
from localai.net.listener import listening_pid


def test_on_a_mac_lsof_names_the_process_that_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, program = tmp_path / "said", tmp_path / "lsof"
    program.write_text(
        f'#!/bin/sh\necho "$@" > {said}\nprintf "p411\\ncollama\\np502\\ncLM Studio\\n"\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(listener, "LSOF", str(program))
    monkeypatch.setattr(listener, "_PLATFORM", "darwin")
    assert listening_pid(11434, "ollama") == 411
    assert said.read_text() == "-nP -sTCP:LISTEN -iTCP:11434 -Fpc\n"
    assert listening_pid(11434, "LM Studio") == 502
    assert listening_pid(11434, "llama-server") is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_process_that_listens_is_named() -> None:
    own_name = Path("/proc/self/comm").read_text().strip()
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.create_server((address, 0), family=family) as server:
            port = server.getsockname()[1]
            assert listening_pid(port, own_name) == os.getpid()
            assert listening_pid(port, "another-program") is None
        assert listening_pid(port, own_name) is None
