"""Files out of a package registry: pip fetches them, with whatever index the user configured."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.servers.commands import run

REQUIREMENTS = Path(__file__).parent / "requirements"


def download(requirements: str, folder: Path) -> list[Path]:
    """Download `requirements/NAME.txt` into `folder`; return the archives, sorted by name.

    Each requirement is pinned by version and SHA-256 there, and pip refuses anything else.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--requirement", str(REQUIREMENTS / f"{requirements}.txt"), "--dest", str(folder)]
    run(command)
    return sorted(folder.iterdir())
