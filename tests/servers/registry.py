"""Debian's docker-registry: a real OCI registry.

The package is unpacked and not installed: installing starts a service on all interfaces.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.servers.cache import cache_root, make_once
from tests.servers.commands import CommandFailed, run

PACKAGE = "docker-registry"


def binary() -> Path:
    """Where the registry's binary is: on the path, else in the cache once it was fetched."""
    installed = shutil.which(PACKAGE)
    return Path(installed) if installed else _artefact() / "usr" / "bin" / PACKAGE


def fetch() -> Path:
    """Fetch the registry unless it is there. Needs Debian's apt; root only to refresh its lists."""
    if shutil.which(PACKAGE) is None:
        make_once(_artefact(), _unpack_into)
    return binary()


def _artefact() -> Path:
    return cache_root() / PACKAGE


def _unpack_into(folder: Path) -> None:
    download = ["apt-get", "download", "--quiet=2", PACKAGE]
    try:
        run(download, cwd=folder)
    except CommandFailed:  # a new machine has no package lists
        run(["apt-get", "update", "--quiet=2"])
        run(download, cwd=folder)
    [package] = folder.glob("*.deb")
    run(["dpkg-deb", "--extract", package, folder])
    package.unlink()
