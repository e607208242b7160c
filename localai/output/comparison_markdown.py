"""A run as Markdown for a pull request: the table, the remarks, the cases that differ. The prompts
are left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from localai.compare.results import Results
from localai.compare.verdicts import GateResult
from localai.output.suite_results import MODEL_COLUMNS, model_rows, remarks
from localai.units import counted
from localai.untrusted import markdown_words

_MOST_CASES = 50


def markdown_report(
    name: str, results: Results, gate: GateResult | None, notes: Sequence[str]
) -> str:
    """The Markdown of a run. `notes` are further sentences, such as the comparison with an earlier
    run."""
    short = results.short_names
    headings = [column.name for column in MODEL_COLUMNS]
    lines = [f"## {markdown_words(name)}", "", *_table(headings, model_rows(results))]
    if gate is not None:
        lines += [
            "",
            f"**{'Passed' if gate.passed else 'Not passed'}:** {markdown_words(gate.reason)}",
        ]
    lines += ["", *[f"- {markdown_words(line)}" for line in (*remarks(results), *notes)]]
    differing = _differing(results)
    if differing:
        shown = differing[:_MOST_CASES]
        names = [short[model.model] for model in results.models]
        differ = counted(len(differing), "case differs", "cases differ")
        lines += ["", f"<details><summary>{differ}</summary>", ""]
        lines += [*_table(["case", *names], shown), "", "</details>"]
    return "\n".join(lines).rstrip() + "\n"


def _differing(results: Results) -> list[list[str]]:
    """The cases whose outcomes differ between models, with each outcome."""
    rows = []
    for case in dict.fromkeys(each.answer.case for each in results.judged):
        outcomes = [
            "/".join(dict.fromkeys(each.outcome for each in results.of(case, model.model))) or "–"
            for model in results.models
        ]
        if len(set(outcomes)) > 1:
            rows.append([case, *outcomes])
    return rows


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        _row(headings),
        "|" + "---|" * len(headings),
        *[_row(row) for row in rows],
    ]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(markdown_words, cells)) + " |"
