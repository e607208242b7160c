"""The document of `localai privacy`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

if TYPE_CHECKING:
    from localai.chat.privacy_report import Channel
    from localai.types import EgressRecord


class RuleDocument(TypedDict):
    """A rule of the privacy policy."""

    what: Annotated[str, "the subject"]
    rule: Annotated[str, "the rule in words, with the setting that makes it"]


class FindingDocument(TypedDict):
    """Something that could talk to another machine."""

    what: Annotated[str, "the thing"]
    state: Annotated[
        Literal["held", "open", "unknown"], "held: something keeps it from the network"
    ]
    detail: Annotated[str, "the evidence"]


class EgressDocument(TypedDict):
    """A connection that was permitted to leave the machine."""

    at: Annotated[float, "the time, in seconds since the epoch"]
    localai_command: Annotated[str, "the command of localai that made the connection"]
    purpose: Annotated[Literal["inference", "download", "probe"], "the purpose of the connection"]
    host: Annotated[str, "the host that was connected to"]
    address: Annotated[str, "the host's address"]
    port: Annotated[int, "the host's port"]


class Privacy(TypedDict):
    """`localai privacy --json`"""

    schema: Annotated[Literal["localai.privacy/1"], "the name and version of the document"]
    policy: Annotated[list[RuleDocument], "the rules in force"]
    findings: Annotated[list[FindingDocument], "what on this machine could talk to another machine"]
    egress: Annotated[
        list[EgressDocument], "the connections that left the machine, without their content"
    ]


def privacy_document(
    policy: Mapping[str, str], findings: Iterable[Channel], ledger: Iterable[EgressRecord]
) -> Privacy:
    """The document of `localai privacy`."""
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
