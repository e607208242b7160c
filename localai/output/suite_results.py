"""The results of a suite's run, for a person: a row for each model, the remarks, the failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from localai.compare.names import short_names
from localai.compare.results import Judged, ModelResult, Pair, Results
from localai.compare.verdicts import overlaps, pair_verdict, rate_text
from localai.output.output import Output
from localai.output.table import Column, Row
from localai.units import UNKNOWN, bytes_text, count_text, counted, money_text, time_text

if TYPE_CHECKING:
    from localai.compare.destinations import PromptsSent
    from localai.compare.recorded import RecordedCase

_MOST_FAILURES = 10
DESTINATION_COLUMNS: Final = (
    Column("model"),
    Column("zone"),
    Column("to"),
    Column("prompts", right=True),
)


def print_results(output: Output, results: Results, *, most_failures: int | None = None) -> None:
    """The table of the models, and the remarks below it."""
    output.table(MODEL_COLUMNS, [Row(cells) for cells in model_rows(results)])
    for line in remarks(results):
        output.paragraph(line)
    print_failures(output, results, _MOST_FAILURES if most_failures is None else most_failures)


def _passed_text(result: ModelResult) -> str:
    judged = result.passed + result.failed
    return f"{result.passed:,} of {judged:,}" if judged else UNKNOWN


def _first_visible_text(result: ModelResult) -> str:
    first = result.time_to_first_visible_s
    return time_text(None if first is None else first.value, 2)


def _speed_text(result: ModelResult) -> str:
    rate = result.tokens_per_s
    return UNKNOWN if rate is None else f"{rate.value:,.1f}"


def _cost_text(each: ModelResult) -> str:
    """The cost of a model's answers, and how many of them have no known price."""
    if each.cost is None:
        return UNKNOWN
    text = money_text(each.cost)
    return f"{text} + {each.unpriced} unpriced" if each.unpriced else text


_MODEL_TABLE: Final[tuple[tuple[Column, Callable[[ModelResult], str]], ...]] = (
    (Column("passed", right=True), _passed_text),
    (Column("rate (95%)", right=True), lambda each: rate_text(each.pass_rate)),
    (Column("cut", right=True), lambda each: count_text(each.censored)),
    (Column("errors", right=True), lambda each: count_text(each.errors)),
    (Column("first visible", drop=2, right=True), _first_visible_text),
    (Column("tok/s", drop=1, right=True), _speed_text),
    (Column("tokens", drop=5, right=True), lambda each: count_text(each.usage.output_tokens)),
    (Column("thinking", drop=6, right=True), lambda each: count_text(each.usage.reasoning_tokens)),
    (Column("load", drop=7, right=True), lambda each: time_text(each.load_s)),
    (Column("memory", drop=8, right=True), lambda each: bytes_text(each.memory_bytes)),
    (Column("cost", drop=3, right=True), _cost_text),
    (Column("zone", drop=4), lambda each: ", ".join(each.zones) or UNKNOWN),
)
"""The columns after a model's name, each with its cell."""
MODEL_COLUMNS: Final = (Column("model"), *(column for column, _ in _MODEL_TABLE))


def model_rows(results: Results) -> list[list[str]]:
    """A row for each model, with a cell for each of `MODEL_COLUMNS`."""
    names = results.short_names
    return [
        [names[each.model], *(cell(each) for _, cell in _MODEL_TABLE)] for each in results.models
    ]


def remarks(results: Results) -> list[str]:
    """The remarks on the numbers, a sentence each: which model is better, what was left out and
    why."""
    names = results.short_names
    lines = [pair_remark(pair, names) for pair in results.pairs]
    if results.expects and len(results.models) > 2 and overlaps(results.models):
        lines.append("the rates overlap: their order in the table is that of the command line")
    if results.left_out:
        lines.append(
            f"{len(results.left_out)} left out for all, because one model's context was too small:"
            f" {_some(results.left_out)}"
        )
    asked = {(each.answer.case, each.answer.model) for each in results.judged}
    for model in results.models:
        name = names[model.model]
        kept = [case for case in results.local_only if (case, model.model) not in asked]
        if kept:
            lines.append(f"{len(kept)} local_only not sent to {name}: {_some(kept)}")
        if model.censored:
            lines.append(
                f"{counted(model.censored, 'answer')} of {name} cut at the limit and not called"
                " wrong: a larger max_tokens may tell"
            )
        if results.expects and model.answered:
            lines.append(
                f"{counted(model.answered, 'answer')} of {name} not judged: {_open(results, model)}"
            )
    return lines


def _open(results: Results, model: ModelResult) -> str:
    """Why answers of a model are in no rate."""
    found = [
        check.got
        for each in results.judged
        if each.outcome == "answered" and each.answer.model == model.model
        for check in each.checks
        if check.passed is None
    ]
    return "; ".join(dict.fromkeys(found)) or "nothing was expected of them"


def pair_remark(pair: Pair, names: Mapping[str, str]) -> str:
    """The comparison of two models' cases, with their short names."""
    return f"{names[pair.a]} / {names[pair.b]}: {pair_verdict(pair, names)}"


def print_failures(output: Output, results: Results, most: int) -> None:
    """What was expected and what came, for the first failures and errors."""
    bad = [each for each in results.judged if each.outcome in ("failed", "error")]
    for each in bad[:most]:
        output.line("")
        name = results.short_names[each.answer.model]
        output.line((f"{each.answer.case} · {name}", "bold"), repeat_text(each))
        for reason in reasons(each):
            output.paragraph(reason, indent=2)
    if len(bad) > most:
        output.line("")
        output.line((f"{len(bad) - most:,} more: --html FILE shows all", "dim"))


def reasons(judged: Judged) -> list[str]:
    """The reasons why a case did not pass, a line each."""
    if judged.answer.error is not None:
        return [f"error: {judged.answer.error}"]
    return [
        f"{check.kind}: expected {check.expected}; got: {check.got or 'nothing'}"
        for check in judged.checks
        if not check.passed
    ]


def repeat_text(judged: Judged) -> str:
    """` (repeat 2)` for all but the first."""
    return f" (repeat {judged.answer.repeat})" if judged.answer.repeat > 1 else ""


def print_case(output: Output, case: RecordedCase, results: Results) -> None:
    """A case: the question, each model's answer, and what was expected."""
    output.line((f"── {case.id} ──", "bold"))
    for role, text in case.messages:
        output.line((f"{role}:", "dim"))
        output.text(text)
    for model, name in results.short_names.items():
        for each in results.of(case.id, model):
            output.line("")
            output.line((name, "bold"), f"{repeat_text(each)}: {each.outcome}")
            if each.answer.text:
                output.markdown(each.answer.text)
            for reason in reasons(each):
                output.paragraph(reason, indent=2)
    output.line("")


def print_destinations(output: Output, sent: Sequence[PromptsSent]) -> None:
    """The host that each model's prompts went to: model, zone, number of prompts."""
    output.line("")
    output.table(DESTINATION_COLUMNS, [Row(cells) for cells in destination_rows(sent)])


def destination_rows(sent: Sequence[PromptsSent]) -> list[list[str]]:
    """A row for each model: the host that its prompts went to, and how many."""
    names = short_names(list(dict.fromkeys(each.model for each in sent)))
    return [
        [
            f"{names[each.model]}, as the judge" if each.judge else names[each.model],
            ", ".join(each.zones) or UNKNOWN,
            each.host or "this machine",
            count_text(each.prompts),
        ]
        for each in sent
    ]


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
