"""A diagnosis for a person: a line for each group's state, then the findings, then the counts.

Lines to paste stand alone and are never broken. The meaning survives without colour.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from localai.doctor.check import sentence
from localai.output.output import Piece, Style
from localai.output.table import Column
from localai.units import counted

if TYPE_CHECKING:
    from localai.doctor.check import Check, Fix, Severity
    from localai.doctor.diagnose import Diagnosis, Finding
    from localai.doctor.facts.snapshot import Snapshot
    from localai.doctor.mending import Mending
    from localai.output.output import Output

_MARKS: Final[dict[Severity, str]] = {"fail": "✗", "warn": "!", "info": "i"}
_STYLES: Final[dict[Severity, Style]] = {"fail": "red", "warn": "yellow", "info": ""}
_WORDS: Final[dict[Severity, str]] = {"fail": "failure", "warn": "warning", "info": "note"}
_LABEL: Final = len("evidence: ")
_SUBJECTS: Final = {
    "machine": "the hardware",
    "environment": "the shell's variables",
    "graphics": "drivers of graphics processors",
    "kernel": "the state of the system",
    "ollama": "Ollama",
    "service": "Ollama's service",
    "lmstudio": "LM Studio",
    "own_servers": "servers of the configuration",
    "listeners": "open ports",
    "llama_servers": "running servers of llama.cpp",
    "vllm": "vLLM",
    "places": "folders and disks",
    "models": "model files",
    "ollama_store": "Ollama's store",
    "engine": "the embedded engine",
    "own": "localai's own files",
    "trust": "certificates and names",
    "packages": "installed programs",
}
_CODES = (
    Column("code"),
    Column("severity", drop=1),
    Column("group", drop=2),
    Column("what", wraps=True),
)


def show_diagnosis(
    output: Output,
    found: Diagnosis,
    snapshot: Snapshot,
    groups: Collection[str],
    *,
    verbose: bool,
) -> None:
    """Show the whole diagnosis. With `verbose`, also explained findings' codes, sources, undo
    lines, and the checks that could not be made."""
    from localai.doctor.checks import GROUPS

    shown = [group for group in GROUPS if group in groups]
    width = max(len(group) for group in shown) + 2
    for group in shown:
        _show_state(output, group, found, snapshot, width)
    for finding in found.findings:
        output.line()
        _show_finding(output, finding, found, verbose=verbose)
    for subject in dict.fromkeys(each.lost for each in found.unknown if each.lost):
        output.line()
        _show_lost(output, subject, found)
    if verbose and found.unknown:
        output.line()
        output.line(("Not looked at", "bold"))
        for each in found.unknown:
            output.paragraph(f"{each.code}: {each.reason}", indent=2)
    output.line()
    output.paragraph(_last_line(found, verbose=verbose))


def show_check(output: Output, check: Check) -> None:
    """Show the page of one check (`doctor explain`)."""
    output.line((check.code, "bold"), f"  {check.group}, {_WORDS[check.severity]}")
    output.paragraph(sentence(check.title))
    output.line()
    _labelled(output, "reported when", check.when)
    _labelled(output, "because", check.cause)
    _show_fix(output, check.fix, verbose=True)
    if check.after:
        _labelled(output, "after", ", ".join(check.after))
    _labelled(output, "seen in", check.source)
    output.line()
    output.line(f"Is it so here:  localai doctor {check.code}")


def show_mending(output: Output, finding: Finding, mending: Mending) -> None:
    """Show what `--fix` would do, before it asks."""
    output.line()
    output.line((sentence(finding.title), "bold"))
    output.line(f"  {mending.line}")
    for line in mending.preview:
        output.line(f"    {line}")
    if finding.fix.undo:
        output.line(f"  undo: {finding.fix.undo}")


def show_list(output: Output, checks: Sequence[Check]) -> None:
    """Show the checks, a line each."""
    rows = [[check.code, check.severity, check.group, check.title] for check in checks]
    output.table(_CODES, rows)


def _show_state(
    output: Output, group: str, found: Diagnosis, snapshot: Snapshot, width: int
) -> None:
    from typing import cast

    from localai.doctor.check import Group
    from localai.doctor.states import state_of

    mine = [each for each in found.findings if each.group == group and each.severity != "info"]
    worst = mine[0].severity if mine else None
    is_lost = any(each.group == group and each.lost for each in found.unknown)
    mark: Piece = ("[?]", "yellow") if is_lost else ("[✓]", "")
    if worst is not None:
        mark = (f"[{_MARKS[worst]}]", _STYLES[worst])
    text = state_of(cast("Group", group), snapshot)
    room = output.columns - 4 - width
    if output.on_terminal and len(text) > room:
        from localai.output.cells import wrap

        first, *rest = wrap(text, max(20, room), break_words=False)
        output.line(mark, " ", (f"{group:<{width}}", "bold"), first)
        for line in rest:
            output.line(" " * (4 + width), line)
        return
    output.line(mark, " ", (f"{group:<{width}}", "bold"), text)


def _show_finding(output: Output, finding: Finding, found: Diagnosis, *, verbose: bool) -> None:
    severity = finding.severity
    _show_title(output, (f"[{_MARKS[severity]}]", _STYLES[severity]), finding.title)
    for number, each in enumerate(finding.evidence):
        source = f"  ({each.source})" if verbose else ""
        _labelled(output, "evidence" if not number else "", f"{each.what}: {each.value}{source}")
    _labelled(output, "because", finding.cause)
    _show_fix(output, finding.fix, verbose=verbose)
    explained = [each for each in found.explained if each.explained_by == finding.code]
    if explained:
        _labelled(output, "explains", "; ".join(_together(explained)))
    if verbose:
        _labelled(output, "code", f"{finding.code}, subject {finding.subject}")


def _show_title(output: Output, mark: Piece, title: str) -> None:
    from localai.output.cells import wrap

    text = sentence(title)
    room = max(20, output.columns - 4)
    first, *rest = wrap(text, room, break_words=False) if output.on_terminal else [text]
    output.line(mark, " ", (first, "bold"))
    for line in rest:
        output.line(" " * 4, (line, "bold"))


def _show_lost(output: Output, subject: str, found: Diagnosis) -> None:
    """Show that a subject could not be looked at, with the reason and the checks that could not be
    made."""
    missed = [each for each in found.unknown if each.lost == subject]
    what = _SUBJECTS.get(subject, subject)
    _show_title(output, ("[?]", "yellow"), f"{what} could not be looked at")
    _labelled(output, "because", missed[0].reason.rpartition(" is not known: ")[2])
    _labelled(output, "unmade", ", ".join(dict.fromkeys(each.code for each in missed)))


def _together(findings: Sequence[Finding]) -> Iterator[str]:
    """The titles of the findings. Several findings of one check are given as the first title and
    the number of the others."""
    by_code: dict[str, list[Finding]] = {}
    for each in findings:
        by_code.setdefault(each.code, []).append(each)
    for first, *more in by_code.values():
        yield f"{first.title} (and {len(more)} more)" if more else first.title


def _show_fix(output: Output, fix: Fix, *, verbose: bool) -> None:
    label = "fix, as root" if fix.safety == "root" else "fix"
    if fix.lines:
        output.line(f"    {label}:")
        for line in fix.lines:
            for part in _to_paste(line, output):
                output.line(f"      {part}")
    if fix.hint and fix.lines:
        output.paragraph(sentence(fix.hint), indent=4)
    elif fix.hint:
        _labelled(output, label, fix.hint)
    if verbose and fix.undo:
        output.line(f"    undo: {fix.undo}")


def _to_paste(line: str, output: Output) -> list[str]:
    from localai.output.cells import wrap_command

    return wrap_command(line, output.columns - 6) if output.on_terminal else [line]


def _labelled(output: Output, label: str, text: str) -> None:
    """Show a text beside its label, in lines that end between words and begin under one another."""
    from localai.output.cells import wrap

    head = f"{label}:" if label else ""
    width = max(_LABEL, len(head) + 1)
    room = max(20, output.columns - 4 - width)
    lines = wrap(text, room, break_words=False) if output.on_terminal else [text]
    for number, line in enumerate(lines):
        output.line(" " * 4, f"{head if not number else '':<{width}}{line}")


def _last_line(found: Diagnosis, *, verbose: bool) -> str:
    parts: list[str] = []
    for severity, word in _WORDS.items():
        count = sum(each.severity == severity for each in found.findings)
        if count:
            parts.append(counted(count, word))
    more = {option: _codes(found, option) for option in ("--deep", "--online")}
    made = found.checks_run - sum(more.values())
    is_whole = not any(each.lost for each in found.unknown)
    nothing = "nothing is wrong" if is_whole else "nothing was found"
    checks = counted(made, "check")
    text = f"{checks}: {', '.join(parts) or nothing}." if made else "No check was made."
    ours = sum(each.fix.safety == "ours" for each in found.findings)
    if ours:
        text += f" --fix can mend {'it' if len(found.findings) == 1 else f'{ours} of them'}."
    if missed := _codes(found, ""):
        text += f" {missed} could not be made{'' if verbose else ' (-v says why)'}."
    if any(more.values()):
        text += f" More with {' and '.join(each for each, count in more.items() if count)}."
    return text


def _codes(found: Diagnosis, option: str) -> int:
    """The number of checks that were not made because `option` was not given; with "" those that no
    option makes."""
    return len({each.code for each in found.unknown if each.option == option})
