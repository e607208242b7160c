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

    what: Annotated[str, "what it is about"]
    value: Annotated[str, "what was seen"]
    source: Annotated[str, "where it was seen"]


class FixDocument(TypedDict):
    """What mends it."""

    lines: Annotated[list[str], "lines for a shell; empty where none can do it"]
    safety: Annotated[
        Literal["ours", "user", "root", "manual"],
        "ours: localai's own, `--fix` does it; root: lines for an administrator; manual: no line",
    ]
    undo: Annotated[str | None, "a line that takes it back"]
    advice: Annotated[str | None, "what to do in words, where lines do not say all"]


class DoctorFindingDocument(TypedDict):
    """Something that is wrong and that nothing else explains."""

    code: Annotated[str, "the check's code"]
    group: Annotated[str, "the check's group"]
    severity: Annotated[_Severity, "its own, or that of the worst that it explains"]
    subject: Annotated[str, "what it is about, as KIND:NAME"]
    title: Annotated[str, "what is wrong, in a sentence"]
    evidence: Annotated[list[EvidenceDocument], "the facts that it rests on"]
    cause: Annotated[str, "why that is so"]
    fix: Annotated[FixDocument, "what mends it"]


class ExplainedDocument(TypedDict):
    """A finding that another one causes."""

    code: Annotated[str, "the check's code"]
    subject: Annotated[str, "what it is about, as KIND:NAME"]
    explained_by: Annotated[str, "the code of the finding that causes it"]


class UnknownDocument(TypedDict):
    """A check that could not be made."""

    code: Annotated[str, "the check's code"]
    reason: Annotated[str, "what was missing"]


class Doctor(TypedDict):
    """`localai doctor --json`"""

    schema: Annotated[Literal["localai.doctor/1"], "the promise that the rest keeps"]
    findings: Annotated[list[DoctorFindingDocument], "what is wrong, the worst first"]
    explained: Annotated[list[ExplainedDocument], "what follows from them"]
    unknown: Annotated[list[UnknownDocument], "what could not be looked at, and why"]
    checks_run: Annotated[int, "how many checks were asked for"]


class DoctorCheckDocument(TypedDict):
    """A check and what it says of itself."""

    code: Annotated[str, "the check's code"]
    group: Annotated[str, "the check's group"]
    severity: Annotated[_Severity, "its own, or that of the worst that it explains"]
    title: Annotated[str, "what is wrong, in a sentence"]
    told: Annotated[str, "how it is told"]
    cause: Annotated[str, "why that is so"]
    fix: Annotated[FixDocument, "what mends it"]
    seen_in: Annotated[str, "where the failure was read of"]
    after: Annotated[list[str], "the codes that would explain it"]


class DoctorChecks(TypedDict):
    """`localai doctor --list --json`, `localai doctor explain CODE --json`"""

    schema: Annotated[Literal["localai.doctor/1"], "the promise that the rest keeps"]
    known_checks: Annotated[list[DoctorCheckDocument], "the checks, by group"]


def doctor_document(diagnosis: Diagnosis) -> Doctor:
    """What `localai doctor` prints."""
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
    """What `--list` and `explain` print."""
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
        "advice": fix.advice,
    }


def _check(check: Check) -> DoctorCheckDocument:
    return {
        "code": check.code,
        "group": check.group,
        "severity": check.severity,
        "title": check.title,
        "told": check.told,
        "cause": check.cause,
        "fix": _fix(check.fix),
        "seen_in": check.source,
        "after": list(check.after),
    }
