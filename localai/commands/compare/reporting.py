"""The results of a run: shown, written to files, compared with an earlier run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from localai.commands.common_options import Json, Quiet
from localai.dataclass import dataclass
from localai.errors import FinishedWithFailures, LocalaiError, NotFound
from localai.files import missing_file, require_place_for
from localai.output.output import Output
from localai.units import counted

if TYPE_CHECKING:
    from localai.compare.results import Results
    from localai.compare.run_file import Run
    from localai.compare.verdicts import GateResult, ModelChange

Html = Annotated[Path | None, typer.Option("--html", help="Write the results as one HTML file.")]
Junit = Annotated[
    Path | None, typer.Option("--junit", help="Write the results as JUnit's XML, without prompts.")
]
Markdown = Annotated[
    Path | None,
    typer.Option(
        "--markdown", help="Write the results as Markdown for a pull request, without prompts."
    ),
]
Against = Annotated[
    Path | None,
    typer.Option(
        "--against", metavar="RUN", help="Compare with that run; exit code 8 if a model got worse."
    ),
]
RunPath = Annotated[
    Path, typer.Argument(help="The file that `localai compare -o` wrote.", metavar="RUN")
]


@dataclass(frozen=True, slots=True)
class Reports:
    """The files to write, and the run to compare with."""

    html: Path | None = None
    junit: Path | None = None
    markdown: Path | None = None
    against: Path | None = None

    def check(self) -> None:
        """Raise InvalidInput for a file that cannot be written, and NotFound for a run that does
        not exist, before any model is asked."""
        for path in (self.html, self.junit, self.markdown):
            if path is not None:
                require_place_for(path)
        if self.against is not None and not self.against.is_file():
            raise missing_file(self.against)


def report(
    run: RunPath,
    html: Html = None,
    junit: Junit = None,
    markdown: Markdown = None,
    against: Against = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Report a run again, with the expectations that its file holds. No model is asked."""
    from localai.compare.run_file import read_run

    output = Output("compare", as_json=as_json, quiet=quiet)
    reports = Reports(html, junit, markdown, against)
    reports.check()
    return conclude(output, read_run(run), reports)


def show(
    run: RunPath,
    cases: Annotated[
        list[str] | None,
        typer.Argument(help="The cases' names; without any, all cases that failed."),
    ] = None,
) -> None:
    """Show a case: its question, each model's answer, and what was expected."""
    from localai.compare.results import results_of
    from localai.compare.run_file import read_run
    from localai.output.suite_results import print_case

    output = Output("compare")
    found = read_run(run)
    results = results_of(found)
    failed = [e.answer.case for e in results.judged if e.outcome in ("failed", "error")]
    named = list(dict.fromkeys(cases or failed))
    for case in named:
        if case not in found.cases:
            from localai.near_names import did_you_mean

            raise NotFound(
                f"there is no case {case!r} in {run}", hint=did_you_mean(case, found.cases)
            )
        print_case(output, found.cases[case], results)
    if not named:
        output.note("no case failed")


def conclude(output: Output, run: Run, reports: Reports) -> int:
    """Show and write the results of the run. Return the exit code, or raise the failure."""
    from localai.compare.audit import audit_lines, audit_of
    from localai.compare.destinations import prompts_sent
    from localai.compare.results import results_of
    from localai.compare.run_file import read_run
    from localai.compare.verdicts import change_text, changes, gate_result

    assert run.head is not None
    audit = audit_of(run)
    if audit is not None and not audit.usable:
        run.distrusted.add(audit.judge)
    results = results_of(run)
    sent = prompts_sent(run, results)
    gate = gate_result(run.head.gate, results)
    found: list[ModelChange] = []
    if reports.against is not None:
        found = changes(results_of(read_run(reports.against)), results)
    notes = [change_text(each) for each in found]
    judged = [] if audit is None else audit_lines(audit, results.short_names)
    _write(run, results, gate, notes, judged, reports)
    failure = _failure(results, gate, found)
    if output.as_json:
        from localai.output.documents.compare_run import run_document

        output.document(run_document(run.head, results, sent, gate, audit, failure))
        return 0 if failure is None else failure.exit_code
    from localai.output.suite_results import print_destinations, print_results

    print_results(output, results)
    for note in (*notes, *judged):
        output.paragraph(note)
    if gate is not None:
        output.paragraph(f"gate: {'passed' if gate.passed else 'not passed'}: {gate.reason}")
    print_destinations(output, sent)
    if failure is not None:
        raise failure
    return 0


def _failure(
    results: Results, gate: GateResult | None, found: list[ModelChange]
) -> LocalaiError | None:
    """The reason why the exit code is not 0: a regression, the gate, or, without a gate, any failed
    case."""
    worse = [each.model for each in found if each.is_regression]
    if worse:
        return FinishedWithFailures(f"{', '.join(worse)} got worse")
    if gate is not None:
        return None if gate.passed else FinishedWithFailures(f"the gate: {gate.reason}")
    failed = sum(each.failed for each in results.models)
    errors = sum(each.errors for each in results.models)
    if not failed and not errors:
        return None
    judged = sum(each.passed for each in results.models) + failed
    parts = [f"{failed:,} of {counted(judged, 'answer')} not as expected"] if failed else []
    parts += [f"{counted(errors, 'question has', 'questions have')} no answer"] if errors else []
    return FinishedWithFailures(
        "; ".join(parts), hint="a [gate] in the suite says how many may fail"
    )


def _write(
    run: Run,
    results: Results,
    gate: GateResult | None,
    notes: list[str],
    judged: list[str],
    reports: Reports,
) -> None:
    from localai.files import write_named

    assert run.head is not None
    if reports.html is not None:
        from localai.output.comparison_html import html_report

        write_named(
            reports.html,
            html_report(run, results, gate, notes, judged).encode(errors="backslashreplace"),
        )
    if reports.junit is not None:
        from localai.output.junit import junit_document

        write_named(reports.junit, junit_document(run.head.suite, results))
    if reports.markdown is not None:
        from localai.output.comparison_markdown import markdown_report

        text = markdown_report(run.head.suite, results, gate, [*notes, *judged])
        write_named(reports.markdown, text.encode(errors="backslashreplace"))
