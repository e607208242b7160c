"""doctor's facts about privacy for `localai privacy`, from the same checks."""

from __future__ import annotations

from typing import Final

from localai.chat.privacy_report import Channel
from localai.doctor.capture import PROBES, take
from localai.doctor.capture.context import Context
from localai.doctor.checks import all_checks
from localai.doctor.diagnose import diagnose

_NEEDED: Final = ("environment", "kernel", "lmstudio", "ollama", "own", "service")
# `localai privacy` shows every worker and every served model, well or not.
_SHOWN_THERE: Final = (
    "cloud-alias",
    "network-not-denied",
    "no-user-namespaces",
    "ollama-asks-its-makers",
)


def privacy_findings(context: Context) -> list[Channel]:
    """The ways in which prompts lie open or could leave, as doctor finds them; empty if there are
    none."""
    facts = take(context, tuple(probe for probe in PROBES if probe.field in _NEEDED))
    checks = [
        check
        for check in all_checks()
        if check.group == "privacy" and check.code not in _SHOWN_THERE
    ]
    return [
        Channel(
            finding.title,
            "open",
            f"{'; '.join(f'{each.what}: {each.value}' for each in finding.evidence)}"
            f" (localai doctor {finding.code})",
        )
        for finding in diagnose(facts, checks).findings
    ]
