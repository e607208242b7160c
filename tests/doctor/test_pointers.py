"""Commands that fail: they name the cause, and the check that finds out more of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.doctor.scene import Scene
from tests.support.command import RunLocalai
from tests.support.processes import free_port
from tests.support.weights import require

_FAILURES: dict[str, tuple[tuple[str, ...], Callable[[Scene], None], int, str, str | None]] = {}


def _fails(
    name: str, *words: str, code: int, said: str, why: str | None
) -> Callable[[Callable[[Scene], None]], None]:
    def register(cause: Callable[[Scene], None]) -> None:
        _FAILURES[name] = (words, cause, code, said, why)

    return register


@_fails("a proxy", "pull", "qwen3:8b", code=5, said="the proxy 127.0.0.1:", why="proxy-down")
def _proxy(scene: Scene) -> None:
    scene.configure(f'[network]\nproxy = "http://127.0.0.1:{free_port()}"\n')


@_fails(
    "an air gap",
    *("--airgap", "chat", "-m", "ollama/qwen3", "hello"),
    code=5,
    said="cannot be reached under --airgap",
    why=None,
)
def _air_gap(scene: Scene) -> None:
    """Nothing else is wrong."""


@_fails(
    "a download under an air gap",
    *("--airgap", "pull", "qwen3:8b"),
    code=4,
    said="under --airgap a command has no network at all",
    why=None,
)
def _download(scene: Scene) -> None:
    """Nothing else is wrong."""


@_fails(
    "an endpoint",
    *("chat", "-m", "farm/x", "hello"),
    code=5,
    said="is not running: nobody listens there",
    why="own-server-down",
)
def _endpoint(scene: Scene) -> None:
    scene.configure(f'[endpoint.farm]\nurl = "http://127.0.0.1:{free_port()}/v1"\n')


@_fails("a file", "chat", "-m", "cut", "hello", code=2, said="cut.gguf", why="models")
def _file(scene: Scene) -> None:
    (scene.models / "cut.gguf").write_bytes(b"no model at all")


@_fails("a database", "history", "list", code=9, said="not a database", why="database-damaged")
def _database(scene: Scene) -> None:
    _ = scene.models
    (scene.home / "data" / "localai.db").write_bytes(b"this is no database " * 100)


@_fails(
    "an engine that crashes",
    *("chat", "-m", "sound", "hello"),
    code=5,
    said="it came to an instruction that this processor lacks (signal 4)",
    why="localai",
)
def _crash(scene: Scene) -> None:
    (scene.models / "sound.gguf").symlink_to(require("smollm2"))
    scene.module("xllamacpp", "import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n")


@_fails(
    "an engine that cannot be loaded",
    *("chat", "-m", "sound", "hello"),
    code=5,
    said="ImportError: libfoo.so.1: cannot open shared object file",
    why="localai",
)
def _import(scene: Scene) -> None:
    (scene.models / "sound.gguf").symlink_to(require("smollm2"))
    scene.module("xllamacpp", "raise ImportError('libfoo.so.1: cannot open shared object file')\n")


@pytest.mark.parametrize("name", sorted(_FAILURES))
def test_a_failure_is_called_by_its_cause(name: str, scene: Scene, run_localai: RunLocalai) -> None:
    words, cause, code, said, why = _FAILURES[name]
    cause(scene)
    result = run_localai(*words, env=scene.environment)
    text = " ".join(result.stderr.decode().split())
    assert result.returncode == code, text
    assert said in text
    assert "bug in localai" not in text
    if why is None:
        assert "why:" not in text
    else:
        assert text.endswith(f"why: localai doctor {why}")
        found = run_localai("doctor", why, env=scene.environment)
        assert found.returncode in (0, 8)
