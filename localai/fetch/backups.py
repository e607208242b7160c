"""localai's own models stay out of Time Machine: they are large, and can be fetched again.

Only that folder: what Ollama, LM Studio or the hub's cache keep is theirs to say.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localai.paths import private_dir

if TYPE_CHECKING:
    from localai.paths import Paths

TMUTIL: Final = "/usr/bin/tmutil"
_LONGEST_S: Final = 20.0
# Typed as a plain text, so that mypy checks the branches of both systems.
_PLATFORM: str = sys.platform


def models_folder(paths: Paths) -> Path:
    """The folder of localai's own models, made if it is not there. A new one is left out of Time
    Machine's backups; whoever takes that back (`tmutil removeexclusion`) is not overruled.

    Raises InvalidInput if it cannot be made.
    """
    is_new = not paths.models_dir.exists()
    folder = private_dir(paths.models_dir)
    if is_new and _PLATFORM == "darwin":
        _leave_out(folder)
    return folder


def make_store(store: Path, paths: Paths) -> None:
    """Make the folder of localai's own models, if `store` is it or lies in it."""
    if store.is_relative_to(paths.models_dir):
        models_folder(paths)


def _leave_out(folder: Path) -> None:
    """Mark the folder, as its owner may (an extended attribute, which moves with the folder). Where
    that fails, it is backed up as any other."""
    import subprocess

    from localai.privacy.environment import child_environment
    from localai.privacy.guard import child

    try:
        with child("tmutil, to leave the models out of backups"):
            subprocess.run(
                [TMUTIL, "addexclusion", str(folder)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=child_environment(),
                timeout=_LONGEST_S,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired):
        return
