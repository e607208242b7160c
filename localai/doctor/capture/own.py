"""Localai itself: installations, settings, database, workers, leftovers, the age of its data."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from localai import __version__
from localai.completion_scripts import SHELLS
from localai.config import SETTINGS
from localai.config.reading import read_file
from localai.doctor.capture.context import Context
from localai.doctor.facts.own import Own, SettingValue, WorkerFacts
from localai.engine.worker_files import WorkerFiles, all_files
from localai.errors import InvalidInput, LocalaiError
from localai.files import is_file
from localai.locks import is_held, is_locked
from localai.privacy.environment import is_secret

if TYPE_CHECKING:
    from localai.stores.folders import StoredModel

# localai's own variables that are no settings.
_VARIABLES: Final = ("LOCALAI_HOME", "LOCALAI_MLX_PYTHON")
_STALE_AFTER_S: Final = 60.0


def own(context: Context) -> Own:
    """All facts about localai itself that can be wrong."""
    paths = context.paths
    program, folder = _program()
    leftovers = list(_leftovers(context))
    place, found = _default_model(context)
    return Own(
        version=__version__,
        program=program,
        on_path=tuple(_on_path(context)),
        script_folder=folder,
        script_folder_on_path=folder in context.environ.get("PATH", "").split(os.pathsep),
        config_file=str(paths.config_file),
        config_error=context.config_error,
        settings=tuple(_settings(context)),
        secret_in_config=tuple(_secrets_in_config(context)),
        unknown_variables=tuple(_unknown_variables(context)),
        model=context.config["model"] or "",
        model_bytes=None if found is None else _size(found.path.resolve()),
        model_place=place,
        database=_database(paths.database),
        database_file=str(paths.database),
        workers=tuple(map(_worker, all_files(paths))),
        leftovers=tuple(str(each) for each in leftovers),
        leftover_bytes=sum(_size(each) for each in leftovers),
        loose_files=tuple(_loose_files(context)),
        completion=tuple(_stale_completions(context)),
        catalogue_date=_catalogue_date(),
        prices_date=_prices_date(),
    )


def _program() -> tuple[str, str]:
    program = Path(sys.argv[0])
    if program.name != "localai":
        program = Path(sys.executable).with_name("localai")
    return str(program), str(program.absolute().parent)


def _on_path(context: Context) -> Iterator[str]:
    """Every localai on the search path, each once. The shell runs the first one."""
    seen: set[Path] = set()
    for folder in context.environ.get("PATH", "").split(os.pathsep):
        found = shutil.which("localai", path=folder) if folder else None
        if found is not None and (real := Path(found).resolve()) not in seen:
            seen.add(real)
            yield found


def _settings(context: Context) -> Iterator[SettingValue]:
    for key, value in context.config.values.items():
        if value.origin != "default":
            shown = value.value
            text = ", ".join(shown) if isinstance(shown, tuple) else str(shown)
            yield SettingValue(key, text, value.where or value.origin)


def _secrets_in_config(context: Context) -> Iterator[str]:
    """The places in the configuration file that hold a key, which belongs in the environment."""
    for endpoint in context.config.endpoints.values():
        for header in endpoint.headers:
            if header.lower() in ("authorization", "x-api-key", "api-key"):
                yield f"endpoint.{endpoint.name}.headers.{header}"
    try:
        text = read_file(context.paths.config_file)
    except InvalidInput:
        return
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and is_secret(name.strip().strip("\"'")) and value.strip().strip("\"'"):
            yield name.strip()


def _unknown_variables(context: Context) -> Iterator[str]:
    known = {setting.variable for setting in SETTINGS} | set(_VARIABLES)
    for name in sorted(context.environ):
        if name.startswith("LOCALAI_") and name not in known:
            yield name


def _default_model(
    context: Context,
) -> tuple[Literal["", "here", "missing", "elsewhere"], StoredModel | None]:
    """The place of the configured model, and its facts if it lies here. Other machines are not
    asked."""
    name = context.config["model"]
    if name is None:
        return "", None
    from localai.errors import NotFound
    from localai.providers.registry import declared_facts, is_provider
    from localai.stores.lookup import find_gguf

    provider, _, rest = name.partition("/")
    if rest and is_provider(provider, context.config):
        if provider in context.config.endpoints or declared_facts(provider).opens != "gguf":
            return "elsewhere", None
        name = rest
    try:
        return "here", find_gguf(name, context.paths)
    except NotFound:
        return "missing", None
    except LocalaiError:
        return "elsewhere", None


def _database(file: Path) -> str:
    """The state of the database: "ok", "none", "newer", "damaged", "locked", or SQLite's
    message."""
    from localai.database.schema import MIGRATIONS

    if not is_file(file):
        return "none"
    try:
        connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=0.5)
        try:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        known = {
            sqlite3.SQLITE_CORRUPT: "damaged",
            sqlite3.SQLITE_NOTADB: "damaged",
            sqlite3.SQLITE_BUSY: "locked",
            sqlite3.SQLITE_LOCKED: "locked",
        }
        return known.get(code, str(error))
    return "newer" if version > len(MIGRATIONS) else "ok"


def _worker(files: WorkerFiles) -> WorkerFacts:
    alive = is_locked(files.alive)
    info = files.read_info() if alive else None
    try:
        age_s = max(0.0, time.time() - files.directory.stat().st_mtime)
    except OSError:
        age_s = None
    return WorkerFacts(
        folder=str(files.directory),
        pid=None if info is None else info.pid,
        # While a worker starts, only the second lock is held.
        alive=alive or is_locked(files.start),
        engine=None if info is None else info.engine,
        network_denied=None if info is None else info.network_denied,
        denial=None if info is None else info.denial,
        age_s=age_s,
    )


def _leftovers(context: Context) -> Iterator[Path]:
    """Temporary files and folders of localai's whose process has ended, and sockets of ended
    workers."""
    paths = context.paths
    patterns = (
        (Path(tempfile.gettempdir()), "localai-temporary-*"),
        (paths.data_dir, ".*.????????.tmp"),
        (paths.cache_dir, ".*.????????.tmp"),
        (paths.config_file.parent, ".*.????????.tmp"),
    )
    for folder, pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            if _is_ours_and_old(path) and not is_held(path):
                yield path
    for files in all_files(paths):
        dead = not is_locked(files.alive) and not is_locked(files.start)
        if dead and files.socket.exists() and _is_ours_and_old(files.directory):
            yield files.directory


def _is_ours_and_old(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return status.st_uid == os.getuid() and time.time() - status.st_mtime > _STALE_AFTER_S


def _size(path: Path) -> int:
    if path.is_dir() and not path.is_symlink():
        return sum(_size(each) for each in path.iterdir())
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _loose_files(context: Context) -> Iterator[str]:
    """Files with prompts that other users of this machine may read."""
    paths = context.paths
    wal = paths.database.with_name(f"{paths.database.name}-wal")
    for path in (paths.database, wal, paths.data_dir, paths.kv_dir, paths.logs_dir):
        try:
            status = path.stat()
        except OSError:
            continue
        if status.st_uid == os.getuid() and status.st_mode & 0o077:
            yield str(path)


def _stale_completions(context: Context) -> Iterator[str]:
    """Installed completion scripts that differ from this version's."""
    for each in SHELLS.values():
        file = context.home / each.file
        if is_file(file) and file.read_text(encoding="utf-8", errors="replace") != each.script:
            yield str(file)


def _catalogue_date() -> str:
    from localai.recommend.catalogue import catalogue_date

    return catalogue_date().isoformat()


def _prices_date() -> str:
    """The date of the price list; "" if none is installed."""
    from localai.cost.prices import price_list

    found = price_list()
    return "" if found is None else found.partition(", of ")[2].partition(" ")[0]
