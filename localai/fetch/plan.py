"""What a pull would do, known before a byte of weights is fetched, and the events that it
yields."""

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

    `name` is what `localai chat -m` takes afterwards, `source` the server of the model, `store` the
    folder it goes into. `files` are all files of the model, its own first; those that exist already
    are only verified. `measured` is what memory is computed from: a file or folder of this machine,
    or the headers of remote files. `install` makes the model known to its store once all files have
    arrived; `path` is then what an engine opens. `replaces` are files of other models that have the
    names of these. `purpose` is as in `ResolvedModel`.
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
    purpose: str | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """One quantization of a model that a source offers. `role` is set for a file beside the models
    that is no model, such as an importance matrix."""

    name: str
    quantization: str
    size_bytes: int | None
    files: int
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Pulled:
    """The end of a pull: the verified file is at `path`. `fetched` is False if it existed before.

    `sha256` is in hex, empty for a folder and for an adopted file.
    """

    path: Path
    size_bytes: int
    sha256: str
    fetched: bool


PullEvent = WorkProgress | WorkNote | Pulled
