"""A run as one HTML file: the results, the matrix of cases, every answer, and the hosts that
prompts went to.

Texts of models and suites are escaped (`output/html.py`); the page loads and runs nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from localai.compare.destinations import prompts_sent
from localai.compare.recorded import Head, RecordedAnswer, RecordedCase
from localai.compare.results import Judged, Results
from localai.compare.run_file import Run
from localai.compare.texts import word_changes
from localai.compare.verdicts import GateResult
from localai.output.html import (
    Child,
    Markup,
    details,
    element,
    page,
    preformatted,
    section,
    table,
)
from localai.output.suite_results import (
    DESTINATION_COLUMNS,
    MODEL_COLUMNS,
    destination_rows,
    model_rows,
    reasons,
    remarks,
)
from localai.units import counted, day_and_minute, money_text, time_text

_MARKS = {
    "passed": ("✓ passed", "good"),
    "failed": ("✗ failed", "bad"),
    "censored": ("… cut", None),
    "error": ("! error", "bad"),
    "left_out": ("– left out", None),
    "answered": ("answered", None),
}
_LONGEST_COMPARED = 4_000
_MOST_SHOWN = 8_000
"""Of an answer's characters; the record has all of them."""


def html_report(
    run: Run,
    results: Results,
    gate: GateResult | None,
    notes: Sequence[str],
    judged: Sequence[str],
) -> str:
    """The HTML page of a run.

    `notes` are further sentences. `judged` are the sentences about the judge and its audit. They
    are greyed if the first of them says that the judge is not usable.
    """
    head = run.head
    assert head is not None
    short = results.short_names
    summary = section(
        "Models",
        _gate(gate),
        table(MODEL_COLUMNS, model_rows(results)),
        element("ul", [element("li", line) for line in (*remarks(results), *notes)]),
    )
    by_case: dict[str, dict[str, list[Judged]]] = defaultdict(lambda: defaultdict(list))
    for each in results.judged:
        by_case[each.answer.case][each.answer.model].append(each)
    return page(
        head.suite,
        element("p", _made(head), class_="soft"),
        summary,
        _judge(judged),
        section("Cases", _matrix(by_case, short)),
        section(
            "Where the prompts went",
            table(DESTINATION_COLUMNS, destination_rows(prompts_sent(run, results))),
            [element("p", line, class_="soft") for line in _evidence(results)],
        ),
        section(
            "Answers",
            [
                _case(number, run.cases[case], some, short)
                for number, (case, some) in enumerate(by_case.items())
                if case in run.cases
            ],
        ),
        footer=f"Made by localai {head.localai}. The prompts and answers are in this file.",
    )


def _made(head: Head) -> str:
    day = day_and_minute(head.at)
    licence = f" · licence of the data: {head.licence}" if head.licence else ""
    times = "once" if head.repeats == 1 else counted(head.repeats, "time")
    return f"{day} on {head.machine} · each case asked {times}{licence}"


def _judge(judged: Sequence[str]) -> Markup | None:
    if not judged:
        return None
    kind = "greyed" if "not usable" in judged[0] else None
    lines = [element("li", line) for line in judged[1:]]
    return section(
        "Judge", element("div", element("p", judged[0]), element("ul", lines), class_=kind)
    )


def _gate(gate: GateResult | None) -> Markup | None:
    if gate is None:
        return None
    mark, kind = ("✓ passed", "good") if gate.passed else ("✗ not passed", "bad")
    return element("p", element("strong", mark, class_=kind), f": {gate.reason}")


def _matrix(by_case: dict[str, dict[str, list[Judged]]], names: Mapping[str, str]) -> Markup:
    rows: list[list[Child]] = [
        [element("a", case, href=f"#case-{number}"), *[_outcomes(some[name]) for name in names]]
        for number, (case, some) in enumerate(by_case.items())
    ]
    return table(["case", *names.values()], rows)


