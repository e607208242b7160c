"""What an argument of `-f` names: a file, some lines of one, a glob, a folder, or stdin.

    notes.md        a file             src/**/*.py    the files that match
    a.py:10-40      its lines 10 to 40 (a.py:10 is one line, a.py:10- goes to the end)
    src             the text files in a folder, without what git ignores
    -               stdin

No text is cut. Files of a folder or a glob that are no text are left out and named.
"""

from __future__ import annotations

import glob
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from localai.chat.inputs import TextFile, read_stdin, read_text_file
from localai.dataclass import dataclass
from localai.errors import InvalidInput, LocalaiError, NotFound
from localai.files import is_file, is_folder, user_path
from localai.patterns import lazy_pattern
from localai.privacy.environment import child_environment
from localai.privacy.guard import child
from localai.units import counted

STDIN: Final = "-"
_NAMED: Final = 3
_MOST_FILES: Final = 20_000
"""What has more was not meant: a home, a disk. To read them all takes minutes."""
_SOME_LINES: Final = 40
_LINES: Final = lazy_pattern(r"(?P<name>.+):(?P<first>\d{1,18})(?P<range>-(?P<last>\d{1,18})?)?")


@dataclass(frozen=True, slots=True)
class GatheredFiles:
    """The files that were named, each once. Files of folders and globs are in `left_out` if they
    are no text, in `unreadable` if they may not be read."""

    files: tuple[TextFile, ...]
    left_out: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know of how the files were read, a sentence for each kind."""
        return remarks_on(self.files)


def remarks_on(files: Sequence[TextFile]) -> tuple[str, ...]:
    """What the user should know of how the files were read. Files with the same remark share a
    sentence."""
    by_remark: dict[str, list[str]] = {}
    for file in files:
        for remark in file.remarks:
            by_remark.setdefault(remark, []).append(file.name)
    return tuple(f"{some_of(names)}: {remark}" for remark, names in by_remark.items())


def some_of(names: Sequence[str]) -> str:
    """The first three names, and how many there are."""
    return ", ".join(names[:_NAMED]) + (
        f", … ({counted(len(names), 'file')})" if len(names) > _NAMED else ""
    )


def gather_files(arguments: Sequence[str]) -> GatheredFiles:
    """All files that `arguments` name, in their order.

    Raises NotFound if one does not exist, InvalidInput if one is no text. A file of a folder or a
    glob may be no text, as long as another one is.
    """
    files: dict[str, TextFile] = {}
    left_out: list[str] = []
    unreadable: list[str] = []
    for argument in arguments:
        path = user_path(argument)
        if not argument:
            # An unset variable of the shell's would else mean this whole folder.
            raise InvalidInput("-f names no file", hint="this folder is -f .")
        if argument == STDIN:
            files[STDIN] = TextFile("stdin", read_stdin())
        elif is_folder(path):
            names, closed = _in_folder(path)
            unreadable += closed
            _add(names, files, left_out, unreadable)
        elif (part := _part(argument)) is not None:
            files[argument] = part
        elif (matching := _matching(argument)) is not None:
            _add(matching, files, left_out, unreadable)
        else:
            files.setdefault(argument, read_text_file(argument))
    return GatheredFiles(tuple(files.values()), tuple(left_out), tuple(unreadable))


def _add(
    names: Sequence[str],
    files: dict[str, TextFile],
    left_out: list[str],
    unreadable: list[str],
) -> None:
    """Read the files of a folder or a glob. If none of them is a text, raises what the first of
    them raises."""
    failure: LocalaiError | None = None
    before = len(files)
    for name in names:
        try:
            if name not in files:
                files[name] = read_text_file(name)
        except (InvalidInput, NotFound) as error:
            failure = failure or error
            closed = isinstance(error.__cause__, OSError)
            (unreadable if closed else left_out).append(name)
    if failure is not None and len(files) == before and not any(name in files for name in names):
        raise failure


def _part(argument: str) -> TextFile | None:
    """The lines that `FILE:10-40` names; None if the argument names no lines of an existing
    file."""
    found = _LINES.fullmatch(argument)
    if found is None or is_file(user_path(argument)) or not is_file(user_path(found["name"])):
        return None
    whole = read_text_file(found["name"])
    lines = whole.text.splitlines()
    first = int(found["first"])
    last = first if found["range"] is None else int(found["last"] or len(lines))
    if not 1 <= first <= last <= len(lines):
        wanted = argument.removeprefix(f"{found['name']}:")
        raise InvalidInput(
            f"{found['name']} has lines 1 to {len(lines):,}, and not {wanted}",
            hint=f"-f {shlex.quote(found['name'])}:1-{min(len(lines), _SOME_LINES)}",
        )
    text = "\n".join(lines[first - 1 : last]) + "\n"
    return TextFile(argument, text, remarks=whole.remarks)


def _matching(pattern: str) -> list[str] | None:
    """The files that match; None if the argument is no pattern. Raises NotFound if none matches."""
    path = str(user_path(pattern))
    if not glob.has_magic(pattern) or os.path.lexists(path):
        return None
    folder = _folder_of(path)
    found = [each for each in _glob(folder, path) if is_file(each)]
    names = sorted(str(each) for each in found if _stays_in(folder, each))
    if found and not names:
        raise NotFound(
            f"what matches {pattern!r} are links that lead out of {folder}",
            hint="name such a file itself, or the folder that it is in",
        )
    if not names:
        raise NotFound(f"no file matches {pattern!r}")
    return names


def _glob(folder: Path, pattern: str) -> Iterator[Path]:
    """The paths below `folder` that match; hidden names only if the pattern has them. `**` does not
    follow links to folders: a link that loops would give a file forty names, and two of them more
    names than there is time for."""
    parts = list(Path(pattern).parts[len(folder.parts) :])
    shows_hidden = any(part.startswith(".") for part in parts)
    # Within a longer part it is a star, as in a shell; at the end it means all files below.
    parts = [part if part == "**" else part.replace("**", "*") for part in parts]
    if parts[-1] == "**":
        parts.append("*")
    seen: set[Path] = set()
    for found in folder.glob("/".join(parts)):
        if found in seen or (not shows_hidden and _is_hidden(found.relative_to(folder))):
            continue
        seen.add(found)
        _refuse_too_many(len(seen), pattern)
        yield found


def _refuse_too_many(count: int, where: str | Path) -> None:
    if count > _MOST_FILES:
        raise InvalidInput(
            f"{where} has more than {_MOST_FILES:,} files",
            hint="name a folder in it, or a narrower pattern: -f 'src/**/*.py'",
        )


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _folder_of(pattern: str) -> Path:
    """The folder that a pattern searches."""
    fixed = Path()
    for part in Path(pattern).parts:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed


def _stays_in(folder: Path, name: str | Path) -> bool:
    """Whether the file is in the folder, its links followed. A link that leads elsewhere would let
    a stranger's archive or clone name the user's own files, to be sent."""
    # It does not raise for links that loop, as a path's own method does before Python 3.13.
    return Path(os.path.realpath(name)).is_relative_to(os.path.realpath(folder))


def _in_folder(folder: Path) -> tuple[list[str], list[str]]:
    """The files in `folder`, by name. In a git work tree those that git knows or does not ignore;
    elsewhere those whose path has no hidden part. Raises NotFound if there are none."""
    closed: list[str] = []
    relative = _of_work_tree(folder)
    names = [folder / name for name in relative] if relative is not None else _walk(folder, closed)
    _refuse_too_many(len(names), folder)
    found = [str(each) for each in sorted(names) if is_file(each) and _stays_in(folder, each)]
    if not found and not closed:
        raise NotFound(f"there is no file in {folder}")
    return found, closed


def _walk(folder: Path, closed: list[str]) -> list[Path]:
    def note(error: OSError) -> None:
        closed.append(str(error.filename))

    found: list[Path] = []
    for where, folders, names in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(where, name) for name in names if not name.startswith(".")]
        _refuse_too_many(len(found), folder)
    return found


def _of_work_tree(folder: Path) -> list[str] | None:
    """The files that `git ls-files` lists; None without git, or outside of a work tree."""
    # A stranger's repository may name a program to run in its own settings.
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
    """Whether one of the arguments of a command is stdin; then the question is not read from
    there."""
    return STDIN in arguments and sys.stdin is not None
