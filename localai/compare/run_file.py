"""The file of a run: cases, answers and verdicts, a line of JSON each, appended and never changed.

The file is the only memory of a comparison: a later run continues it, and reports are made from it.
A line is written by one call. A torn last line, which a kill can leave, is cut off when the file is
opened for writing. The file holds prompts and answers, so only its owner can read it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import field
from pathlib import Path
from typing import Any

from localai.compare.checks.check import Observation
from localai.compare.names import short_name
from localai.compare.recorded import (
    Head,
    RecordedAnswer,
    RecordedCase,
    RecordedFinding,
    RecordedVerdict,
    RecordedVote,
    from_json,
    to_json,
)
from localai.dataclass import dataclass
from localai.durable import put_on_disk
from localai.errors import InvalidInput
from localai.files import cannot_write, missing_file
from localai.locks import lock_descriptor

# An answer has at most a gigabyte (wires/limits.py), and none that was kept had a megabyte.
_LONGEST_LINE_BYTES = 256 << 20

Key = tuple[str, str, int]
"""The case, the model and the repeat that an answer belongs to."""


@dataclass(slots=True)
class Run:
    """The content of a run so far. Of two lines for the same thing, the later one counts."""

    head: Head | None = None
    cases: dict[str, RecordedCase] = field(default_factory=dict)
    answers: dict[Key, RecordedAnswer] = field(default_factory=dict)
    findings: dict[tuple[Key, str], RecordedFinding] = field(default_factory=dict)
    verdicts: dict[tuple[str, str, int, str, str, bool], RecordedVerdict] = field(
        default_factory=dict
    )
    votes: dict[tuple[str, int, frozenset[str]], RecordedVote] = field(default_factory=dict)
    distrusted: set[str] = field(default_factory=set)

    def add(self, value: Any) -> None:
        """Add the value of a line."""
        match value:
            case Head():
                self.head = value
            case RecordedCase():
                self.cases[value.id] = value
            case RecordedAnswer():
                self.answers[value.key] = value
            case RecordedFinding():
                self.findings[(value.case, value.model, value.repeat), value.key] = value
            case RecordedVerdict():
                self.verdicts[verdict_key(value)] = value
            case RecordedVote():
                self.votes[value.case, value.repeat, frozenset((value.a, value.b))] = value
            case _:
                raise ValueError(type(value))

    def outside(self, answer: RecordedAnswer) -> dict[str, Observation]:
        """The findings from outside the answer, by the key of the check. A finding about an earlier
        answer does not count. A finding by an unusable judge (`distrusted`) leaves its check
        open."""
        return {
            key: Observation(None, f"{short_name(each.by)} is not usable as a judge")
            if each.by in self.distrusted
            else Observation(each.passed, each.got)
            for (of, key), each in self.findings.items()
            if of == answer.key and each.answer == answer_mark(answer)
        }


def verdict_key(value: RecordedVerdict) -> tuple[str, str, int, str, str, bool]:
    """The identity of a verdict: judge, case, repeat, the two models in their order, and whether it
    is a control."""
    return (value.judge, value.case, value.repeat, value.first, value.second, value.control)


def answer_mark(*answers: RecordedAnswer) -> str:
    """A hash of the answers and their questions, which tells them from later answers to the same
    questions."""
    import hashlib

    text = json.dumps([(each.request, each.text) for each in answers])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class RunFile:
    """A run that is being made; `run` has all lines so far. Without a path it is only in memory.

    Raises InvalidInput for a file that is something else, or that another command is writing.
    """

    def __init__(self, path: Path | None) -> None:
        self.run = Run()
        self.path = path
        self._descriptor: int | None = None
        if path is None:
            return
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise cannot_write(path, error) from error
        if not lock_descriptor(self._descriptor):
            os.close(self._descriptor)
            raise InvalidInput(f"another command is writing {path}", hint="give another -o FILE")
        try:
            os.ftruncate(self._descriptor, _read_into(self.run, path))
        except BaseException:
            os.close(self._descriptor)
            raise

    def add(self, value: Any) -> None:
        """Keep a value, on the disk as well. Raises OSError if the disk is full; then only whole
        lines are left."""
        if self._descriptor is not None:
            line = json.dumps(to_json(value), ensure_ascii=False).encode(errors="backslashreplace")
            end = os.fstat(self._descriptor).st_size
            try:
                _write(self._descriptor, line + b"\n")
            except OSError:
                os.ftruncate(self._descriptor, end)
                raise
        self.run.add(value)

    def add_changed(self, values: Iterable[Any]) -> None:
        """Keep those of the values that the run does not have, or has differently."""
        for value in values:
            known: Any = self.run.head if isinstance(value, Head) else None
            if isinstance(value, RecordedCase):
                known = self.run.cases.get(value.id)
            if known != value:
                self.add(value)

    def close(self) -> None:
        """Close the file after its content has reached the disk."""
        if self._descriptor is not None:
            try:
                put_on_disk(self._descriptor)
            finally:
                os.close(self._descriptor)
                self._descriptor = None


def read_run(path: Path) -> Run:
    """The run in the file. Raises NotFound and InvalidInput."""
    run = Run()
    _read_into(run, path)
    if run.head is None:
        raise InvalidInput(f"{path} is no run of localai compare: it has no lines of one")
    return run


def _read_into(run: Run, path: Path) -> int:
    """Read every whole line into `run`. Return the offset at which the last one ends. Raises
    NotFound and InvalidInput."""
    end = 0
    try:
        with path.open("rb") as file:
            lines = iter(lambda: file.readline(_LONGEST_LINE_BYTES), b"")
            for number, line in enumerate(lines, start=1):
                if len(line) == _LONGEST_LINE_BYTES:
                    raise InvalidInput(f"line {number} of {path} has no end: it is no run")
                if not line.endswith(b"\n"):
                    break
                try:
                    run.add(from_json(json.loads(line)))
                except (ValueError, RecursionError) as error:
                    raise InvalidInput(
                        f"{path} is no run of localai compare (see its line {number})",
                        hint="give another file",
                    ) from error
                end += len(line)
    except FileNotFoundError as error:
        raise missing_file(path) from error
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from error
    return end


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
