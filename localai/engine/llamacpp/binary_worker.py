"""The worker around a llama-server of the user's, `localai.engine.llamacpp.binary_worker FOLDER`.

It has the same folder, locks and denial of the network as the embedded engine's own worker. The
server is a child of this process, which watches it, ends it, and keeps its log. The log is complete
while loading. Afterwards only last words are kept, since refusals may quote the prompt.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import IO

from localai.engine.beginning import begin, load_failed
from localai.engine.llamacpp.binary import command_line, read_binary
from localai.engine.llamacpp.limits import most_bytes
from localai.engine.llamacpp.log import (
    card_memory_bytes,
    crash_reason,
    host_memory,
    main_memory_bytes,
)
from localai.engine.llamacpp.serving import Computer, end, kv_folder, serve_until_idle
from localai.engine.worker_files import WorkerFiles
from localai.errors import LocalaiError, Unreachable
from localai.net.framing import ServerRefused
from localai.net.http import call
from localai.privacy.environment import child_environment

_LOOK_EVERY_S = 0.02


class _Log:
    """The part of the server's output that is kept."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.text = ""
        self.keeps_all = True
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._stream:
            text = line.decode("utf-8", "replace")
            if self.keeps_all:
                self.text += text
            if self.keeps_all or crash_reason(text) is not None:
                os.write(2, line)

    def wait(self) -> None:
        """Wait until the server's output has ended."""
        self._reader.join(2)


def main(directory: str) -> None:
    """Serve the model that FOLDER/spec.json names until idle. Exits the process."""
    begun = begin(directory)
    files, spec = begun.files, begun.spec
    assert spec.binary is not None and spec.cache_dir is not None
    try:
        binary = read_binary(Path(spec.binary), Path(spec.cache_dir))
    except LocalaiError as error:
        load_failed(error.message)
    info = begun.info(binary.title, kv_folder(binary.title, spec))
    files.write_info(replace(info, is_loading=True))
    # Bind by a relative name: a Unix socket's path is limited to about 100 bytes.
    os.chdir(files.directory)
    template_file = None
    if spec.chat_template is not None:
        template_file = "template.jinja"
        Path(template_file).write_text(spec.chat_template, encoding="utf-8")
    server = subprocess.Popen(
        command_line(binary, spec, files.socket.name, info.kv_folder, template_file),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=child_environment("engine"),
    )
    go_with_us = _end_with_this_process(server.pid)
    assert server.stdout is not None
    log = _Log(server.stdout)

    def end_server() -> None:
        server.kill()
        server.wait()
        os.close(go_with_us)

    computer = Computer(
        server.pid,
        cpu_s=lambda: _cpu_s(server.pid),
        is_there=lambda: server.poll() is None,
        end=end_server,
    )
    signal.signal(signal.SIGTERM, lambda *_: end(files, computer, "the worker was stopped"))
    while not _answers(files):
        if server.poll() is not None:
            log.wait()
            load_failed(f"{binary.path} ended with {server.returncode}")
        time.sleep(_LOOK_EVERY_S)
    begun.go_on_alone()
    log.keeps_all = False
    projected = host_memory(log.text)
    loaded = replace(
        info,
        started_at=time.time(),
        memory_bytes=main_memory_bytes(log.text),
        card_memory_bytes=card_memory_bytes(log.text),
    )
    log.text = ""
    files.write_info(loaded)
    most = None if projected is None else most_bytes(projected, spec.projector_path)
    serve_until_idle(files, most, computer)


def _answers(files: WorkerFiles) -> bool:
    if not files.socket.exists():
        return False
    try:
        call(files.socket, "GET", "/health", timeout_s=5)
    except (ServerRefused, Unreachable):
        return False
    return True


def _cpu_s(pid: int) -> float:
    import psutil

    with contextlib.suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return 0.0


def _end_with_this_process(pid: int) -> int:
    """Have the process `pid` killed when this one ends, however it ends. The descriptor keeps the
    watch alive.

    A second process waits at a pipe that the kernel closes with this one.
    """
    waits, holds = os.pipe()
    subprocess.Popen(
        ["/bin/sh", "-c", 'read _; kill -9 "$0"', str(pid)],
        stdin=waits,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=child_environment(),
        # Ctrl-C and the end of a terminal must not reach the watching process.
        start_new_session=True,
    )
    os.close(waits)
    return holds


if __name__ == "__main__":
    main(sys.argv[1])
