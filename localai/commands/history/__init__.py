"""`localai history`: read conversations again, export them, delete them for good."""

from __future__ import annotations

import typer

from localai.commands.history import deleting, exporting, looking, naming, picking
from localai.commands.verbs import Verbs


class _HistoryVerbs(Verbs):
    alone = "pick"


app = typer.Typer(rich_markup_mode=None, add_completion=False, cls=_HistoryVerbs)

app.command("pick")(picking.pick)
app.command("list")(looking.list_conversations)
# A search word may begin with a dash.
app.command("search", context_settings={"ignore_unknown_options": True})(looking.search)
app.command("show")(looking.show)
app.command("rename")(naming.rename)
app.command("export")(exporting.export)
app.command("rm")(deleting.remove)
app.command("prune")(deleting.prune)
