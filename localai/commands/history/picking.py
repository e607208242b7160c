"""`localai history pick`, and `localai history` alone."""

from __future__ import annotations

from typing import Any

import typer

from localai.chat.resume import recent_conversations
from localai.commands.history.looking import list_conversations
from localai.output.output import Output
from localai.output.terminal import is_dumb
from localai.paths import locate


def pick(context: typer.Context) -> Any:
    """Choose a conversation on the terminal and go on with it: what `localai history` does alone.

    Type what stands in its title or was said in it. Where nobody can choose, the newest are listed.
    """
    output = Output("history")
    database = locate().database
    may_choose = output.may_ask and output.on_terminal and not is_dumb()
    if not may_choose or not recent_conversations(database, 1):
        list_conversations()
        return 0
    from localai.session.picker import pick_conversation

    chosen = pick_conversation(database)
    if chosen is None:
        return 0
    root = context.find_root()
    command: Any = root.command
    arguments = ["chat", "--cid", chosen]
    return command.main(
        arguments, prog_name=root.info_name, standalone_mode=False, obj=tuple(arguments)
    )
