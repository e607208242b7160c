"""The memory that llama.cpp itself says it will take for a model, asked before anything is loaded.

`python -m localai.engine.llamacpp.memory_projection SPEC.json` begins to load the model as the
worker would, with automatic parameter fitting and the log at verbosity 4. llama.cpp first prints
the memory on each device. That needs only the file's header, so the weights may be missing (a
sparse file of the right size). The caller reads the table and kills the process: the load that
would follow is of no use, and the engine holds the interpreter's lock during it.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Final, get_args

from localai.dataclass import dataclass
from localai.engine.llamacpp.log import DeviceShare, failure_reason, first_table
from localai.engine.worker_files import KvType
from localai.errors import InvalidInput, Unreachable
from localai.temporary import TemporaryFolder

# Typed as a plain text, so that mypy checks the branches of every system.
_PLATFORM: str = sys.platform
# The usual time is a second; the rest is for a slow disk and a busy machine, and on macOS for
# Metal, which compiles its shaders for the first process that asks.
TIME_LIMIT_S: Final = 120.0 if _PLATFORM == "darwin" else 30.0
_WHY_LONG: Final = (
    " (Metal compiles its shaders for the first process that asks: a second try is quick)"
    if _PLATFORM == "darwin"
    else ""
)


@dataclass(frozen=True, slots=True)
class _Spec:
    model_path: str
    context_tokens: int
    kv_type: KvType
    slots: int


def project_memory(
    model: Path, context_tokens: int, *, kv_type: KvType = "f16", slots: int = 1
) -> tuple[DeviceShare, ...]:
    """The memory that `model` takes on each device with a context of `context_tokens`, when the
    engine distributes the layers. Takes about half a second, in a child process.

    Raises InvalidInput if `kv_type` is impossible, and Unreachable with the engine's reason if it
    cannot say (an architecture that it does not know, a broken file, no answer in time).
    """
    if kv_type not in get_args(KvType):
        raise InvalidInput(
            f"there is no KV cache type {kv_type}", hint=f"one of: {', '.join(get_args(KvType))}"
        )
    spec = _Spec(str(model.absolute()), context_tokens, kv_type, slots)
    with TemporaryFolder() as folder:
        process = _start(spec, Path(folder))
        try:
            return _read_table(process, spec.model_path)
        finally:
            process.kill()
            process.wait()
            for pipe in filter(None, (process.stdin, process.stderr)):
                pipe.close()


def _start(spec: _Spec, folder: Path) -> subprocess.Popen[bytes]:
    from localai.engine.environment import engine_environment
    from localai.privacy.guard import child
    from localai.privacy.sandbox import sandboxed_command

    file = folder / "spec.json"
    file.write_text(json.dumps(asdict(spec)), encoding="utf-8")
    # -P: a folder called `localai` in the user's current one must not run as ours.
    command = [sys.executable, "-P", "-m", "localai.engine.llamacpp.memory_projection", str(file)]
    with child("the engine's projection of the memory a model takes"):
        return subprocess.Popen(
            sandboxed_command(command),
            # When this pipe closes, the process knows that this command has ended
            # (engine/parent.py).
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=engine_environment(),
            start_new_session=True,
        )


def _read_table(process: subprocess.Popen[bytes], model_path: str) -> tuple[DeviceShare, ...]:
    assert process.stderr is not None
    log, deadline = "", time.monotonic() + TIME_LIMIT_S
    for piece in _pieces(process.stderr, deadline):
        log += piece
        if (shares := first_table(log)) is not None:
            return shares
    if time.monotonic() >= deadline:
        raise Unreachable(
            f"the engine has not projected {model_path} in {TIME_LIMIT_S:.0f} s{_WHY_LONG}"
        )
    raise Unreachable(f"the engine cannot project {model_path}: {failure_reason(log)}")


def _pieces(stream: IO[bytes], deadline: float) -> Iterator[str]:
    """The text from `stream`, until it closes or `deadline` is over."""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if not selector.select(left):
                return
            piece = os.read(stream.fileno(), 1 << 16)
            if not piece:
                return
            yield piece.decode("utf-8", "replace")


def main(spec_path: str) -> None:
    """Begin to load the model that the file at `spec_path` names, so that the engine prints its
    table."""
    from localai.engine.llamacpp.library import write_out_log
    from localai.engine.llamacpp.worker import engine_parameters
    from localai.engine.parent import end_with_parent
    from localai.engine.worker_files import WorkerSpec
    from localai.privacy.sandbox import deny_network

    end_with_parent()
    deny_network()
    import xllamacpp

    file = Path(spec_path)
    spec = _Spec(**json.loads(file.read_text(encoding="utf-8")))
    # The socket is never reached; a relative name, because a Unix socket's path must be short.
    os.chdir(file.parent)
    worker = WorkerSpec(
        "llamacpp", spec.model_path, spec.context_tokens, slots=spec.slots, kv_type=spec.kv_type
    )
    parameters = engine_parameters(xllamacpp, worker, "engine.sock")
    try:
        xllamacpp.Server(parameters)
    except RuntimeError:
        # The engine has said why. The server's threads would keep the process alive.
        write_out_log()
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
