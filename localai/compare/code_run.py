"""Runs the code in a run's answers, if their cases expect that, and keeps the findings.

Code whose finding the run file has is not run again.
"""

from __future__ import annotations

from collections.abc import Iterator

from localai.compare.checks.outside import RUNS
from localai.compare.checks.program import Program, read_program
from localai.compare.checks.reading import read_expectations
from localai.compare.execution import confined_python, run_code
from localai.compare.recorded import RecordedAnswer, RecordedFinding
from localai.compare.run_file import Run, RunFile, answer_mark
from localai.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Trial:
    """An answer whose code is to be run, and the check that expects it."""

    answer: RecordedAnswer
    program: Program
    key: str


def trials(run: Run) -> list[Trial]:
    """The trials that are still to be made. Code of an answer that was cut is not run, because such
    an answer is censored in any case."""
    found = []
    programs = {
        case.id: [
            (read_program(check.raw), check.key)
            for check in read_expectations(case.expect)
            if check.kind == RUNS
        ]
        for case in run.cases.values()
    }
    for answer in run.answers.values():
        if answer.error is not None or answer.is_cut:
            continue
        for program, key in programs.get(answer.case, []):
            kept = run.findings.get((answer.key, key))
            if kept is None or kept.answer != answer_mark(answer):
                found.append(Trial(answer, program, key))
    return found


def run_trials(todo: list[Trial], file: RunFile) -> Iterator[int]:
    """Run the trials one after the other, and yield the number done after each. Raises
    PolicyRefused if code would not be confined."""
    by = confined_python()
    for done, trial in enumerate(todo, start=1):
        answer = trial.answer
        finding = run_code(answer.text, trial.program)
        file.add(
            RecordedFinding(
                answer.case,
                answer.model,
                answer.repeat,
                trial.key,
                finding.passed,
                finding.got,
                by,
                answer_mark(answer),
            )
        )
        yield done
