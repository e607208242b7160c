"""Quantizing an MLX folder by mlx-lm, in a process of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Final

from localai.engine.environment import engine_environment
from localai.errors import InvalidInput, Unreachable
from localai.formats.mlx_folder import MlxFolder, read_folder
from localai.library.quantization.conversion import Conversion
from localai.privacy.guard import child
from localai.privacy.sandbox import sandboxed_command
from localai.progress import WorkProgress
from localai.providers.mlx import mlx_interpreter

_BITS: Final = {"2BIT": 2, "3BIT": 3, "4BIT": 4, "6BIT": 6, "8BIT": 8, "Q4": 4, "Q8": 8}
_FLOATS: Final = {"F16": "float16", "BF16": "bfloat16"}
# Each group of 64 weights also has a scale and a bias of 16 bits each: half a bit a weight.
_SCALE_BITS: Final = 0.5


def mlx_conversion(name: str, path: Path, to: str) -> Conversion:
    """Makes the folder at `path`, called `name`, into the type `to`.

    Raises InvalidInput if the folder is quantized already or mlx-lm cannot make the type,
    Unreachable if mlx-lm is not installed.
    """
    folder = read_folder(path)
    if "quantization" in folder.config:
        raise InvalidInput(
            f"{name} is {folder.quantization} already, and mlx-lm does not quantize twice",
            hint="take the folder that it was made from",
        )
    if to not in _BITS and to not in _FLOATS:
        known = ", ".join(each.lower() for each in (*_BITS, *_FLOATS))
        raise InvalidInput(
            f"{name} is an MLX folder, and mlx-lm does not quantize to {to.lower()}",
            hint=f"--to takes {known}; the other types are for GGUF files",
        )
    interpreter = mlx_interpreter()
    setting = str(_BITS.get(to, "")) or _FLOATS[to]

    def make(target: Path) -> Generator[WorkProgress, None, None]:
        return _make(interpreter, folder.path, target, setting)

    return Conversion("mlx-lm", to.lower(), folder.size_bytes, _made_bytes(folder, to), make)


def _made_bytes(folder: MlxFolder, to: str) -> int:
    bits = _BITS[to] + _SCALE_BITS if to in _BITS else 16
    return round(folder.parameter_count * bits / 8)


def _make(
    interpreter: str, source: Path, target: Path, setting: str
) -> Generator[WorkProgress, None, None]:
    yield WorkProgress("quantizing")
    module = "localai.engine.mlx.convert"
    command = [interpreter, "-P", "-m", module, str(source), str(target), setting]
    # When this pipe closes, the program knows that this command has ended (engine/parent.py).
    reading, writing = os.pipe()
    try:
        with child("mlx-lm, to quantize a folder"):
            done = subprocess.run(
                sandboxed_command(command),
                env=engine_environment(),
                stdin=reading,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
    finally:
        os.close(reading)
        os.close(writing)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise Unreachable(f"mlx-lm could not quantize {source}: {last}")
