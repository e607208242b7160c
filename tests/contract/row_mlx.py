"""MLX for real: SmolLM2 as an MLX folder in a worker whose interpreter has `mlx[cpu]`."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.contract.rows import Row, Subject, identity


@contextmanager
def real(request: pytest.FixtureRequest) -> Iterator[Subject]:
    folder = request.getfixturevalue("mlx_model_path")
    interpreter = request.getfixturevalue("mlx_python")
    home = request.getfixturevalue("tmp_path_factory").mktemp("contract")
    from localai.engine.lifecycle import stop, workers
    from localai.net.http import call
    from localai.providers.mlx import INTERPRETER_VARIABLE, Mlx

    config, paths = identity(home)
    paths.models_dir.mkdir(parents=True)
    # Its files, not the folder: a store is not searched through links to folders.
    model = paths.models_dir / "smollm2"
    model.mkdir()
    for file in folder.iterdir():
        (model / file.name).symlink_to(file)
    provider = Mlx(config, paths)

    def is_computing() -> bool:
        [(files, _)] = workers(paths)
        return any(slot["is_processing"] for slot in call(files.socket, "GET", "/slots"))

    def kill() -> None:
        [(_, info)] = workers(paths)
        os.kill(info.pid, signal.SIGKILL)

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(INTERPRETER_VARIABLE, str(interpreter))
        try:
            yield Subject(provider, provider.resolve("smollm2"), is_computing, kill)
        finally:
            for files, info in workers(paths):
                stop(files, info)


ROW = Row(
    real=real,
    kill=True,
    cannot={"test_schema": "mlx-lm has no grammar; the request is refused, see test_mlx.py"},
)