def _outcomes(judged: Sequence[Judged]) -> Child:
    """The outcome of a model in a case: one mark, or the number of repeats that passed."""
    if not judged:
        return "–"
    if len(judged) == 1:
        text, kind = _MARKS[judged[0].outcome]
        return element("span", text, class_=kind)
    passed = sum(each.outcome == "passed" for each in judged)
    others = [_MARKS[each.outcome][0] for each in judged if each.outcome != "passed"]
    kind = "good" if passed == len(judged) else "bad" if not passed else None
    more = f" ({', '.join(sorted(set(others)))})" if others else ""
    return element("span", f"{passed} of {len(judged)} passed{more}", class_=kind)


def _case(
    number: int,
    case: RecordedCase,
    by_model: dict[str, list[Judged]],
    names: Mapping[str, str],
) -> Markup:
    outcomes = ", ".join(
        f"{short}: {_MARKS[each.outcome][0]}"
        for name, short in names.items()
        for each in by_model[name][:1]
    )
    asked = [
        [element("small", role), preformatted(_shortened(text))] for role, text in case.messages
    ]
    answers = element(
        "div",
        [_answer(short, each) for name, short in names.items() for each in by_model[name]],
        class_="beside",
    )
    content = [element("h3", "Asked"), asked, element("h3", "Answered"), answers]
    content += _difference([each for name in names for each in by_model[name][:1]], names)
    return element(
        "div", details([element("strong", case.id), f" · {outcomes}"], content), id=f"case-{number}"
    )


def _answer(name: str, judged: Judged) -> Markup:
    answer = judged.answer
    text, kind = _MARKS[judged.outcome]
    repeat = f", repeat {answer.repeat}" if answer.repeat > 1 else ""
    thinking = None
    if answer.reasoning:
        thinking = details("thinking", preformatted(_shortened(answer.reasoning)))
    failed = [element("li", reason, class_="bad") for reason in reasons(judged)]
    return element(
        "div",
        element("p", element("strong", name), repeat, " ", element("span", text, class_=kind)),
        preformatted(_shortened(answer.text)) if answer.text else None,
        thinking,
        element("ul", failed) if failed and judged.outcome in ("failed", "error") else None,
        element("p", element("small", _figures(answer))),
    )


def _figures(answer: RecordedAnswer) -> str:
    parts = []
    if answer.time_to_first_visible_s is not None:
        parts.append(f"first visible {time_text(answer.time_to_first_visible_s, 2)}")
    if answer.tokens_per_s is not None:
        parts.append(f"{answer.tokens_per_s:,.1f} tok/s")
    if answer.output_tokens is not None:
        parts.append(counted(answer.output_tokens, "token"))
    if answer.cost:
        parts.append(money_text(answer.cost))
    parts.append(answer.zone or "zone unproven")
    return " · ".join(parts)


def _difference(firsts: Sequence[Judged], names: Mapping[str, str]) -> list[Markup]:
    """The words in which two answers differ, if their outcomes differ."""
    if len(firsts) != 2 or firsts[0].outcome == firsts[1].outcome:
        return []
    a, b = (each.answer.text for each in firsts)
    if not a or not b or len(a) + len(b) > _LONGEST_COMPARED:
        return []
    marks = {"only_a": "del", "only_b": "ins"}
    words: list[Child] = [
        element(marks[change], text) if change in marks else text
        for change, text in word_changes(a, b)
    ]
    heading = " → ".join(names[each.answer.model] for each in firsts)
    return [details(f"words that differ: {heading}", element("pre", words, dir="auto"))]


def _evidence(results: Results) -> Iterable[str]:
    """The evidence for the zones, once for all models that share it."""
    models = defaultdict(list)
    for model in results.models:
        for evidence in model.evidence:
            models[evidence].append(results.short_names[model.model])
    for evidence, names in models.items():
        yield f"{', '.join(names)}: {evidence}"


def _shortened(text: str) -> str:
    if len(text) <= _MOST_SHOWN:
        return text
    left = len(text) - _MOST_SHOWN
    return f"{text[:_MOST_SHOWN]}\n[… {counted(left, 'character')} more are in the record]"
