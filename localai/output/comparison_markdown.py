"""A run as Markdown for a pull request: the table, the remarks, the cases that differ. The prompts
are left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from localai.compare.results import Results
from localai.compare.verdicts import GateResult
from localai.output.suite_results import columns_of_models, model_cells, remarks
from localai.output.untrusted import sanitize_line
from localai.units import counted

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~])")
_MOST_CASES = 50


def markdown_report(
    name: str, results: Results, gate: GateResult | None, notes: Sequence[str]
) -> str:
    """The Markdown of a run. `notes` are further sentences, such as the comparison with an earlier
    run."""
    short = results.short_names
    rows = [model_cells(each, short[each.model]) for each in results.models]
    lines = [f"## {_plain(name)}", "", *_table(columns_of_models(), rows)]
    if gate is not None:
        lines += ["", f"**{'Passed' if gate.passed else 'Not passed'}:** {_plain(gate.reason)}"]
    lines += ["", *[f"- {_plain(line)}" for line in (*remarks(results), *notes)]]
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
    return "| " + " | ".join(map(_plain, cells)) + " |"


def _plain(text: str) -> str:
    """`text` on one line, escaped so that Markdown shows it as it is and GitHub mentions nobody."""
    return _SPECIAL.sub(r"\\\1", sanitize_line(text)).replace("@", "@\u200b")
