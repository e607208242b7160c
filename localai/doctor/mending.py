"""Carries out the lines that mend what is localai's own: `localai doctor --fix`.

The action is exactly that of the line, word by word, so that the action cannot differ from the line
that a person reads. Only lines of a few forms are carried out. They touch only localai's own files,
and all of them can be undone. Every other line stays the user's to run.
"""

from __future__ import annotations

import difflib
import os
import shlex
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from localai.completion_scripts import SHELLS
from localai.config.editing import edited_text, set_value, unset_value
from localai.dataclass import dataclass
from localai.doctor.check import Fix
from localai.errors import NotRemoved

if TYPE_CHECKING:
    from localai.paths import Paths


@dataclass(frozen=True, slots=True)
class Mending:
    """The change that a line makes, as lines to look at, and the function that makes it. The
    function raises LocalaiError."""

    line: str
    preview: tuple[str, ...]
    apply: Callable[[], None]


def mendings_of(fix: Fix, paths: Paths) -> list[Mending]:
    """The mendings of `fix`; empty if it is not localai's own, or if one of its lines has an
    unknown form.

    Raises InvalidInput if the settings' file cannot be edited.
    """
    if fix.safety != "ours":
        return []
    found = [_mending_of(line, paths) for line in fix.lines]
    known = [each for each in found if each is not None]
    return known if len(known) == len(found) else []


def _mending_of(line: str, paths: Paths) -> Mending | None:
    match shlex.split(line):
        case ["localai", "config", "unset", key]:
            return _setting(line, paths, key, None)
        case ["localai", "config", "set", key, value]:
            return _setting(line, paths, key, value)
        case ["localai", "stop", "--all"]:
            return _stop(line, paths)
        case ["localai", "completion", shell, ">", file]:
            return _completion(line, shell, Path(file))
        case ["chmod", "go-rwx", *files]:
            return _close(line, [Path(file) for file in files], paths)
        case ["mv", source, target]:
            return _move(line, Path(source), Path(target), paths)
    return None


def _setting(line: str, paths: Paths, key: str, value: str | None) -> Mending | None:
    before, after = edited_text(paths, key, value)
    if before == after:
        # The value comes from the environment, so the file has nothing to change.
        return None

    def apply() -> None:
        if value is None:
            unset_value(paths, key)
        else:
            set_value(paths, key, value)

    return Mending(line, _difference(before, after, str(paths.config_file)), apply)


def _stop(line: str, paths: Paths) -> Mending:
    from localai.engine.lifecycle import stop, workers

    found = list(workers(paths))

    def apply() -> None:
        for files, info in found:
            stop(files, info)

    return Mending(line, tuple(f"- process {info.pid}, {info.engine}" for _, info in found), apply)


def _completion(line: str, shell: str, file: Path) -> Mending:
    script = SHELLS[shell].script
    before = file.read_text(encoding="utf-8", errors="replace")

    def apply() -> None:
        kept = file.with_name(f"{file.name}.before")
        try:
            file.replace(kept)
            file.write_text(script, encoding="utf-8")
        except OSError as error:
            raise _failed(file, error) from error

    return Mending(line, _difference(before, script, str(file)), apply)


def _close(line: str, files: Sequence[Path], paths: Paths) -> Mending | None:
    if not all(_is_ours(file, paths) for file in files):
        return None
    modes = {file: stat.S_IMODE(file.stat().st_mode) for file in files if file.exists()}

    def apply() -> None:
        for file, mode in modes.items():
            try:
                file.chmod(mode & ~0o077)
            except OSError as error:
                raise _failed(file, error) from error

    preview = [f"{file}: {mode:04o} → {mode & ~0o077:04o}" for file, mode in modes.items()]
    return Mending(line, tuple(preview), apply)


def _move(line: str, source: Path, target: Path, paths: Paths) -> Mending | None:
    if not (_is_ours(source, paths) and _is_ours(target, paths)) or target.exists():
        return None

    def apply() -> None:
        try:
            source.rename(target)
        except OSError as error:
            raise _failed(source, error) from error

    return Mending(line, (f"- {source}", f"+ {target}"), apply)


def _is_ours(file: Path, paths: Paths) -> bool:
    """Whether a file lies in localai's own folders, with links followed."""
    real = Path(os.path.realpath(file))
    folders = (paths.data_dir, paths.cache_dir, paths.config_file.parent)
    return any(real.is_relative_to(os.path.realpath(folder)) for folder in folders)


def _difference(before: str, after: str, name: str) -> tuple[str, ...]:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), name, name, lineterm="", n=1
    )
    return tuple(lines)


def _failed(file: Path, error: OSError) -> NotRemoved:
    return NotRemoved(
        f"{file} cannot be changed: {error.strerror or error}", command=("ls", "-ld", file)
    )
