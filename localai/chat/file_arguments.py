"""What an argument of `-f` names: a file, some lines of one, a glob, a folder, or stdin.

    notes.md        a file             src/**/*.py    what matches
    a.py:10-40      its lines 10 to 40 (a.py:10 is one line, a.py:10- goes to the end)
    src             the text files in a folder, without what git ignores
    -               stdin

Nothing is cut: what of a folder is no text is named, and the rest is whole.
"""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from localai.chat.inputs import TextFile, read_stdin, read_text_file
from localai.dataclass import dataclass
from localai.errors import InvalidInput, NotFound
from localai.privacy.environment import child_environment
from localai.privacy.guard import child

STDIN: Final = "-"
_LINES: Final = re.compile(r"(?P<name>.+):(?P<first>\d+)(?P<range>-(?P<last>\d+)?)?")


@dataclass(frozen=True, slots=True)
class GatheredFiles:
    """The files that were named, each once, and what was left out of folders: no text."""

    files: tuple[TextFile, ...]
    left_out: tuple[str, ...] = ()


def gather_files(arguments: Sequence[str]) -> GatheredFiles:
    """All that `arguments` name, in their order.

    Raises NotFound where nothing is there, InvalidInput for what is no text, but not for what of
    a folder is none.
    """
    files: dict[str, TextFile] = {}
    left_out: list[str] = []
    for argument in arguments:
        path = Path(argument).expanduser()
        if argument == STDIN:
            files[STDIN] = TextFile("stdin", read_stdin())
        elif path.is_dir():
            for name in _in_folder(path):
                try:
                    files.setdefault(name, read_text_file(name))
                except InvalidInput:
                    left_out.append(name)
        elif (part := _part(argument)) is not None:
            files[argument] = part
        else:
            for name in _matching(argument):
                files.setdefault(name, read_text_file(name))
    return GatheredFiles(tuple(files.values()), tuple(left_out))


def _part(argument: str) -> TextFile | None:
    """The lines that `FILE:10-40` names; None where it names no lines of a file that is there."""
    found = _LINES.fullmatch(argument)
    if found is None or Path(argument).expanduser().exists():
        return None
    if not Path(found["name"]).expanduser().is_file():
        return None
    lines = read_text_file(found["name"]).text.splitlines()
    first = int(found["first"])
    last = first if found["range"] is None else int(found["last"] or len(lines))
    if not 1 <= first <= last <= len(lines):
        raise InvalidInput(f"{found['name']} has lines 1 to {len(lines)}, and not {argument!r}")
    return TextFile(argument, "\n".join(lines[first - 1 : last]) + "\n")


def _matching(pattern: str) -> list[str]:
    path = str(Path(pattern).expanduser())
    if not glob.has_magic(pattern) or Path(path).exists():
        return [pattern]
    found = [each for each in glob.glob(path, recursive=True) if Path(each).is_file()]  # noqa: PTH207  a pattern may be absolute
    folder = _folder_of(path)
    names = sorted(each for each in found if _stays_in(folder, each))
    if found and not names:
        raise NotFound(
            f"what matches {pattern!r} are links that lead out of {folder}",
            hint="name such a file itself, or the folder that it is in",
        )
    if not names:
        raise NotFound(f"no file matches {pattern!r}")
    return names


def _folder_of(pattern: str) -> Path:
    """The folder that a pattern searches."""
    fixed = Path()
    for part in Path(pattern).parts:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed


def _stays_in(folder: Path, name: str | Path) -> bool:
    """Whether the file is in the folder, its links followed: one that leads elsewhere would make a
    stranger's archive or clone name the user's own files, to be sent."""
    return Path(name).resolve().is_relative_to(folder.resolve())


def _in_folder(folder: Path) -> list[str]:
    """The files in `folder`, by name: those that git knows or does not ignore; where that is no
    work tree, all whose path has no hidden part. Raises NotFound for a folder without files."""
    names = _of_work_tree(folder)
    if names is None:
        names = [
            str(file.relative_to(folder))
            for file in folder.rglob("*")
            if not any(part.startswith(".") for part in file.relative_to(folder).parts)
        ]
    files = sorted(folder / name for name in names)
    found = [str(file) for file in files if file.is_file() and _stays_in(folder, file)]
    if not found:
        raise NotFound(f"there is no file in {folder}")
    return found


def _of_work_tree(folder: Path) -> list[str] | None:
    """What `git ls-files` says; None without git, or outside of a work tree."""
    # A repository that somebody else made may name a program in its own settings.
    quiet = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
    wanted = ("ls-files", "--cached", "--others", "--exclude-standard", "-z")
    try:
        with child("git, which knows what it ignores"):
            done = subprocess.run(
                ["git", "-C", str(folder), *quiet, *wanted],
                env=child_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
            )
    except (OSError, subprocess.CalledProcessError):
        return None
    return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]


def takes_stdin(arguments: Sequence[str]) -> bool:
    """Whether one of the arguments of a command is stdin; the question then is not read there."""
    return STDIN in arguments and sys.stdin is not None
