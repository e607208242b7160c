"""Whether an answer satisfies a schema, and the first thing that is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from localai.errors import InvalidInput
from localai.signals import limited
from localai.wires.schemas.references import Draft, draft_of

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

# In seconds of processor time: a pattern may match a text in more ways than can be tried.
_LONGEST_CHECK_S: Final = 5.0


def violation(document: Mapping[str, Any], answer: str) -> str | None:
    """What is wrong with `answer`, None if nothing is. In the main thread only.

    Raises InvalidInput if the document refers to what is not in it.
    """
    try:
        with limited(_LONGEST_CHECK_S):
            return _first_violation(document, answer)
    except TimeoutError:
        return f"to check it takes more than {_LONGEST_CHECK_S:.0f} s"


def _first_violation(document: Mapping[str, Any], answer: str) -> str | None:
    from jsonschema.exceptions import best_match
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        value = json.loads(answer)
    except ValueError as error:
        return f"it is not JSON ({error})"
    except RecursionError:
        return "it is nested too deeply to be checked"
    # A registry of its own: the default one fetches a `$ref` elsewhere over the network.
    validator = validator_of(document)(document, registry=Registry())
    try:
        worst = best_match(validator.iter_errors(value))
    except Unresolvable as error:
        raise InvalidInput(
            f"a $ref of the schema names a part that it does not have: {error.ref}"
        ) from error
    except RecursionError:
        return "it is nested too deeply to be checked"
    return None if worst is None else f"{path_of(worst.absolute_path)}: {worst.message}"


def path_of(parts: Any) -> str:
    """`$.people[0].age`, for a person."""
    steps = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return "$" + "".join(steps)


def validator_of(document: Mapping[str, Any]) -> type[Validator]:
    """The validator of the draft that `$schema` names; a name that nobody knows is the latest's."""
    import jsonschema

    validators: dict[Draft, type[Validator]] = {
        "3": jsonschema.Draft3Validator,
        "4": jsonschema.Draft4Validator,
        "6": jsonschema.Draft6Validator,
        "7": jsonschema.Draft7Validator,
        "2019-09": jsonschema.Draft201909Validator,
        "2020-12": jsonschema.Draft202012Validator,
    }
    return validators[draft_of(document)]
