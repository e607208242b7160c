"""The clipboard of the terminal in front of the user, also over ssh.

OSC 52 asks the terminal itself to take the text. tmux ignores it from a program by default, so
tmux is asked in its own way, which passes it on to the terminal outside.
"""

from __future__ import annotations

import base64
import os
import subprocess
from typing import TextIO

from localai.privacy.environment import child_environment
from localai.privacy.guard import child

_XTERM_LIMIT_BYTES = 74_994
"""What many terminals take at most, hterm and older xterms among them."""


def copy_to_clipboard(text: str, terminal: TextIO) -> str:
    """Ask for `text` to be put into the clipboard; what was done, in words. Whether a terminal
    obeys cannot be known."""
    content = text.encode("utf-8", "replace")
    what = f"{len(text):,} characters"
    if os.environ.get("TMUX") and _copy_by_tmux(content):
        return f"{what} are in tmux's buffer, and sent to the terminal's clipboard"
    terminal.write(f"\x1b]52;c;{base64.b64encode(content).decode()}\a")
    terminal.flush()
    doubt = "; some terminals take less" if len(content) > _XTERM_LIMIT_BYTES else ""
    return f"{what} were sent to the terminal's clipboard (OSC 52){doubt}"


def _copy_by_tmux(content: bytes) -> bool:
    try:
        with child("tmux, which holds the terminal"):
            done = subprocess.run(
                ["tmux", "load-buffer", "-w", "-"],
                input=content,
                env=child_environment(),
                capture_output=True,
                timeout=5,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
