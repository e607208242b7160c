"""`localai hardware`: the facts of this machine that matter to models."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from localai.commands.common_options import Json, Profile, machine_of
from localai.commands.settings import load_settings
from localai.errors import InvalidInput
from localai.output.hardware import machine_facts
from localai.output.output import Output

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def hardware(
    profile: Profile = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure memory bandwidth again, for a second.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what decides how fast models are: processor, memory and its bandwidth, GPUs, disk,
    power.

    Bandwidth is measured the first time and then remembered. With --json every fact has its source
    and confidence, and --profile reads that file on any machine.
    """
    output = Output("hardware", as_json=as_json)
    paths, config = load_settings("hardware")
    if measure and profile is not None:
        raise InvalidInput(
            "only this machine can be measured", command="localai hardware --measure"
        )
    machine = machine_of(profile, paths, output, measure="again" if measure else "once")
    if profile is None:
        from localai.setup.engines import idle_gpu_here

        if (idle := idle_gpu_here(machine, config, paths)) is not None:
            problem = ": ".join(filter(None, (idle.sentence, idle.command)))
            machine = replace(machine, problems=(*machine.problems, problem))
    if output.as_json:
        from localai.output.documents.hardware import hardware_document

        output.document(hardware_document(machine, profile))
    with output.paged():
        output.facts(machine_facts(machine))
