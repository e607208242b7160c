"""The document of `localai privacy`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

if TYPE_CHECKING:
    from localai.chat.privacy_report import Channel
    from localai.types import EgressRecord


class RuleDocument(TypedDict):
    """A rule of the privacy policy."""

    what: Annotated[str, "what it is about"]
    rule: Annotated[str, "the rule in words, with the setting that makes it"]


class FindingDocument(TypedDict):
    """Something that could talk to another machine."""

    what: Annotated[str, "what it is"]
    state: Annotated[Literal["held", "open", "unknown"], "held: something keeps it from it"]
    detail: Annotated[str, "the evidence"]


class EgressDocument(TypedDict):
    """A connection that was permitted to leave the machine."""

    at: Annotated[float, "seconds since the epoch"]
    localai_command: Annotated[str, "which command of localai made it"]
    purpose: Annotated[Literal["inference", "download", "probe"], "why"]
    host: Annotated[str, "to whom"]
    address: Annotated[str, "at which address"]
    port: Annotated[int, "and port"]


class Privacy(TypedDict):
    """`localai privacy --json`"""

    schema: Annotated[Literal["localai.privacy/1"], "the promise that the rest keeps"]
    policy: Annotated[list[RuleDocument], "the rules in force"]
    findings: Annotated[list[FindingDocument], "what on this machine could talk"]
    egress: Annotated[list[EgressDocument], "what left; never what was said"]


def privacy_document(
    policy: Mapping[str, str], findings: Iterable[Channel], ledger: Iterable[EgressRecord]
) -> Privacy:
    """What `localai privacy` prints."""
    return {
        "schema": "localai.privacy/1",
        "policy": [{"what": what, "rule": rule} for what, rule in policy.items()],
        "findings": [
            {"what": each.what, "state": each.state, "detail": each.detail} for each in findings
        ],
        "egress": [_egress(entry) for entry in ledger],
    }


def _egress(entry: EgressRecord) -> EgressDocument:
    return {
        "at": entry.at,
        "localai_command": entry.command,
        "purpose": entry.purpose.value,
        "host": entry.host,
        "address": entry.address,
        "port": entry.port,
    }
