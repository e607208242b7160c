"""Other machines' files, laid out again as a tree under a folder."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parent


def text(name: str) -> str:
    """What the capture `name` holds."""
    return (FOLDER / name).read_text(encoding="utf-8")


def tree(name: str, root: Path) -> Path:
    """Write the files of the capture `name` under `root`, which is returned."""
    pieces = re.split(r"^==> (/\S+) <==\n", text(f"{name}.txt"), flags=re.M)
    for path, content in zip(pieces[1::2], pieces[2::2], strict=True):
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content.removesuffix("\n"), encoding="utf-8")
    return root
