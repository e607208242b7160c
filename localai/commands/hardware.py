"""`localai hardware`: what this machine is, as far as models care."""

from __future__ import annotations

from typing import Annotated

import typer

from localai.commands.flags import ProfileOption, machine_of
from localai.commands.startup import begin
from localai.errors import InvalidInput
from localai.output.hardware import print_machine
from localai.output.streams import note, print_document

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def hardware(
    profile: ProfileOption = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure memory bandwidth anew, for a second.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Processor, memory and its bandwidth, GPUs, disk, power: what decides how fast models are.

    Bandwidth is measured the first time and then remembered. With --json every fact has its
    source and confidence, and --profile reads that file back on any machine.
    """
    paths, _ = begin("hardware")
    if measure and profile is not None:
        raise InvalidInput(
            "only this machine can be measured", command="localai hardware --measure"
        )
    machine = machine_of(profile, paths, note, measure="again" if measure else "once")
    if as_json:
        from localai.output.documents.hardware import hardware_document

        print_document(hardware_document(machine, profile))
    else:
        print_machine(machine)
