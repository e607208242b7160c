"""`localai compare`: the comparison of models on the user's own prompts."""

from __future__ import annotations

import typer

from localai.commands.common_options import PairCommand
from localai.commands.compare import asking, data_sets, judging, reporting, suite
from localai.commands.verbs import DEFAULT_COMMAND, DefaultCommandGroup

app = typer.Typer(cls=DefaultCommandGroup, rich_markup_mode=None, add_completion=False)

app.command(DEFAULT_COMMAND, cls=PairCommand, hidden=True)(asking.compare)
app.command("new")(suite.new)
app.command("report")(reporting.report)
app.command("show")(reporting.show)
app.command("vote")(judging.vote)
app.command("fetch")(data_sets.fetch)
