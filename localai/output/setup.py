"""A set-up's plan and report: a line a step on a terminal, a table in a pipe."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

from localai.output.streams import is_terminal, print_table, width
from localai.output.units import bytes_text, seconds_text
from localai.setup.plan import SetupPlan, Step
from localai.setup.removal import Removal

if TYPE_CHECKING:
    from localai.types import Done

_INDENT = "     "


def print_plan(plan: SetupPlan) -> None:
    """The steps on stdout: what, why, how large and about how long, from where."""
    if not is_terminal(sys.stdout):
        rows = [
            [
                step.name,
                step.what,
                step.why,
                bytes_text(step.size_bytes),
                seconds_text(step.seconds),
                step.source or "",
                "done" if step.done else "to do",
            ]
            for step in plan.steps
        ]
        print_table(["step", "what", "why", "size", "time", "from", "state"], rows)
        return
    number = 0
    for step in plan.steps:
        number += not step.done
        print(f"{'  ✓' if step.done else f'{number:>3}'}  {step.what}")
        room = max(20, width() - len(_INDENT))
        for line in textwrap.wrap(_details(step), room, break_on_hyphens=False):
            print(_INDENT + line)
    print(flush=True)


def report_lines(plan: SetupPlan, done: Done, total_s: float) -> list[str]:
    """The end: how long it took and how fast the model is, and who answers where."""
    rate = done.timings.decode_tokens_per_s
    speed = "" if rate is None else f", {rate:,.0f} tok/s"
    zone = "" if done.locality.zone is None else f", on this {done.locality.zone.label}"
    return [
        f"ready after {seconds_text(total_s)}: {plan.model}{speed}",
        f"answered by {plan.engine.what}{zone}",
    ]


def print_removal(removal: Removal) -> None:
    """What goes, what stays and why, on stdout."""
    targets = (*removal.data, *removal.program)
    if not targets:
        print("there is nothing of localai here")
    for path in targets:
        print(f"remove  {path}")
    if targets:
        print(f"        {bytes_text(removal.size_bytes)} in all")
    for left in removal.left:
        print(f"leave   {left.where}: {left.what}, {bytes_text(left.size_bytes)}")
    if targets and not removal.program:
        print("leave   the program, which was not installed by install.sh into this home")


def _details(step: Step) -> str:
    parts = [step.why]
    if step.size_bytes is not None:
        parts.append(bytes_text(step.size_bytes))
    if step.seconds is not None:
        parts.append(f"about {seconds_text(step.seconds)} at 100 Mbit/s")
    if step.source is not None:
        parts.append(f"from {step.source}")
    return " · ".join(parts)
