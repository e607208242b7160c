"""`localai completion`: the shell's completion script (`localai/completion_scripts.py`)."""

from __future__ import annotations

from typing import Annotated

import typer

from localai.completion_scripts import SHELLS
from localai.errors import InvalidInput

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def completion(
    shell: Annotated[str, typer.Argument(help=f"The shell: {', '.join(SHELLS)}.")],
) -> None:
    """Print the completion script for a shell; your shell's own file is yours to edit.

    It completes commands, options, models, templates, settings, conversations and choices.
    In ~/.bashrc: eval "$(localai completion bash)". In ~/.zshrc, after compinit:
    eval "$(localai completion zsh)". In fish's config.fish: localai completion fish | source.
    """
    if shell not in SHELLS:
        raise InvalidInput(
            f"there is no completion for {shell!r}",
            hint=f"known are {', '.join(SHELLS)}",
            command="localai completion bash",
        )
    from localai.output.output import Output

    output = Output("completion")
    output.write(SHELLS[shell].script)
    if output.on_terminal:
        output.note(f"to load it: {SHELLS[shell].load}")
