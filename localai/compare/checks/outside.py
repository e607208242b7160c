"""Checks that the answer alone does not settle: a judge's verdict, the behaviour of its code. Pure.

The comparison gets these observations and passes them in as `CheckedAnswer.outside`. Until then,
the check is open.
"""

from __future__ import annotations

from typing import Any, Final

from localai.compare.checks.check import Check, CheckedAnswer, Observation, Parse, text_of
from localai.compare.checks.program import read_program

JUDGE = "judge"
RUNS = "runs"


def _open(kind: str, value: Any, expected: str, unsettled: str) -> Check:
    def look(answer: CheckedAnswer) -> Observation:
        return answer.outside.get(check.key, Observation(None, unsettled))

    check = Check(kind, expected, look, value, bounds=True)
    return check


def _judge(value: Any) -> Check:
    question = text_of(JUDGE, value)
    expected = f"the judge says yes to: {question}"
    return _open(JUDGE, value, expected, "no judge was named (--judge MODEL)")


def _runs(value: Any) -> Check:
    expected = read_program(value).expected
    return _open(RUNS, value, expected, "its code was not run (--run-code)")


CHECKS: Final[dict[str, Parse]] = {JUDGE: _judge, RUNS: _runs}
