"""The quality of what was measured: a bundled text through each file, one after the other, when the
speeds are known and the models have left memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final

from localai.bench.progress import Progress
from localai.bench.quality import Quality, quality_of
from localai.bench.subject import Subject
from localai.bench.workload import quality_text
from localai.dataclass import dataclass
from localai.errors import InsufficientResources, LocalaiError
from localai.temporary import TemporaryFolder

if TYPE_CHECKING:
    from localai.engine.llamacpp.evaluation import EngineSettings, Evaluated
    from localai.paths import Paths
    from localai.providers.pool import ProviderPool

PIECES: Final = 4
QUICK_PIECES: Final = 2
# The reference computed a second time shows the method's own floor: on a CPU it is nothing.
_FLOOR_PIECES: Final = 1
# Of the engine, beside what it projects: the interpreter and the rows in work.
_ROOM_BYTES: Final = 256 << 20
_ELSEWHERE: Final = "not available with this engine: it hands out no probabilities of a prompt"


@dataclass(frozen=True, slots=True)
class _File:
    """A file to score, with settings. `family` is the same for the quantizations of one model,
    `bits` are those of its tensors."""

    path: Path
    settings: EngineSettings
    family: tuple[str | None, int, str | None]
    bits: int

    @property
    def rank(self) -> tuple[int, bool]:
        """The larger, the nearer it is to the original."""
        return self.bits, self.settings.kv_type == "f16"


class Scoring:
    """Scores the files of `subjects`. `threads` is how many the engine takes, `available_bytes`
    tells the free memory; None loads even what does not seem to fit."""

    def __init__(
        self,
        subjects: Sequence[Subject],
        paths: Paths,
        pool: ProviderPool,
        *,
        threads: int,
        pieces: int,
        available_bytes: Callable[[], int | None] | None,
    ) -> None:
        self._subjects = list(subjects)
        self._paths = paths
        self._pool = pool
        self._threads = threads
        self._pieces = pieces
        self._available_bytes = available_bytes

    def run(
        self, keep: Callable[[Subject, Quality], None], scored: Collection[Subject] = ()
    ) -> Iterator[Progress]:
        """Score everything but what is `scored`; `keep` is told the quality of each subject when it
        is known. What cannot be scored has a quality that says why."""
        done = set(map(id, scored))
        files = {id(each): self._file(each) for each in self._subjects}
        for subject in self._subjects:
            if files[id(subject)] is None:
                keep(subject, Quality(unavailable=_ELSEWHERE))
        known = [(each, file) for each in self._subjects if (file := files[id(each)]) is not None]
        families = dict.fromkeys(file.family for _, file in known)
        for family in families:
            members = [pair for pair in known if pair[1].family == family]
            first, *others = sorted(members, key=lambda pair: pair[1].rank)[::-1]
            left = [pair for pair in others if id(pair[0]) not in done]
            if left or id(first[0]) not in done:
                yield from self._score([first, *left], keep)

    def _score(
        self, members: Sequence[tuple[Subject, _File]], keep: Callable[[Subject, Quality], None]
    ) -> Iterator[Progress]:
        """The members of one family, the reference first."""
        first, reference_file = members[0]
        with TemporaryFolder() as kept, TemporaryFolder() as scratch:
            try:
                steps = self._evaluate(reference_file, Path(kept), keep=True)
                reference = yield from _scored(first, steps)
                again = self._evaluate(
                    reference_file, Path(scratch), beside=reference, pieces=_FLOOR_PIECES
                )
                floor = fmean((yield from _scored(first, again)).divergences)
            except LocalaiError as error:
                for subject, _ in members:
                    keep(subject, Quality(unavailable=error.message))
                return
            keep(first, quality_of(reference, floor=floor))
            for subject, file in members[1:]:
                try:
                    steps = self._evaluate(file, Path(scratch), beside=reference)
                    found = yield from _scored(subject, steps)
                except LocalaiError as error:
                    keep(subject, Quality(unavailable=error.message))
                    continue
                keep(subject, quality_of(found, reference, name=first.name, floor=floor))

    def _evaluate(
        self,
        file: _File,
        folder: Path,
        *,
        beside: Evaluated | None = None,
        keep: bool = False,
        pieces: int | None = None,
    ) -> Generator[float, None, Evaluated]:
        from localai.engine.llamacpp.evaluation import evaluate

        self._check_memory(file)
        text, count = quality_text(), pieces or self._pieces
        return evaluate(file.path, text, count, file.settings, folder, beside=beside, keep=keep)

    def _check_memory(self, file: _File) -> None:
        from localai.engine.llamacpp.evaluation import PIECE_TOKENS
        from localai.sizing.memory import project
        from localai.units import bytes_text

        free = None if self._available_bytes is None else self._available_bytes()
        if free is None:
            return
        need = project(
            file.path,
            PIECE_TOKENS,
            kv_type=file.settings.kv_type,
            cache_folder=self._paths.cache_dir,
        )
        if need.total_bytes + _ROOM_BYTES > free:
            raise InsufficientResources(
                f"{file.path.name} takes {bytes_text(need.total_bytes)},"
                f" and {bytes_text(free)} are free"
            )

    def _file(self, subject: Subject) -> _File | None:
        from localai.engine.llamacpp.evaluation import EngineSettings
        from localai.formats.gguf import GgufHeader
        from localai.formats.gguf_names import without_type
        from localai.library.details import find_details

        if subject.leaves_machine:
            return None
        try:
            details = find_details(subject.name, subject.config, self._paths, self._pool)
        except (LocalaiError, OSError):
            return None
        path, header = details.model.path, details.source
        if path is None or not isinstance(header, GgufHeader):
            return None
        given = subject.settings
        settings = EngineSettings(
            threads=given.get("prefill_threads") or given.get("threads") or self._threads,
            kv_type=given.get("kv_type", "f16"),
            gpu_layers=given.get("gpu_layers"),
        )
        # Two that were trained on from one base are no quantizations of each other.
        name = subject.asked or without_type(header.name or details.model.id).casefold()
        family = (header.architecture, header.parameter_count, name)
        return _File(path, settings, family, header.tensor_bytes)


def _scored(
    subject: Subject, steps: Generator[float, None, Evaluated]
) -> Generator[Progress, None, Evaluated]:
    """The steps of an evaluation as progress, and its result."""
    progress = Progress("scoring", subject.name, "", wanted=100)
    yield progress
    while True:
        try:
            share = next(steps)
        except StopIteration as end:
            found: Evaluated = end.value
            return found
        yield replace(progress, done=round(100 * share))
