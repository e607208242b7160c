"""What a real load of a model allocates, by the sizes of the buffers that llama.cpp logs.

`python -m tests.sizing.real_load MODEL CONTEXT KV_TYPE` loads and waits to be killed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_BUFFER = re.compile(r"(\S+) (model|output|KV|RS|compute) buffer size =\s*([\d.]+) MiB")
_LOADED = "load_model: initializing"


@dataclass(frozen=True)
class Allocated:
    """Bytes of all buffers. Weights that the CPU lays out anew are counted once: their pages in
    the file's mapping are touched once and then given back."""

    weights_bytes: float
    context_bytes: float
    compute_bytes: float

    @property
    def total_bytes(self) -> float:
        return self.weights_bytes + self.context_bytes + self.compute_bytes


def load(model: Path, context_tokens: int, kv_type: str = "f16") -> Allocated:
    """Load `model` for real in another process, and say what it took."""
    command = [sys.executable, "-m", "tests.sizing.real_load"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [*command, str(model), str(context_tokens), kv_type],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "ENGINE_FOLDER": folder},
            text=True,
        )
        assert process.stderr is not None
        lines: list[str] = []
        for line in process.stderr:
            lines.append(line)
            if _LOADED in line:
                break
        process.kill()
        process.wait()
        process.stderr.close()
    log = "".join(lines)
    assert _LOADED in log, log[-2000:]
    sums = {"weights": 0.0, "context": 0.0, "compute": 0.0}
    repacked = 0.0
    for buffer, kind, size in _BUFFER.findall(log):
        part = {"model": "weights", "KV": "context", "RS": "context"}.get(kind, "compute")
        sums[part] += float(size) * (1 << 20)
        if "REPACK" in buffer:
            repacked += float(size) * (1 << 20)
    return Allocated(sums["weights"] - repacked, sums["context"], sums["compute"])


def main(model: str, context_tokens: str, kv_type: str) -> None:
    import xllamacpp

    from localai.engine.llamacpp.worker import engine_parameters
    from localai.engine.worker_files import WorkerSpec

    os.chdir(os.environ["ENGINE_FOLDER"])
    spec = WorkerSpec("llamacpp", model, int(context_tokens))
    parameters = engine_parameters(xllamacpp, spec, "engine.sock")
    kind = xllamacpp.ggml_type[f"GGML_TYPE_{kv_type.upper()}"]
    parameters.cache_type_k = parameters.cache_type_v = kind
    # Neither changes a buffer, and each is a third of the time.
    parameters.fit_params = parameters.warmup = False
    xllamacpp.Server(parameters)


if __name__ == "__main__":
    main(*sys.argv[1:])
