"""The completion script of each shell, the line that loads it, and the file it is installed in.

The scripts ask `localai` itself (`commands/completing.py`) and leave the quoting of its values to
the shell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from localai.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ShellCompletion:
    """How a shell completes: `load` is the line for the user's own file, `file` where a script that
    is installed lies, below the home."""

    load: str
    file: str
    script: str


SHELLS: Final[Mapping[str, ShellCompletion]] = {
    "bash": ShellCompletion(
        'eval "$(localai completion bash)"   # in ~/.bashrc',
        ".local/share/bash-completion/completions/localai",
        r"""_localai() {
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
    ),
    "zsh": ShellCompletion(
        'eval "$(localai completion zsh)"   # in ~/.zshrc, after compinit',
        ".zfunc/_localai",
        r"""#compdef localai
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
    values=("${lines[@]%%$tab*}")
    # A list that is longer than the window stands side by side, else zsh asks before it shows it.
    local -i rows=$((LINES > 8 ? LINES - 4 : 4)) widest=0 width
    width=$((COLUMNS / ((${#lines} + rows - 1) / rows)))
    for line in "${values[@]}"; do
        ((${#line} > widest)) && widest=${#line}
    done
    for line in "${lines[@]}"; do
        line="${(r:$widest:)line%%$tab*}  ${line#*$tab}"
        shown+=("${line[1,width-2]}")
    done
    if [[ ${#values} -eq 1 && ${values[1]} == *= ]]; then
        compadd -S '' -- "${values[@]}"
    elif ((width == COLUMNS)); then
        compadd -l -d shown -- "${values[@]}"
    elif ((width < widest + 12)); then
        compadd -- "${values[@]}"
    else
        compadd -d shown -- "${values[@]}"
    fi
}
compdef _localai localai
""",
    ),
    "fish": ShellCompletion(
        "localai completion fish | source   # in ~/.config/fish/config.fish",
        ".config/fish/completions/localai.fish",
        r"""function __localai_complete
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
    ),
}
