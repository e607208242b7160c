"""Lines of other tools' data sets, translated into lines of ours.

    {"input": …, "ideal": …}                           openai/evals
    {"input": …, "target": …, "choices": […]}          inspect

`input` is a text or a list of messages. The answer is expected to contain the target, or one of
several targets; with choices, to choose the letter.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any

from localai.errors import InvalidInput


def is_foreign(document: Mapping[str, Any]) -> bool:
    """Whether a line has one of these formats."""
    return "input" in document and ("ideal" in document or "target" in document)


def translated(document: Mapping[str, Any]) -> dict[str, Any]:
    """The line as one of ours. Raises InvalidInput if it has the fields of a format and not its
    types."""
    wanted = document.get("ideal", document.get("target"))
    choices = document.get("choices")
    if choices is not None:
        _require_choices(choices)
    line = _asked(document["input"], choices)
    if document.get("id") is not None:
        line["id"] = document["id"]
    if wanted is None or wanted == []:
        return line
    if choices:
        return {**line, "expect": {"choice": _choice(wanted, choices)}}
    several = wanted if isinstance(wanted, list) else [wanted]
    return {**line, "expect": {"any": [_plain(each) for each in several]}}


def not_taken(documents: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The parts of such lines that are left out, a sentence each."""
    ours = {"input", "ideal", "target", "choices", "id"}
    others = {name for each in documents for name in each if name not in ours}
    lines = [f"{', '.join(sorted(others))} of its lines"] if others else []
    if any("ideal" in each for each in documents):
        lines.append(
            "how an eval compares stands in its registry, not in its lines: here the answer has to"
            " contain one of the ideals"
        )
    return tuple(lines)


def multiple_choice(question: str, choices: Sequence[str]) -> str:
    """The question with its choices under letters, and the instruction how to answer."""
    letters = string.ascii_uppercase[: len(choices)]
    lines = [f"{letter}) {choice}" for letter, choice in zip(letters, choices, strict=True)]
    return "\n".join([question.rstrip(), "", *lines, "", "Answer with the letter alone."])


def _asked(raw: Any, choices: Any) -> dict[str, Any]:
    if isinstance(raw, str):
        if choices is None:
            return {"prompt": raw}
        return {"prompt": multiple_choice(raw, choices)}
    if not isinstance(raw, list) or not all(isinstance(each, dict) for each in raw):
        raise InvalidInput('"input" is a text or a list of messages')
    messages = [{"role": each.get("role"), "content": each.get("content")} for each in raw]
    if choices is not None and messages:
        last = messages[-1]
        last["content"] = multiple_choice(str(last["content"]), choices)
    return {"messages": messages}


def _require_choices(choices: Any) -> None:
    texts = isinstance(choices, list) and all(isinstance(each, str) for each in choices)
    if not texts or not 2 <= len(choices) <= len(string.ascii_uppercase):
        raise InvalidInput('"choices" is a list of 2 to 26 texts')


def _choice(wanted: Any, choices: Sequence[str]) -> dict[str, str]:
    one = wanted[0] if isinstance(wanted, list) and len(wanted) == 1 else wanted
    letters = string.ascii_uppercase[: len(choices)]
    if isinstance(one, str) and one in choices and one not in letters:
        one = letters[list(choices).index(one)]
    if not isinstance(one, str) or one not in letters:
        raise InvalidInput(f'"target" is one of the letters {letters}, not {one!r}')
    return {"value": one, "of": letters}


def _plain(raw: Any) -> str:
    if isinstance(raw, bool | dict | list) or raw is None:
        raise InvalidInput('"ideal" and "target" are texts, or lists of them')
    return str(raw)
