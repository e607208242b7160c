"""Where localai keeps things, and how it makes folders that only their owner can read.

`LOCALAI_HOME=/some/folder` puts everything under that one folder. Without it the platform's
own places are used (XDG on Linux, ~/Library on macOS).
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localai.errors import InvalidInput

# sockaddr_un.sun_path holds 108 bytes on Linux and 104 on macOS, the final NUL included;
# the longest name under the runtime folder is "<16 hex>/engine.sock".
_LONGEST_RUNTIME_DIR = 104 - 1 - len("/0123456789abcdef/engine.sock")


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders and files of one localai identity. Nothing is created by asking for a path."""

    config_file: Path
    data_dir: Path
    cache_dir: Path
    runtime_dir: Path

    @property
    def database(self) -> Path:
        """Conversations, usage, egress ledger: one SQLite file."""
        return self.data_dir / "localai.db"

    @property
    def models_dir(self) -> Path:
        """Model files that localai itself fetched."""
        return self.data_dir / "models"

    @property
    def logs_dir(self) -> Path:
        """Logs of the engine's workers."""
        return self.cache_dir / "logs"

    @property
    def kv_dir(self) -> Path:
        """KV states of conversations."""
        return self.cache_dir / "kv"


def locate(environ: Mapping[str, str] | None = None) -> Paths:
    """The paths in force, from `LOCALAI_HOME` or the platform's conventions."""
    environ = os.environ if environ is None else environ
    home = environ.get("LOCALAI_HOME")
    if home:
        root = Path(home).expanduser().absolute()
        return Paths(
            config_file=root / "config.toml",
            data_dir=root / "data",
            cache_dir=root / "cache",
            runtime_dir=_runtime_dir(root / "run"),
        )
    import platformdirs

    app = platformdirs.PlatformDirs("localai", appauthor=False)
    return Paths(
        config_file=app.user_config_path / "config.toml",
        data_dir=app.user_data_path,
        cache_dir=app.user_cache_path,
        runtime_dir=_runtime_dir(app.user_cache_path / "run"),
    )


def _runtime_dir(wanted: Path) -> Path:
    """`wanted`, unless a socket in it would be too deep to bind or it cannot be written:
    then a folder of this user's in the temporary directory, named after `wanted`."""
    if len(os.fsencode(wanted)) <= _LONGEST_RUNTIME_DIR and _can_be_written(wanted):
        return wanted
    name = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"localai-{os.getuid()}-{name}"


def _can_be_written(folder: Path) -> bool:
    for candidate in (folder, *folder.parents):
        if candidate.exists():
            return os.access(candidate, os.W_OK | os.X_OK)
    return False


def private_dir(folder: Path) -> Path:
    """Make `folder` (and its parents) readable by its owner only, and return it.

    Raises InvalidInput where it cannot be made or belongs to somebody else.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if stat.S_IMODE(status.st_mode) != 0o700 and status.st_uid == os.getuid():
            folder.chmod(0o700)
    except OSError as error:
        raise InvalidInput(
            f"cannot use the folder {folder}: {error.strerror or error}",
            hint="set LOCALAI_HOME to a folder that you can write to",
        ) from error
    if status.st_uid not in (os.getuid(), 0):
        raise InvalidInput(
            f"the folder {folder} belongs to another user",
            hint="set LOCALAI_HOME to a folder of your own",
        )
    return folder
