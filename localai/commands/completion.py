"""`localai completion`: the shell's completion script."""

from __future__ import annotations

from typing import Annotated

import typer

from localai.errors import InvalidInput

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_LOAD = {
    "bash": 'eval "$(localai completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(localai completion zsh)"   # in ~/.zshrc, after compinit',
    "fish": "localai completion fish | source   # in ~/.config/fish/config.fish",
}


@app.command()
def completion(
    shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")],
) -> None:
    """Print the completion script for a shell; your shell's own file is yours to edit."""
    if shell not in _LOAD:
        raise InvalidInput(
            f"there is no completion for {shell!r}",
            hint="known are bash, zsh and fish",
            command="localai completion bash",
        )
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    from localai.output.output import Output

    output = Output("completion")
    script = get_completion_script(
        prog_name="localai", complete_var="_LOCALAI_COMPLETE", shell=shell
    )
    output.write(f"{script}\n")
    if output.on_terminal:
        output.note(f"to load it: {_LOAD[shell]}")
