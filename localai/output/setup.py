"""A set-up's plan and report: a line for each step on a terminal, a table in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localai.output.output import Output
from localai.setup.plan import SetupPlan, Step
from localai.setup.uninstall import Uninstallation
from localai.units import bytes_text, seconds_text

if TYPE_CHECKING:
    from localai.events import Done

_COLUMNS = ("step", "what", "why", "size", "time", "from", "state")


def print_plan(plan: SetupPlan, output: Output) -> None:
    """The steps on stdout: what, why, about how many bytes and seconds, from where; and the
    notes."""
    if output.on_terminal:
        number = 0
        for step in plan.steps:
            number += not step.done
            output.line(f"{'  ✓' if step.done else f'{number:>3}'}  {step.what}")
            output.paragraph(_details(step), indent=5)
        output.line()
    else:
        output.table(_COLUMNS, [_cells(step) for step in plan.steps])
    for text in plan.notes:
        output.note(text)


def _cells(step: Step) -> list[str]:
    return [
        step.name,
        step.what,
        step.why,
        bytes_text(step.size_bytes),
        seconds_text(step.seconds),
        step.source or "",
        "done" if step.done else "to do",
    ]


def print_report(plan: SetupPlan, done: Done, total_s: float, output: Output) -> None:
    """The end: how long it took, how fast the model is, which model answers where, and what is
    next."""
    rate = done.timings.decode_tokens_per_s
    speed = "" if rate is None else f", {rate:,.0f} tok/s"
    zone = "" if done.locality.zone is None else f", on this {done.locality.zone.label}"
    output.line()
    output.line(f"ready after {seconds_text(total_s)}: {plan.model}{speed}")
    output.line(f"answered by {plan.engine.what}{zone}")
    output.line('next: localai chat, or: git diff | localai chat "review"')


def print_removal(removal: Uninstallation, output: Output) -> None:
    """The files that are removed, those that stay and why, on stdout."""
    targets = (*removal.data, *removal.program)
    if not targets:
        output.line("there is nothing of localai here")
    for path in targets:
        output.line(f"remove  {path}")
    if targets:
        output.line(f"        {bytes_text(removal.size_bytes)} in all")
    for left in removal.left:
        output.line(f"leave   {left.where}: {left.what}, {bytes_text(left.size_bytes)}")
    if targets and not removal.program:
        output.line("leave   the program, which was not installed by install.sh into this home")


def _details(step: Step) -> str:
    parts = [step.why]
    if step.size_bytes is not None:
        parts.append(bytes_text(step.size_bytes))
    if step.seconds is not None:
        parts.append(f"about {seconds_text(step.seconds)} at 100 Mbit/s")
    if step.source is not None:
        parts.append(f"from {step.source}")
    return " · ".join(parts)
