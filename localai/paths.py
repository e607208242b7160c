"""Where localai's files lie, and how it makes folders that only their owner can read.

`LOCALAI_HOME=/some/folder` puts everything under that one folder. Without it the platform's own
places are used (XDG on Linux, ~/Library on macOS).
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from localai.dataclass import dataclass
from localai.errors import InvalidInput

# sockaddr_un.sun_path holds 108 bytes on Linux and 104 on macOS, the final NUL included;
# the longest name under the runtime folder is "<16 hex>/engine.sock".
_LONGEST_RUNTIME_DIR = 104 - 1 - len("/0123456789abcdef/engine.sock")


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders and files of one localai identity. Asking for a path creates nothing."""

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
            runtime_dir=_runtime_dir(root / "run", environ),
        )
    import platformdirs

    app = platformdirs.PlatformDirs("localai", appauthor=False)
    return Paths(
        config_file=app.user_config_path / "config.toml",
        data_dir=app.user_data_path,
        cache_dir=app.user_cache_path,
        runtime_dir=_runtime_dir(app.user_cache_path / "run", environ),
    )


def _runtime_dir(wanted: Path, environ: Mapping[str, str]) -> Path:
    """`wanted`, unless a socket in it would have too long a path or it cannot be written. Then a
    folder that is named after `wanted`, in a place where only this user can make one; else one with
    an unguessable name in the temporary folder of all users."""
    if len(os.fsencode(wanted)) <= _LONGEST_RUNTIME_DIR and can_be_written(wanted):
        return wanted
    import tempfile

    name = f"localai-{hashlib.sha256(os.fsencode(wanted)).hexdigest()[:8]}"
    temporary = Path(tempfile.gettempdir())
    for place in (environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.getuid()}", temporary):
        if place and is_private(Path(place)) and _is_short(Path(place) / name):
            return Path(place) / name
    unguessable = f"{name}-{_random_name()}"
    shared = temporary if _is_short(temporary / unguessable) else Path("/tmp")
    made = (folder for folder in shared.glob(f"{name}-*") if is_private(folder))
    return min(made, default=shared / unguessable)


def _is_short(runtime_dir: Path) -> bool:
    return len(os.fsencode(runtime_dir)) <= _LONGEST_RUNTIME_DIR


@functools.cache
def _random_name() -> str:
    """A name that is the same for all of this process. The next process looks for the folder, if it
    was made."""
    return os.urandom(8).hex()


def can_be_written(folder: Path) -> bool:
    """Whether this user can make files in `folder`, or make the folder itself."""
    for candidate in (folder, *folder.parents):
        if candidate.exists():
            return os.access(candidate, os.W_OK | os.X_OK)
    return False


def is_private(folder: Path) -> bool:
    """Whether `folder` is a folder, and no link to one, that nobody but this user may enter."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    mode = status.st_mode
    return stat.S_ISDIR(mode) and status.st_uid == os.getuid() and not mode & 0o077


def require_owned_by_user(file: Path, what: str) -> None:
    """Raise InvalidInput if a user other than this one or root can write the content of `file`,
    which `what` describes. A file that does not exist passes."""
    try:
        owners = {file.lstat().st_uid, file.stat().st_uid}
    except OSError:
        return
    if owners - {os.getuid(), 0}:
        raise InvalidInput(
            f"{what} {file} belongs to another user, so it is not read",
            hint="what stands in it may be his: copy it, once you have looked",
        )


def private_dir(folder: Path, *, follow: bool = True) -> Path:
    """Make `folder` (and its parents) readable by its owner only, and return it.

    It must be this user's own. A link of this user's own, as to a larger disk, is followed unless
    `follow` is False. Raises InvalidInput if it cannot be made or belongs to another user.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        link = folder.lstat()
        # By its descriptor: between two looks at a name, another process may put another folder
        # there.
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            status = os.fstat(descriptor)
            is_own = link.st_uid == status.st_uid == os.getuid()
            if is_own and stat.S_IMODE(status.st_mode) != 0o700:
                os.fchmod(descriptor, 0o700)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise InvalidInput(
            f"cannot use the folder {folder}: {error.strerror or error}",
            hint="set LOCALAI_HOME to a folder that you can write to",
            check="disk",
        ) from error
    if not is_own:
        raise InvalidInput(
            f"the folder {folder} belongs to another user",
            hint="set LOCALAI_HOME to a folder of your own",
        )
    if stat.S_ISLNK(link.st_mode) and not follow:
        raise InvalidInput(
            f"{folder} is a link, and the folder of the engine's sockets must not be one",
            command=("rm", str(folder)),
        )
    return folder
