"""The display under the answers to one prompt: a row for each model, and the places where the texts
differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from localai.answers import Answer
from localai.compare.asking import Reply
from localai.compare.names import short_names
from localai.compare.texts import same_beginning, similarity, word_changes
from localai.output.output import Output
from localai.output.table import Column, Row
from localai.units import UNKNOWN, bytes_text, count_text, counted, money_text, time_text
from localai.untrusted import sanitize

if TYPE_CHECKING:
    from localai.compare.votes import Tally
    from localai.cost.prices import Cost

_COLUMNS = (
    Column("model"),
    Column("first visible", right=True),
    Column("tok/s", right=True),
    Column("thinking", drop=3, right=True),
    Column("answer", drop=2, right=True),
    Column("load", drop=4, right=True),
    Column("memory", drop=5, right=True),
    Column("cost", drop=1, right=True),
    Column("zone"),
)


def print_replies(
    output: Output, replies: Sequence[Reply], cost_of: Callable[[Reply], Cost | None]
) -> None:
    """Print the table under the answers. The evidence for a zone stands below its row, or once
    below several rows with the same evidence."""
    names = short_names([reply.model for reply in replies])
    rows = [_row(names[reply.model], reply, cost_of(reply)) for reply in replies]
    for number, (row, following) in enumerate(pairwise(list(rows))):
        if row.below == following.below:
            rows[number] = replace(row, below="")
    output.table(_COLUMNS, rows)


def _row(name: str, reply: Reply, cost: Cost | None) -> Row:
    answer = reply.answer
    if answer is None:
        why = "" if reply.error is None else reply.error.message
        return Row([name, *["failed" if n == 0 else UNKNOWN for n in range(8)]], below=why)
    usage, timings, locality = answer.done.usage, answer.done.timings, answer.done.locality
    thinking = usage.reasoning_tokens
    visible = usage.output_tokens
    if visible is not None and thinking is not None:
        visible -= thinking
    rate = timings.decode_tokens_per_s
    cells = [
        name,
        time_text(reply.time_to_first_visible_s, 2),
        UNKNOWN if rate is None else f"{rate:,.1f}",
        count_text(thinking) if thinking or not answer.reasoning else "some",
        count_text(visible) + _ended(answer),
        time_text(reply.load_s, 2),
        bytes_text(reply.memory_bytes),
        UNKNOWN if cost is None else money_text(cost.amount),
        "unproven" if locality.zone is None else locality.zone.label,
    ]
    return Row(cells, below=locality.evidence)


def _ended(answer: Answer) -> str:
    if answer.done.finish_reason == "loop":
        return " loop"
    return " cut" if answer.is_cut else ""


def print_differences(output: Output, replies: Sequence[Reply]) -> None:
    """Print the words in which each answer differs from the first one: `[-only in the first-]` and
    `{+only in the other+}`."""
    answered = [reply for reply in replies if reply.answer is not None]
    names = short_names([reply.model for reply in replies])
    for other in answered[1:]:
        first = answered[0]
        a, b = sanitize(first.partial.text), sanitize(other.partial.text)
        output.line("")
        output.line((f"{names[first.model]} → {names[other.model]}", "bold"))
        if a == b:
            output.line("the same text")
            continue
        same = same_beginning(a, b)
        output.line(
            f"the first {same:,} of {len(a):,} and {counted(len(b), 'character')} are the same;"
            f" {similarity(a, b):.0%} of the words are"
        )
        output.text("".join(_marked(change, text) for change, text in word_changes(a, b)))


def _marked(change: str, text: str) -> str:
    match change:
        case "only_a":
            return f"[-{text}-]"
        case "only_b":
            return f"{{+{text}+}}"
        case _:
            return text


def print_tallies(output: Output, tallies: Sequence[Tally]) -> None:
    """Print all votes so far between these models, and their meaning."""
    names = short_names(list(dict.fromkeys(name for each in tallies for name in (each.a, each.b))))
    for each in tallies:
        decided = each.for_a + each.for_b
        a, b = names[each.a], names[each.b]
        counts = f"{a} {each.for_a}, {b} {each.for_b}, {each.ties} alike"
        if each.p_value < 0.05:
            better = a if each.for_a > each.for_b else b
            verdict = f"{better} is better, p {each.p_value:.3f}"
        elif decided < 6:
            verdict = "6 to 0 would be the least that decides"
        else:
            verdict = f"not told apart, p {each.p_value:.2f}"
        output.paragraph(f"your blind votes so far: {counts} ({verdict})")
