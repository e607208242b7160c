"""Virtual environments outside the repository, one for each lock, so that a rerun costs nothing."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tomllib
import venv
from collections.abc import Callable
from pathlib import Path

from tests.servers.cache import cache_root, make_once
from tests.servers.commands import run
from tests.servers.packages import REQUIREMENTS

REPOSITORY = Path(__file__).parents[2]
DEVELOPMENT_LOCK = REPOSITORY / "requirements-dev.lock"
CLONE = "clone.txt"
MLX_LOCK = REQUIREMENTS / "mlx.txt"
FAST_BLAS = Path(__file__).with_name("fast_blas.c")
# One thread: several processes of tests share the cores, and the sums are the same each time.
_LOADS_FAST_BLAS = """\
import os, ctypes; os.environ.setdefault("OPENBLAS_NUM_THREADS", "1"); \
ctypes.CDLL({library!r}, ctypes.RTLD_GLOBAL)
"""


def development_python() -> Path:
    """Where the interpreter is that has the locked dev dependencies and this clone, editable."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    # The clone is part of the key: two clones must not test each other's code.
    parts = [DEVELOPMENT_LOCK.read_bytes(), repr(project).encode(), bytes(REPOSITORY)]
    return _python("development", *parts)


def mlx_python() -> Path:
    """Where the interpreter is that has mlx, mlx-lm and the converter's dependencies."""
    return _python("mlx", MLX_LOCK.read_bytes(), FAST_BLAS.read_bytes())


def make_development() -> Path:
    """Make the dev environment unless it is cached; return its interpreter.

    Removes those that this clone, or one that is gone, has no more use for.
    """
    python = development_python()
    _make(python, DEVELOPMENT_LOCK, REPOSITORY)
    for other in cache_root().glob(f"*-development-*/{CLONE}"):
        clone = Path(other.read_text())
        if not clone.exists() or (clone == REPOSITORY and other.parent != python.parents[1]):
            shutil.rmtree(other.parent, ignore_errors=True)
    return python


def make_mlx() -> Path:
    """Make the environment that MLX runs in unless it is cached; return its interpreter."""
    finish = _build_fast_blas if sys.platform == "linux" else None
    return _make(mlx_python(), MLX_LOCK, finish=finish)


def _build_fast_blas(folder: Path) -> None:
    """Have the interpreter of the environment `folder` load `FAST_BLAS` whenever it starts."""
    [packages] = folder.glob("lib/python*/site-packages")
    [openblas] = packages.glob("numpy.libs/libscipy_openblas64_*.so")
    library = folder / "fast_blas.so"
    rpath = f"-Wl,-rpath,{openblas.parent}"
    run(["cc", "-O2", "-shared", "-fPIC", FAST_BLAS, "-o", library, openblas, rpath])
    (packages / "fast_blas.pth").write_text(_LOADS_FAST_BLAS.format(library=str(library)))


def _python(name: str, *parts: bytes) -> Path:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256(b"\0".join([sys.base_prefix.encode(), version.encode(), *parts]))
    return cache_root() / f"python{version}-{name}-{key.hexdigest()[:8]}" / "bin" / "python"


def _make(
    python: Path,
    lock: Path,
    project: Path | None = None,
    finish: Callable[[Path], None] | None = None,
) -> Path:
    def install(*arguments: str | Path) -> None:
        run([python, "-m", "pip", "install", "--quiet", *arguments])

    def build(folder: Path) -> None:
        venv.create(folder, with_pip=True, symlinks=True)
        install("--require-hashes", "--requirement", lock)
        if project is not None:
            install("--no-deps", "--no-build-isolation", "--editable", project)
            (folder / CLONE).write_text(str(project))
        if finish is not None:
            finish(folder)

    make_once(python.parents[1], build)
    return python
