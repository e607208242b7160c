"""How every worker begins, whatever computes in it: before it loads, and where it cannot load."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from localai.dataclass import dataclass
from localai.engine.parent import end_with_parent
from localai.engine.worker_files import (
    WorkerFiles,
    WorkerInfo,
    WorkerSpec,
    model_identity,
    spec_from_json,
)
from localai.locks import lock
from localai.privacy.sandbox import NetworkDenial, deny_network, keep_memory_private

_EXIT_LOAD_FAILED = 3


@dataclass(frozen=True, slots=True)
class Beginning:
    """A worker that is about to load `spec`.

    Until `go_on_alone` is called it ends with the command that started it.
    """

    files: WorkerFiles
    spec: WorkerSpec
    denial: NetworkDenial
    go_on_alone: Callable[[], None]

    def info(self, engine: str, kv_folder: str | None = None) -> WorkerInfo:
        """This process as a worker of `engine`, its name with its version."""
        return WorkerInfo(
            pid=os.getpid(),
            spec=self.spec,
            model_identity=model_identity(self.spec),
            context_tokens=self.spec.context_tokens,
            engine=engine,
            network_denied=self.denial.enforced,
            denial=self.denial.evidence,
            started_at=time.time(),
            kv_folder=kv_folder,
        )


def begin(directory: str) -> Beginning:
    """Become the worker of the folder `directory`: alive, without a network, private.

    Comes before the engine is imported, because an engine makes threads.
    """
    files = WorkerFiles(Path(directory), Path(os.devnull))
    go_on_alone = end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The engine creates the files of KV states with the permissions that this mask leaves.
    os.umask(0o077)
    spec = spec_from_json(files.spec.read_bytes())
    # Kept until the process ends.
    lock(files.alive)
    denial = deny_network()
    keep_memory_private()
    # A crash is logged, without any of the request.
    faulthandler.enable()
    return Beginning(files, spec, denial, go_on_alone)


def load_failed(why: str) -> NoReturn:
    """End the process; the command that started it finds `why` in the log."""
    print(f"load failed: {why}", file=sys.stderr, flush=True)  # noqa: T201
    os._exit(_EXIT_LOAD_FAILED)
