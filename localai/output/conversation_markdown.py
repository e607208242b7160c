"""A conversation as a Markdown document. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from localai.chat.turn_tree import Turn, system_prompt_of, turns_of
from localai.output.untrusted import sanitize

CUT = {"cancelled": "stopped", "failed": "failed", None: "cut off"}


def conversation_markdown(title: str | None, branch: Iterable[Turn]) -> str:
    """The branch with a heading for each message: who said it, and whether it is whole. Escapes
    are removed, for whoever looks at the file does so in a terminal."""
    branch = list(branch)
    parts = [f"# {title or 'A conversation'}"]
    system = system_prompt_of(branch)
    if system:
        parts.append("\n".join(f"> {line}".rstrip() for line in system.splitlines()))
    for turn in turns_of(branch):
        parts.append(f"## {_speaker(turn)}")
        if turn.message.reasoning:
            thinking = turn.message.reasoning.strip()
            parts.append(f"<details><summary>Thinking</summary>\n\n{thinking}\n\n</details>")
        parts.append(turn.message.text.strip())
    return sanitize("\n\n".join(parts)) + "\n"


def _speaker(turn: Turn) -> str:
    if turn.message.role == "user":
        return "You"
    name = turn.model or "Assistant"
    return f"{name} ({CUT[turn.finish_reason]})" if turn.is_cut else name
