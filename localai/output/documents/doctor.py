"""The documents of `localai doctor`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

if TYPE_CHECKING:
    from localai.doctor.check import Check, Fix
    from localai.doctor.diagnose import Diagnosis, Finding

_Severity = Literal["fail", "warn", "info"]


class EvidenceDocument(TypedDict):
    """A fact that a finding rests on."""

    what: Annotated[str, "the subject"]
    value: Annotated[str, "the value that was seen"]
    source: Annotated[str, "where the value was seen"]


class FixDocument(TypedDict):
    """The way to mend a finding."""

    lines: Annotated[list[str], "lines for a shell; empty if no line can do it"]
    safety: Annotated[
        Literal["ours", "user", "root", "manual"],
        "ours: localai's own, `--fix` does it; root: lines for an administrator; manual: no line",
    ]
    undo: Annotated[str | None, "a line that undoes the fix"]
    hint: Annotated[str | None, "what to do, in words"]


class DoctorFindingDocument(TypedDict):
    """Something that is wrong and that nothing else explains."""

    code: Annotated[str, "the check's code"]
    group: Annotated[str, "the check's group"]
    severity: Annotated[
        _Severity, "the check's severity, or that of the worst finding that it explains"
    ]
    subject: Annotated[str, "the thing that the finding is about, as KIND:NAME"]
    title: Annotated[str, "what is wrong, in a sentence"]
    evidence: Annotated[list[EvidenceDocument], "the facts that the finding rests on"]
    cause: Annotated[str, "the cause, in words"]
    fix: Annotated[FixDocument, "the way to mend it"]


class ExplainedDocument(TypedDict):
    """A finding that another one causes."""

    code: Annotated[str, "the check's code"]
    subject: Annotated[str, "the thing that the finding is about, as KIND:NAME"]
    explained_by: Annotated[str, "the code of the finding that causes it"]


class UnknownDocument(TypedDict):
    """A check that could not be made."""

    code: Annotated[str, "the check's code"]
    reason: Annotated[str, "the reason: a missing fact or option"]


class Doctor(TypedDict):
    """`localai doctor --json`"""

    schema: Annotated[Literal["localai.doctor/1"], "the name and version of the document"]
    findings: Annotated[list[DoctorFindingDocument], "what is wrong, the worst first"]
    explained: Annotated[list[ExplainedDocument], "the findings that others explain"]
    unknown: Annotated[list[UnknownDocument], "the checks that could not be made, with the reason"]
    checks_run: Annotated[int, "the number of checks that were asked for"]


class DoctorCheckDocument(TypedDict):
    """A check, as it describes itself."""

    code: Annotated[str, "the check's code"]
    group: Annotated[str, "the check's group"]
    severity: Annotated[
        _Severity, "the check's severity, or that of the worst finding that it explains"
    ]
    title: Annotated[str, "what is wrong, in a sentence"]
    when: Annotated[str, "what must hold for the check to report a finding"]
    cause: Annotated[str, "the cause, in words"]
    fix: Annotated[FixDocument, "the way to mend it"]
    seen_in: Annotated[str, "the source that describes the failure"]
    after: Annotated[list[str], "the codes of the checks that would explain the finding"]


class DoctorChecks(TypedDict):
    """`localai doctor --list --json`, `localai doctor explain CODE --json`"""

    schema: Annotated[Literal["localai.doctor/1"], "the name and version of the document"]
    known_checks: Annotated[list[DoctorCheckDocument], "the checks, by group"]


def doctor_document(diagnosis: Diagnosis) -> Doctor:
    """The document of `localai doctor`."""
    return {
        "schema": "localai.doctor/1",
        "findings": [_finding(each) for each in diagnosis.findings],
        "explained": [
            {"code": each.code, "subject": each.subject, "explained_by": each.explained_by}
            for each in diagnosis.explained
        ],
        "unknown": [{"code": each.code, "reason": each.reason} for each in diagnosis.unknown],
        "checks_run": diagnosis.checks_run,
    }


def checks_document(checks: Iterable[Check]) -> DoctorChecks:
    """The document of `--list` and `explain`."""
    return {"schema": "localai.doctor/1", "known_checks": [_check(each) for each in checks]}


def _finding(finding: Finding) -> DoctorFindingDocument:
    return {
        "code": finding.code,
        "group": finding.group,
        "severity": finding.severity,
        "subject": finding.subject,
        "title": finding.title,
        "evidence": [
            {"what": each.what, "value": each.value, "source": each.source}
            for each in finding.evidence
        ],
        "cause": finding.cause,
        "fix": _fix(finding.fix),
    }


def _fix(fix: Fix) -> FixDocument:
    return {
        "lines": list(fix.lines),
        "safety": fix.safety,
        "undo": fix.undo,
        "hint": fix.hint,
    }


def _check(check: Check) -> DoctorCheckDocument:
    return {
        "code": check.code,
        "group": check.group,
        "severity": check.severity,
        "title": check.title,
        "when": check.when,
        "cause": check.cause,
        "fix": _fix(check.fix),
        "seen_in": check.source,
        "after": list(check.after),
    }
