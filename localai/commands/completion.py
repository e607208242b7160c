"""`localai completion`: the shell's completion script.

The scripts ask `localai` itself (`commands/completing.py`) and leave the quoting of its values to
the shell.
"""

from __future__ import annotations

from typing import Annotated, Final

import typer

from localai.errors import InvalidInput

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_LOAD: Final = {
    "bash": 'eval "$(localai completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(localai completion zsh)"   # in ~/.zshrc, after compinit',
    "fish": "localai completion fish | source   # in ~/.config/fish/config.fish",
}
_SCRIPTS: Final = {
    "bash": r"""_localai() {
    local line IFS=$'\n'
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(_LOCALAI_COMPLETE=bash COMP_WORDBREAKS="$COMP_WORDBREAKS" \
        localai "${COMP_LINE:0:COMP_POINT}" 2>/dev/null </dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == files ]]; then
        COMPREPLY=()
        compopt -o default
    elif [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
        compopt -o nospace
    fi
}
complete -F _localai localai
""",
    "zsh": r"""#compdef localai
_localai() {
    local line tab=$'\t'
    local -a lines values shown
    local -x _LOCALAI_COMPLETE=zsh
    lines=("${(@f)$(localai "${(@Q)words[2,CURRENT]}" 2>/dev/null </dev/null)}")
    [[ -z ${lines[1]} ]] && return 1
    if [[ ${#lines} -eq 1 && ${lines[1]} == files ]]; then
        _files
        return
    fi
    for line in "${lines[@]}"; do
        values+=("${line%%$tab*}")
        shown+=("${line//$tab/  }")
    done
    if [[ ${#values} -eq 1 && ${values[1]} == *= ]]; then
        compadd -S '' -- "${values[@]}"
    else
        compadd -l -d shown -- "${values[@]}"
    fi
}
compdef _localai localai
""",
    "fish": r"""function __localai_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines (_LOCALAI_COMPLETE=fish localai $words[2..] "$current" 2>/dev/null </dev/null)
    if test "$lines" = files
        __fish_complete_path "$current"
    else
        printf '%s\n' $lines
    end
end
complete -c localai -f -a '(__localai_complete)'
""",
}


@app.command()
def completion(
    shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")],
) -> None:
    """Print the completion script for a shell; your shell's own file is yours to edit.

    It completes commands, options, models, templates, settings, conversations and choices.
    In ~/.bashrc: eval "$(localai completion bash)". In ~/.zshrc, after compinit:
    eval "$(localai completion zsh)". In fish's config.fish: localai completion fish | source.
    """
    if shell not in _LOAD:
        raise InvalidInput(
            f"there is no completion for {shell!r}",
            hint="known are bash, zsh and fish",
            command="localai completion bash",
        )
    from localai.output.output import Output

    output = Output("completion")
    output.write(_SCRIPTS[shell])
    if output.on_terminal:
        output.note(f"to load it: {_LOAD[shell]}")
