"""A template with its variables filled in: the question and the system prompt that it makes."""

from __future__ import annotations

from collections.abc import Mapping

from localai.chat.request import AskSettings
from localai.chat.templates import INPUT, Template
from localai.chat.variables import substitute
from localai.dataclass import dataclass
from localai.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Filled:
    """A template with its variables filled in: the question that is asked."""

    prompt: str
    system: str | None


def fill(template: Template, values: Mapping[str, str], given: str) -> Filled:
    """The template with `values`, and with `given` in the place of `$input`, else after the prompt.

    Raises InvalidInput for a variable that it does not have or that has no value, and for a missing
    input.
    """
    known = known_values(template, values)
    if template.wants_input and not given.strip():
        raise InvalidInput(
            f"the template {template.name} needs something to work on",
            hint=f"give it a file: localai chat -t {template.name} -f FILE",
        )
    prompt = substitute(template.prompt, {**known, INPUT: given})
    if not template.wants_input:
        prompt = "\n\n".join(filter(None, (prompt.strip(), given)))
    return Filled(prompt.strip("\n"), filled_system(template, values))


def title_of(template: Template, typed: str, filled: Filled) -> str:
    """The title of a conversation that begins with a template: its name and the first line of what
    was `typed`. If nothing was, of its question, or of its description if it needs an input."""
    otherwise = filled.prompt if template.asks_by_itself else template.description.partition(":")[0]
    what = next(iter((typed or otherwise).strip().splitlines()), "")
    return f"{template.name}: {what}" if what else template.name


def filled_system(template: Template, values: Mapping[str, str]) -> str | None:
    """Its system prompt with `values`; None if it has none. Raises InvalidInput as `fill` does for
    variables."""
    if template.system is None:
        return None
    return substitute(template.system, known_values(template, values))


def known_values(template: Template, values: Mapping[str, str]) -> dict[str, str]:
    """The value of each variable: the given one, else its default. Raises InvalidInput for a
    variable that the template does not have or that has no value."""
    names = template.names
    unknown = next((name for name in values if name not in names), None)
    if unknown is not None:
        raise InvalidInput(
            f"the template {template.name} has no variable {unknown!r}",
            hint=f"it has {', '.join(names)}" if names else "it has none",
        )
    known = {**template.variables, **values}
    missing = [name for name in names if name not in known]
    if missing:
        raise InvalidInput(
            f"the template {template.name} needs {', '.join(missing)}",
            hint=" ".join(f"-p {name} VALUE" for name in missing),
        )
    return known


def settings_of(template: Template) -> AskSettings:
    """Its options and its schema. Raises InvalidInput for a schema that is none."""
    if template.schema is None:
        return AskSettings(options=template.options)
    from localai.chat.schema import from_data

    schema = from_data(template.schema, f"the schema of the template {template.name}")
    return AskSettings(options=template.options, schema=schema)
