"""`localai bench`: the speed of models on this machine, and the benchmarks that are kept."""

from __future__ import annotations

import typer

from localai.commands.bench import exchanging, looking, machine, running, tuning
from localai.commands.verbs import DEFAULT_COMMAND, DefaultCommandGroup

app = typer.Typer(cls=DefaultCommandGroup, rich_markup_mode=None, add_completion=False)

app.command(DEFAULT_COMMAND, hidden=True)(running.run)
app.command("tune")(tuning.tune)
app.command("machine")(machine.machine)
app.command("list")(looking.list_runs)
app.command("show")(looking.show)
app.command("compare")(exchanging.compare)
app.command("export")(exchanging.export)
app.command("import")(exchanging.import_run)
app.command("rm")(looking.rm)
