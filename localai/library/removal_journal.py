"""Removing files so that a removal which is killed is finished by the next one.

A journal names the files before the first is removed, and is deleted after the last. A file that
was replaced by another meanwhile stays. A blob of Ollama's is removed only if no other name needs
it.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localai.errors import InvalidInput
from localai.files import inode_of, write_atomically
from localai.paths import private_dir
from localai.stores.ollama import unreferenced
from localai.temporary import sweep_temporaries

if TYPE_CHECKING:
    from localai.paths import Paths


@contextlib.contextmanager
def journal(paths: Paths, files: Iterable[Path], root: Path | None = None) -> Iterator[None]:
    """Keep a journal of these files while the caller removes them. `root` is the store of Ollama's
    that they are blobs of."""
    present = [file for file in files if file.is_symlink() or file.exists()]
    document = {
        "files": [_entry(file) for file in present],
        "ollama_root": None if root is None else str(root),
    }
    folder = private_dir(_journals(paths))
    sweep_temporaries(folder)
    file = folder / f"{secrets.token_hex(8)}.json"
    write_atomically(file, json.dumps(document).encode())
    yield
    file.unlink(missing_ok=True)


def unlink(files: Iterable[Path], root: Path | None = None) -> None:
    """Unlink the files; in `root`, a store of Ollama's, only blobs that no manifest names. Raises
    InvalidInput for one that cannot be removed."""
    _unlink([_entry(file) for file in files], root)


def finish_interrupted_removals(paths: Paths) -> None:
    """Finish the removals that were killed."""
    for file in sorted(_journals(paths).glob("*.json")):
        with contextlib.suppress(
            OSError, ValueError, KeyError, TypeError, RecursionError, InvalidInput
        ):
            document: Any = json.loads(file.read_bytes())
            root = document["ollama_root"]
            _unlink(document["files"], None if root is None else Path(root))
        with contextlib.suppress(OSError):
            file.unlink()


def _journals(paths: Paths) -> Path:
    return paths.data_dir / "removing"


def _entry(file: Path) -> list[Any]:
    status = file.lstat()
    return [str(file), *inode_of(status)]


def _unlink(entries: Iterable[list[Any]], root: Path | None) -> None:
    """Unlink files that have not changed; in Ollama's store only blobs without a manifest."""
    paths = {Path(entry[0]): entry for entry in entries}
    free = frozenset(paths) if root is None else unreferenced(root, frozenset(paths))
    for path, entry in paths.items():
        try:
            if path in free and _entry(path) == entry:
                path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InvalidInput(f"{path} cannot be removed: {error.strerror}") from error
