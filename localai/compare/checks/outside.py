"""A check that the answer alone does not settle: a judge's verdict. Pure.

Whoever runs the comparison gets the findings and hands them in as `Said.outside`; until then the
check is open.
"""

from __future__ import annotations

from typing import Any, Final

from localai.compare.checks.check import Check, Finding, Parse, Said, text_of

JUDGE = "judge"


def _open(kind: str, says: str, unsettled: str) -> Parse:
    def parse(value: Any) -> Check:
        text = text_of(kind, value)

        def look(said: Said) -> Finding:
            return said.outside.get(check.key, Finding(None, unsettled))

        check = Check(kind, says.format(text), look, value, bounds=True)
        return check

    return parse


CHECKS: Final[dict[str, Parse]] = {
    JUDGE: _open(JUDGE, "the judge says yes to: {}", "no judge was named (--judge MODEL)"),
}
