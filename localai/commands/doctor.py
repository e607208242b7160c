"""`localai doctor`: what is wrong, why, and the line that mends it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from localai.commands.common_options import Json, Yes
from localai.errors import FinishedWithFailures, Interrupted, InvalidInput
from localai.output.output import Output

if TYPE_CHECKING:
    from localai.doctor.capture.context import Context
    from localai.doctor.diagnose import Diagnosis
    from localai.doctor.facts.snapshot import Snapshot

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_FAIL_ON = ("fail", "warn")
_REPORT = "localai doctor --report ./report"


@app.command()
def doctor(
    context: typer.Context,
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[GROUP|CODE]… | explain CODE",
            help=(
                "Make only these checks: gpu, server, models, memory, disk, network, "
                "privacy, security, localai, or a check's code."
            ),
            show_default=False,
        ),
    ] = None,
    verbose: Annotated[
        bool,
        typer.Option(
            "-v",
            "--verbose",
            help="Also show sources, codes, and the checks that could not be made.",
        ),
    ] = False,
    list_checks: Annotated[
        bool, typer.Option("--list", help="List every check, a line each.")
    ] = False,
    fail_on: Annotated[
        str, typer.Option(help="The least severity for exit code 8: fail or warn.")
    ] = "fail",
    deep: Annotated[
        bool,
        typer.Option(
            "--deep", help="Also load the starter and read the models, which takes a minute."
        ),
    ] = False,
    online: Annotated[
        bool,
        typer.Option("--online", help="Also connect to the registries, which see that you ask."),
    ] = False,
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Mend what is localai's own: show it, ask, and check again."),
    ] = False,
    yes: Yes = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write a redacted report to attach to an issue; nothing is sent."
        ),
    ] = None,
    hide_models: Annotated[
        bool, typer.Option("--hide-models", help="Replace the models' names in a report.")
    ] = False,
    facts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Check the facts.json of a report in place of this machine."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find what is wrong on this machine, with the evidence, the cause, and the line that mends it.

    Nothing is changed without --fix, and nothing leaves the machine without --online. The exit code
    is 8 if a check fails.
    """
    from localai.doctor.selection import codes_of

    output = Output("doctor", as_json=as_json)
    if fail_on not in _FAIL_ON:
        raise InvalidInput(
            f"--fail-on must be fail or warn, not {fail_on!r}", command="localai doctor"
        )
    words = what or []
    if words[:1] == ["explain"]:
        _explain(output, words[1:])
        return
    codes = codes_of(words)
    if list_checks:
        _list(output, codes)
        return
    if (fix and (as_json or facts is not None)) or (yes and not fix):
        raise InvalidInput(
            "--fix shows and asks: not with --json or --facts, and -y is for --fix alone",
            command="localai doctor --fix",
        )
    if hide_models and report is None:
        raise InvalidInput("--hide-models is about a report", command=_REPORT)
    if facts is not None and (deep or online):
        raise InvalidInput(
            "--deep and --online look at this machine, --facts does not", command="localai doctor"
        )
    snapshot = _snapshot(output, facts)
    if online:
        snapshot = _ask_online(output, snapshot)
    if deep:
        snapshot = _look_deep(output, context, snapshot)
    found = _diagnose(snapshot, codes, whole=not words)
    if report is None or not _write_report(output, snapshot, report, hide_models=hide_models):
        _show(output, snapshot, codes, found, verbose=verbose)
    if fix:
        found = _mend(output, found, codes, yes=yes)
    if found.fails(fail_on):
        raise typer.Exit(FinishedWithFailures.exit_code)


def _snapshot(output: Output, facts: Path | None) -> Snapshot:
    """The facts of this machine now, or those in a report."""
    if facts is not None:
        from localai.doctor.report import read_facts

        return read_facts(facts)
    from localai.doctor.capture import take

    output.wait_for("looking at this machine")
    try:
        return take(_context())
    finally:
        output.end_progress()


def _ask_online(output: Output, snapshot: Snapshot) -> Snapshot:
    from dataclasses import replace

    from localai.doctor.capture.online import asked

    looking = _context()
    if looking.config_error:
        # Without settings, no connection would be entered in the ledger.
        raise InvalidInput(looking.config_error, command="localai doctor localai")
    output.wait_for("asking the registries")
    try:
        return replace(snapshot, asked=asked(looking))
    finally:
        output.end_progress()


