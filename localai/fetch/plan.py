"""A pull: what it would do, known before a byte of weights is fetched, and what it tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from localai.dataclass import dataclass
from localai.progress import WorkNote, WorkProgress

if TYPE_CHECKING:
    from localai.fetch.partial import RemoteFile
    from localai.formats.gguf import GgufHeader
    from localai.sizing.memory import HeaderFile


@dataclass(frozen=True, slots=True)
class PullPlan:
    """A model that was found at a source, and how it gets into a store.

    `name` is what `localai chat -m` takes afterwards, `source` who serves the model, `store` the
    folder it goes into. `files` are the files that must be there in the end, the model's own first;
    those that are there already are only verified. `measured` is what memory is computed from: a
    file or folder of this machine, or the headers of remote files. `install` makes the model known
    to its store once all files are there; `path` is then what an engine opens. `replaces` are files
    of other models that have the names of these.
    """

    name: str
    source: str
    store: Path
    path: Path
    files: tuple[RemoteFile, ...]
    size_bytes: int
    header: GgufHeader | None
    measured: Path | tuple[HeaderFile, ...]
    install: Callable[[], None]
    digest: str | None = None
    notes: tuple[str, ...] = ()
    replaces: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Variant:
    """One quantization of a model that a source offers; `role` is what a file is that lies beside
    the models and is none, such as an importance matrix."""

    name: str
    quantization: str
    size_bytes: int | None
    files: int
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Pulled:
    """The end of a pull: the verified file is at `path`. `fetched` is False if it was there before.

    `sha256` is in hex, empty for a folder and for an adopted file.
    """

    path: Path
    size_bytes: int
    sha256: str
    fetched: bool


PullEvent = WorkProgress | WorkNote | Pulled
