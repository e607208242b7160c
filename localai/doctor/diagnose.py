"""The diagnosis of a snapshot: every check is run, and symptoms are folded under their causes.

A check that crashes makes a finding of its own, so that one bug hides nothing else. A check that
rests on an unknown fact neither fires nor passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from localai.dataclass import dataclass
from localai.doctor.check import (
    SEVERITIES,
    Check,
    Evidence,
    Fix,
    Group,
    Hit,
    NotAsked,
    Severity,
    Unknown,
    Unseen,
)
from localai.doctor.facts.snapshot import Snapshot

CRASHED: Final = "check-crashed"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong. `explained_by` is the code of the finding that causes it; "" for a
    root. A root is as severe as the worst finding that it explains."""

    code: str
    group: Group
    severity: Severity
    subject: str
    title: str
    evidence: tuple[Evidence, ...]
    cause: str
    fix: Fix
    explained_by: str = ""
    within: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotSeen:
    """A check that could not be made, or not for everything, and the reason.

    `option` is the option that makes it ("--deep"); "" if none does. `lost` is the subject that
    could not be looked at; "" if only a fact of it is missing.
    """

    code: str
    group: Group
    reason: str
    option: str = ""
    lost: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The findings that stand by themselves, the worst first; the findings that they explain; the
    checks that could not be made; the number of checks that were run."""

    findings: tuple[Finding, ...]
    explained: tuple[Finding, ...]
    unknown: tuple[NotSeen, ...]
    checks_run: int

    def worst(self) -> Severity | None:
        """The highest severity of the findings; None without findings."""
        found = [finding.severity for finding in self.findings]
        return max(found, key=SEVERITIES.index, default=None)

    def fails(self, least: str) -> bool:
        """Whether a finding is at least as severe as `least`."""
        worst = self.worst()
        return worst is not None and SEVERITIES.index(worst) >= SEVERITIES.index(
            "warn" if least == "warn" else "fail"
        )

    def only(self, codes: frozenset[str]) -> Diagnosis:
        """The findings of the checks `codes`, with the findings that explain them."""
        causes = {each.explained_by for each in self.explained if each.code in codes}
        return Diagnosis(
            tuple(each for each in self.findings if each.code in codes or each.code in causes),
            tuple(each for each in self.explained if each.code in codes),
            tuple(each for each in self.unknown if each.code in codes),
            len(codes),
        )


def diagnose(snapshot: Snapshot, checks: Iterable[Check]) -> Diagnosis:
    """Run all `checks` on `snapshot`."""
    found: list[Finding] = []
    unknown: list[NotSeen] = []
    after: dict[str, tuple[str, ...]] = {}
    count = 0
    for check in checks:
        count += 1
        after[check.code] = check.after
        try:
            # One by one, so that hits before an unknown fact are kept.
            for each in check.look(snapshot):
                if isinstance(each, Unseen):
                    unknown.append(_not_seen(check, each.reason, snapshot))
                else:
                    found.append(_finding(check, each))
        except NotAsked as error:
            unknown.append(NotSeen(check.code, check.group, str(error), error.option))
        except Unknown as error:
            unknown.append(_not_seen(check, str(error), snapshot))
        except Exception as error:  # noqa: BLE001  one that crashes must not hide the others
            found.append(_crash(check, error))
    roots, explained = _fold(found, after)
    return Diagnosis(roots, explained, tuple(unknown), count)


def _finding(check: Check, hit: Hit) -> Finding:
    return Finding(
        code=check.code,
        group=check.group,
        severity=hit.severity or check.severity,
        subject=hit.subject,
        title=hit.title or check.title,
        evidence=hit.evidence,
        cause=hit.cause or check.cause,
        fix=hit.fix or check.fix,
        within=hit.within,
    )


def _crash(check: Check, error: Exception) -> Finding:
    return Finding(
        code=CRASHED,
        group=check.group,
        severity="warn",
        subject=f"check:{check.code}",
        title=f"the check {check.code} itself is broken",
        evidence=(Evidence("error", f"{type(error).__name__}: {error}", "localai"),),
        cause="this is a bug in localai",
        fix=Fix(("localai doctor --report ./report",), hint="and attach that to an issue"),
    )


def _not_seen(check: Check, what: str, snapshot: Snapshot) -> NotSeen:
    """The check with the reason why its whole subject is missing, if it is."""
    subject = re.split(r"[ :]", what, maxsplit=1)[0]
    reasons = {each.subject: each.reason for each in snapshot.missing}
    if subject not in reasons:
        return NotSeen(check.code, check.group, what)
    return NotSeen(check.code, check.group, f"{what}: {reasons[subject]}", lost=subject)


def _fold(
    found: list[Finding], after: dict[str, tuple[str, ...]]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """The roots, and the findings that they explain. A cause that is itself explained passes its
    findings on to its own cause."""
    fired = {(each.code, each.subject): each for each in found}
    cause = {
        (each.code, each.subject): root
        for each in found
        if (root := _cause_of(each, fired, after)) is not None
    }
    roots: list[Finding] = []
    explained: list[Finding] = []
    for each in found:
        key = (each.code, each.subject)
        if key not in cause:
            roots.append(each)
            continue
        seen, root = {key}, cause[key]
        while root in cause and root not in seen:
            seen.add(root)
            root = cause[root]
        explained.append(replace(each, explained_by=root[0]))
    worst = [replace(each, severity=_worst_below(each, explained)) for each in roots]
    worst.sort(key=lambda each: -SEVERITIES.index(each.severity))
    return tuple(worst), tuple(explained)


def _cause_of(
    finding: Finding,
    fired: dict[tuple[str, str], Finding],
    after: dict[str, tuple[str, ...]],
) -> tuple[str, str] | None:
    for code in after.get(finding.code, ()):
        for subject in (finding.subject, *finding.within):
            if (code, subject) in fired and code != finding.code:
                return code, subject
    return None


def _worst_below(root: Finding, explained: Iterable[Finding]) -> Severity:
    below = [each.severity for each in explained if each.explained_by == root.code]
    return max([root.severity, *below], key=SEVERITIES.index)
