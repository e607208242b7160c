"""Words in which nothing stands: `localai show "$model"`, and the variable is not set.

What is free text may be empty. A name, a file, a number or a choice may not, and nothing is taken
for it: not this folder, not the default model, not the last conversation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from localai.commands.verbs import DEFAULT_COMMAND
from localai.errors import InvalidInput

_FREE: Final = frozenset(
    {
        "description",
        "option",
        "parameter",
        "prompt",
        "shot",
        "stop",
        "system",
        "text",
        "title",
        "value",
        "words",
    }
)
"""The parameters that are texts, by their names in the code."""


def refuse_empty_words(command: Any) -> None:
    """Have `command` raise InvalidInput for a parameter that is given and empty, unless it is a
    free text. Where errors are forgiven it does not."""
    for parameter in command.params:
        if parameter.name not in _FREE:
            _refuse(parameter)


def _refuse(parameter: Any) -> None:
    process = parameter.process_value

    def processed(context: Any, value: Any) -> Any:
        if not context.resilient_parsing and any(not each.strip() for each in _words(value)):
            is_option = parameter.param_type_name == "option"
            name = f"{parameter.opts[-1]} is empty" if is_option else "an argument is empty"
            command = context.command_path.removesuffix(f" {DEFAULT_COMMAND}")
            is_model = parameter.metavar.startswith("MODEL")
            raise InvalidInput(
                f"{name}: it is to be {parameter.metavar}",
                hint="a variable of the shell that is not set leaves nothing there",
                command="localai list" if is_model else f"{command} --help",
            )
        return process(context, value)

    parameter.process_value = processed


def _words(value: Any) -> Iterable[str]:
    values = value if isinstance(value, list | tuple) else (value,)
    return (each for each in values if isinstance(each, str))
