"""A report to attach to an issue: the findings and the facts, redacted. It is sent nowhere."""

from __future__ import annotations

import getpass
import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from localai.dataclass import dataclass
from localai.doctor.check import Fix, sentence
from localai.doctor.checks import GROUPS, all_checks
from localai.doctor.diagnose import Diagnosis, Finding, diagnose
from localai.doctor.facts.snapshot import Snapshot
from localai.doctor.facts_json import snapshot_from_json, snapshot_to_json
from localai.doctor.redaction import Private, private_names, redact
from localai.doctor.states import state_of
from localai.errors import InvalidInput
from localai.files import content_of, write_atomically
from localai.untrusted import escaped, markdown_words, sanitize_line

_LARGEST_FACTS_BYTES: Final = 32 << 20


@dataclass(frozen=True, slots=True)
class Report:
    """The files of a report: one for a person to read, and one to replay with `--facts`."""

    text: Path
    facts: Path


def write_report(folder: Path, snapshot: Snapshot, *, hide_models: bool = False) -> Report:
    """Write a redacted report into `folder`, which is made for this user alone.

    Raises InvalidInput if that is impossible.
    """
    private = _private_here(snapshot, hide_models=hide_models)
    document = redact(snapshot_to_json(snapshot), private)
    # The findings are computed from the redacted facts, so both files agree.
    redacted = snapshot_from_json(document, "the report")
    text = "\n".join(_lines(redacted, diagnose(redacted, all_checks()))) + "\n"
    report = Report(folder / "report.md", folder / "facts.json")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(
            report.facts,
            escaped(json.dumps(document, indent=1, ensure_ascii=False)).encode(),
        )
        write_atomically(report.text, text.encode())
    except OSError as error:
        raise InvalidInput(
            f"cannot write a report into {folder}: {error.strerror or error}",
            hint="name a folder that you can write to",
        ) from error
    return report


def read_facts(file: Path) -> Snapshot:
    """The snapshot in a report's facts. Raises InvalidInput for a file that has none."""
    try:
        document: Any = json.loads(content_of(file, _LARGEST_FACTS_BYTES))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"{file} is no JSON", hint="--facts reads the facts.json that --report wrote"
        ) from error
    return snapshot_from_json(document, str(file))


def _private_here(snapshot: Snapshot, *, hide_models: bool) -> Private:
    import pwd

    user, full_name = "", ""
    try:
        import os

        # A container may run as a number that has no name.
        user = getpass.getuser()
        full_name = pwd.getpwuid(os.getuid()).pw_gecos.partition(",")[0]
    except (KeyError, OSError):
        pass
    return private_names(
        snapshot,
        user=user,
        host=platform.node(),
        home=str(Path.home()),
        full_name=full_name,
        hide_models=hide_models,
    )


def _lines(snapshot: Snapshot, found: Diagnosis) -> Iterator[str]:
    yield f"# localai doctor, version {snapshot.version}"
    yield ""
    machine = snapshot.machine
    if machine is not None:
        host = machine.host
        for name, fact in (
            ("system", host.operating_system),
            ("kernel", host.kernel),
            ("architecture", host.architecture),
            ("container", host.container),
            ("virtual machine", host.virtual_machine),
            ("processor", machine.cpu.model),
        ):
            known = str(fact.value) if fact.value not in (None, "") else "none"
            yield f"- {name}: {markdown_words(known)}"
    for group in GROUPS:
        yield f"- {group}: {markdown_words(state_of(group, snapshot))}"
    for finding in found.findings:
        yield from _finding(finding, found)
    unseen = [each for each in found.unknown if not each.option]
    if unseen:
        yield ""
        yield "## Not looked at"
        yield ""
        yield from (f"- `{each.code}`: {markdown_words(each.reason)}" for each in unseen)
    yield ""
    yield f"{found.checks_run} checks. The facts are in facts.json: `localai doctor --facts FILE`."


def _finding(finding: Finding, found: Diagnosis) -> Iterator[str]:
    yield ""
    title = markdown_words(sentence(finding.title))
    yield f"## {title} (`{finding.code}`, {finding.severity})"
    yield ""
    for each in finding.evidence:
        yield "- " + markdown_words(f"{each.what}: {each.value} ({each.source})")
    yield f"- because: {markdown_words(finding.cause)}"
    explained = [each.code for each in found.explained if each.explained_by == finding.code]
    if explained:
        yield f"- explains: {', '.join(f'`{code}`' for code in explained)}"
    yield from _fix(finding.fix)


def _fix(fix: Fix) -> Iterator[str]:
    if fix.lines:
        yield ""
        yield "```sh"
        yield from map(sanitize_line, fix.lines)
        yield "```"
    elif fix.hint:
        yield f"- fix: {markdown_words(fix.hint)}"
