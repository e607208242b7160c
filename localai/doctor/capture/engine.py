"""The embedded engines, loaded in child processes, so that a crash there is only a fact here."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final

from localai.doctor.capture.context import Context
from localai.doctor.facts.own import EngineFacts
from localai.hardware.readers import ask_program

_PLATFORM: str = sys.platform
_LIMIT_S: Final = 15.0
_LLAMACPP: Final = """\
import json, xllamacpp
kinds = xllamacpp.ggml_backend_dev_type
gpus = (kinds.GGML_BACKEND_DEVICE_TYPE_GPU, kinds.GGML_BACKEND_DEVICE_TYPE_IGPU)
found = [each for each in xllamacpp.get_device_info() if each["type"] in gpus]
print(json.dumps([f"{each['name']} ({each['description']})" for each in found]))
"""
_MLX: Final = """\
import json, mlx.core as mx
info = mx.device_info()
print(json.dumps(info.get("max_recommended_working_set_size")))
"""
# The names of other engines' packages.
_PACKAGES: Final = ("xllamacpp", "llama-cpp-python", "vllm", "mlx", "mlx-lm", "genai-prices")
# "version: 6096 (abcdef)", and since 0.5.0 "version: 0.5.0 (build 11549, commit abcdef)".
_BUILD: Final = re.compile(r"^version: (?:\S+ \(build )?(?P<number>\d+)[ ,]", re.MULTILINE)


def engine(context: Context) -> EngineFacts:
    """Whether the engines can be loaded here, and the graphics processors that llama.cpp's engine
    sees: those of the llama-server of engine.binary, where there is one."""
    version = _version("xllamacpp")
    if version is None:
        return EngineFacts(version="", ended="missing", words="", devices=(), mlx=_mlx()[0])
    ended, output = _load(_LLAMACPP)
    devices = _last_json(output) if ended == "ok" else None
    mlx, mlx_output = _mlx()
    working_set = _last_json(mlx_output) if mlx == "ok" else None
    return EngineFacts(
        version=version,
        ended=ended,
        words="" if ended == "ok" else _last_words(output),
        devices=_devices_of_binary(context)
        or (tuple(map(str, devices)) if isinstance(devices, list) else None),
        mlx=mlx,
        mlx_words="" if mlx in ("", "ok") else _last_words(mlx_output),
        working_set_bytes=working_set if isinstance(working_set, int) else None,
    )


def _devices_of_binary(context: Context) -> tuple[str, ...] | None:
    """None without an engine.binary that runs."""
    from localai.engine.llamacpp.binary import find_binary, read_binary
    from localai.errors import LocalaiError

    written = context.config["engine.binary"]
    if written is None:
        return None
    try:
        binary = read_binary(find_binary(written), context.paths.cache_dir)
    except (LocalaiError, OSError):
        return None
    return tuple(f"{device.name} ({device.title})" for device in binary.devices)


def packages(context: Context) -> Mapping[str, str]:
    """The versions of the installed engines: Python packages, and llama-server's build."""
    found = {name: version for name in _PACKAGES if (version := _version(name)) is not None}
    answer = ask_program("llama-server", "--version", limit_s=2.0)
    build = _BUILD.search(answer.output) if answer.status == 0 else None
    # What is built outside a repository calls itself build 0 or 1.
    if build is not None and int(build["number"]) > 1:
        found["llama-server"] = build["number"]
    return found


def _mlx() -> tuple[str, str]:
    if _PLATFORM != "darwin" or platform.machine() != "arm64":
        return "", ""
    return _load(_MLX) if _version("mlx") is not None else ("missing", "")


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _load(code: str) -> tuple[str, str]:
    """Run `code` in a child of this interpreter. Return how it ended, and its whole output."""
    from localai.privacy.environment import child_environment
    from localai.privacy.guard import child

    with child("load an engine where its crash does no harm"):
        try:
            result = subprocess.run(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_LIMIT_S,
                check=False,
                env=child_environment("engine"),
            )
        except subprocess.TimeoutExpired:
            return "silent", ""
    output = result.stdout.decode("utf-8", "replace")
    if result.returncode == 0:
        return "ok", output
    if result.returncode < 0:
        return f"signal {-result.returncode}", output
    return f"exit {result.returncode}", output


def _last_json(output: str) -> Any:
    """The last line that is JSON. Other lines may be a library's greeting."""
    for line in reversed(output.splitlines()):
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            continue
    return None


def _last_words(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
