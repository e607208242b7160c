"""Which settings are worth changing, for a person: lines to run, each with what it gains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from localai.output.bench_figures import bounds_text, percent_text

if TYPE_CHECKING:
    from localai.bench.tuning import Changes, Settings, Suggestion, Suggestions
    from localai.output.output import Output


def show_suggestions(
    output: Output,
    gained: Sequence[Suggestion],
    found: Suggestions,
    failed: Sequence[tuple[Settings, str]],
) -> None:
    """Show the settings that are worth changing as lines to run, and what became of the others
    that gained at first; then the `failed` ones, with their reasons."""
    output.line("")
    if not gained:
        measured = " that was measured" if failed else ""
        output.line(
            f"no other setting{measured} is faster here, beyond what the repetitions differ"
        )
    _show_gains(output, gained, found)
    for settings, reason in failed:
        output.paragraph(f"not tried: {_named(settings)}: {reason}")


def _show_gains(output: Output, gained: Sequence[Suggestion], found: Suggestions) -> None:
    for each in found.suggestions:
        *others, last = _lines(each.settings)
        for line in others:
            output.line(line)
        cost = ": faster at one, slower at the other" if each.loses else ""
        output.line(last, (f"   # {changes_text(each.changes)}{cost}", "dim"))
    if found.together is not None:
        output.paragraph(f"all together: {changes_text(found.together.changes)}")
    confirmed = [each.settings for each in found.suggestions]
    undecided = [each.settings for each in found.undecided]
    for each in found.undecided:
        output.paragraph(
            f"{_named(each.settings)} gained at first, and the machine was too noisy to confirm it"
            f" ({changes_text(each.changes)}): measure again when it is quiet"
        )
    for each in gained:
        if each.settings in undecided:
            continue
        if each.settings not in confirmed:
            output.paragraph(
                f"{_named(each.settings)} gained at first, and not when it was measured again"
            )
    if any("engine.kv_type" in each for each in confirmed):
        output.paragraph(
            "Smaller keys and values change answers a little:"
            " localai bench --kv f16,q8_0 --quality says by how much.",
            style="dim",
        )


def changes_text(changes: Changes) -> str:
    """`prefill +6.0% (+5.1% to +7.2%), decode -0.3% (-1.0% to +0.6%)`."""
    return ", ".join(
        f"{'prefill' if metric.startswith('prefill') else 'decode'} {percent_text(change.value)}"
        f"{bounds_text(change)}"
        for metric, change in changes.items()
    )


def _lines(settings: Settings) -> list[str]:
    return [f"localai config set {name} {value}" for name, value in settings.items()]


def _named(settings: Settings) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())