def _look_deep(output: Output, context: typer.Context, snapshot: Snapshot) -> Snapshot:
    from dataclasses import replace

    from localai.commands.settings import open_pool
    from localai.doctor.capture.deep import deep

    looking = _context()
    try:
        found = deep(looking, open_pool(context, looking.paths), output.wait_for)
    finally:
        output.end_progress()
    return replace(snapshot, deep=found)


def _write_report(output: Output, snapshot: Snapshot, folder: Path, *, hide_models: bool) -> bool:
    """Write the report and, on a terminal, open it for reading. Return whether it was shown; it
    contains the diagnosis, which then need not be."""
    from localai.doctor.report import write_report

    written = write_report(folder, snapshot, hide_models=hide_models)
    is_shown = output.on_terminal and not output.as_json
    if is_shown:
        with output.paged():
            for line in written.text.read_text(encoding="utf-8").splitlines():
                output.line(line)
        output.line()
    output.note(f"written, and sent nowhere: {written.text} and {written.facts}")
    output.note("read both before you attach them to an issue")
    return is_shown


def _context() -> Context:
    """The folders and settings. Folders and settings that cannot be read become a finding, and do
    not end the command."""
    from localai.commands.settings import load_settings
    from localai.config import load
    from localai.doctor.capture.context import Context
    from localai.paths import locate
    from localai.privacy.environment import given_environment

    environ, error = given_environment(), ""
    paths = locate()
    try:
        paths, config = load_settings("doctor")
    except InvalidInput as invalid:
        from dataclasses import replace

        error = invalid.message
        # Without a file and variables, the defaults hold.
        config = load(replace(paths, config_file=paths.data_dir / "no-settings.toml"), {})
    return Context(paths=paths, config=config, config_error=error, environ=environ)


def _diagnose(snapshot: Snapshot, codes: frozenset[str], *, whole: bool) -> Diagnosis:
    from localai.doctor.checks import all_checks
    from localai.doctor.diagnose import diagnose

    everything = diagnose(snapshot, all_checks())
    return everything if whole else everything.only(codes)


def _show(
    output: Output,
    snapshot: Snapshot,
    codes: frozenset[str],
    found: Diagnosis,
    *,
    verbose: bool,
) -> None:
    if output.as_json:
        from localai.output.documents.doctor import doctor_document

        output.document(doctor_document(found))
        return
    from localai.doctor.checks import all_checks
    from localai.output.doctor import show_diagnosis

    groups = {each.group for each in all_checks() if each.code in codes}
    with output.paged():
        show_diagnosis(output, found, snapshot, groups, verbose=verbose)


def _mend(output: Output, found: Diagnosis, codes: frozenset[str], *, yes: bool) -> Diagnosis:
    """Mend what localai may mend, asking for each finding, and check again. Return the new
    diagnosis."""
    from localai.doctor.mending import mendings_of
    from localai.output.doctor import show_mending
    from localai.paths import locate

    paths = locate()
    tried: list[str] = []
    for finding in found.findings:
        for mending in mendings_of(finding.fix, paths):
            show_mending(output, finding, mending)
            if yes or _agrees(output):
                mending.apply()
                tried.append(finding.code)
    if not tried:
        output.note("nothing was changed")
        return found
    again = _diagnose(_snapshot(output, None), codes, whole=False)
    left = {each.code for each in again.findings}
    for code in dict.fromkeys(tried):
        output.line(f"{code}: {'still there' if code in left else 'gone'}")
    return again


def _agrees(output: Output) -> bool:
    try:
        output.confirm(
            "Do it?",
            unasked=InvalidInput(
                "--fix asks, and nobody is there to answer", command="localai doctor --fix --yes"
            ),
            declined="left as it is",
        )
    except Interrupted:
        return False
    return True


def _explain(output: Output, words: list[str]) -> None:
    from localai.doctor.checks import CHECKS
    from localai.doctor.selection import require_code

    if len(words) != 1:
        raise InvalidInput("explain takes one code", command="localai doctor --list")
    check = CHECKS[require_code(words[0])]
    if output.as_json:
        from localai.output.documents.doctor import checks_document

        output.document(checks_document([check]))
        return
    from localai.output.doctor import show_check

    with output.paged():
        show_check(output, check)


def _list(output: Output, codes: frozenset[str]) -> None:
    from localai.doctor.checks import all_checks

    wanted = [each for each in all_checks() if each.code in codes]
    if output.as_json:
        from localai.output.documents.doctor import checks_document

        output.document(checks_document(wanted))
        return
    from localai.output.doctor import show_list

    with output.paged():
        show_list(output, wanted)
