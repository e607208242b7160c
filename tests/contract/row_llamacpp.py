"""The embedded engine, for real; its server is a worker of ours, so there is nothing to script."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.contract.rows import Row, Subject, identity


def real(request: pytest.FixtureRequest) -> AbstractContextManager[Subject]:
    return opened(request, {})


@contextmanager
def opened(request: pytest.FixtureRequest, environ: Mapping[str, str]) -> Iterator[Subject]:
    """The provider with the settings of `environ`."""
    weights = request.getfixturevalue("smollm2_path")
    home = request.getfixturevalue("tmp_path_factory").mktemp("contract")
    from localai.engine.lifecycle import stop, workers
    from localai.net.http import call
    from localai.providers.llamacpp import LlamaCpp

    config, paths = identity(home, environ)
    paths.models_dir.mkdir(parents=True)
    (paths.models_dir / weights.name).symlink_to(weights)
    provider = LlamaCpp(config, paths)

    def is_computing() -> bool:
        [(files, _)] = workers(paths)
        return any(slot["is_processing"] for slot in call(files.socket, "GET", "/slots"))

    def kill() -> None:
        [(_, info)] = workers(paths)
        os.kill(info.pid, signal.SIGKILL)

    try:
        yield Subject(provider, provider.resolve(weights.stem), is_computing, kill)
    finally:
        for files, info in workers(paths):
            stop(files, info)


ROW = Row(real=real, kill=True)
