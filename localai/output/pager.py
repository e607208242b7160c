"""Showing a long text in the user's own pager, as git does."""

from __future__ import annotations

import os


def show_in_pager(text: str) -> bool:
    """Whether the user's pager has shown `text`. There may be none; `cat` or an empty $PAGER means
    that none is wanted."""
    import shlex
    import subprocess

    from localai.privacy.environment import child_environment
    from localai.privacy.guard import child
    from localai.signals import ctrl_c_left_to_child

    try:
        command = shlex.split(os.environ.get("PAGER", "less"))
    except ValueError:  # Its quotes are not closed.
        return False
    if not command or command == ["cat"] or os.environ.get("TERM") == "dumb":
        return False
    # As git does: leave at once if everything fits, keep colours, and leave it on the screen.
    environment = {"LESS": "FRX", **child_environment("editor")}
    try:
        with child("the user's own pager"), ctrl_c_left_to_child():
            subprocess.run(
                command, input=text.encode("utf-8", "replace"), env=environment, check=False
            )
    except OSError:
        return False
    return True
