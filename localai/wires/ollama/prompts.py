"""The prompt that Ollama makes of a conversation by a model's TEMPLATE. Pure.

Source: Ollama's `template/template.go` and `server/prompt.go` (0.17.4; the same in 0.33.0). Tools
and pictures are not for this module: a conversation with them needs more than a prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from localai.types import Think
from localai.wires.go_templates import GoTemplate, execute, parse
from localai.wires.go_templates.nodes import Action, Branch, Node, Path, Pipe

_RESPONSE: Final = Action(Pipe(((Path(None, ("Response",)),),)))


def render_prompt(
    template: str, messages: Iterable[Mapping[str, Any]], think: Think | None = None
) -> str:
    """The prompt of the `messages` of a Chat Completions body, whose contents are texts. Raises
    TemplateError."""
    parsed = parse(template)
    turns = _collated(messages)
    # A model that thinks does so unless it is asked not to.
    thinks = think not in (None, "off") or (think is None and "thinking" in parsed.identifiers)
    values: dict[str, Any] = {
        "Think": thinks,
        "ThinkLevel": (think if think in ("low", "high") else "medium") if thinks else "",
        "IsThinkSet": thinks or think is not None,
    }
    if "messages" in parsed.identifiers:
        system = "\n\n".join(each["Content"] for each in turns if each["Role"] == "system")
        values |= {"System": system, "Messages": turns, "Tools": None, "Response": ""}
        return execute(parsed, values)
    if "response" not in parsed.identifiers:
        parsed = replace(parsed, body=(*parsed.body, _RESPONSE))
    return _in_turns(parsed, turns, values)


def _collated(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The messages in Ollama's fields; consecutive ones of a role are one."""
    collated: list[dict[str, Any]] = []
    for message in messages:
        role, text = message["role"], message.get("content") or ""
        if collated and collated[-1]["Role"] == role:
            collated[-1]["Content"] += "\n\n" + text
            continue
        thinking = message.get("reasoning_content") or ""
        collated.append(
            {"Role": role, "Content": text, "Thinking": thinking, "Images": None, "ToolCalls": None}
        )
    return collated


def _in_turns(
    template: GoTemplate, messages: Iterable[Mapping[str, Any]], values: Mapping[str, Any]
) -> str:
    """The prompt by a template of one turn (`.System`, `.Prompt`, `.Response`), which is written
    for each turn; the last one ends where the answer goes on."""
    written, turn = "", {"System": "", "Prompt": "", "Response": ""}
    for message in messages:
        role = message["Role"]
        if role == "system":
            field, is_over = "System", bool(turn["Prompt"] or turn["Response"])
        elif role == "user":
            field, is_over = "Prompt", bool(turn["Response"])
        else:
            field, is_over = "Response", False
        if is_over:
            written += execute(template, {**values, **turn})
            turn = dict.fromkeys(turn, "")
        turn[field] = message["Content"]
    body, _ = _up_to_response(template.body, is_past=False)
    return written + execute(replace(template, body=body), {**values, **turn})


def _up_to_response(nodes: tuple[Node, ...], *, is_past: bool) -> tuple[tuple[Node, ...], bool]:
    """The nodes without those after the place of the answer."""
    kept: list[Node] = []
    for node in nodes:
        if is_past:
            break
        if isinstance(node, Branch):
            body, is_past = _up_to_response(node.body, is_past=False)
            otherwise, is_past = _up_to_response(node.otherwise, is_past=is_past)
            kept.append(replace(node, body=body, otherwise=otherwise))
            continue
        kept.append(node)
        is_past = isinstance(node, Action) and _has_response(node.pipe)
    return tuple(kept), is_past


def _has_response(pipe: Pipe) -> bool:
    return any(
        isinstance(each, Path) and each.start is None and "Response" in each.names
        for command in pipe.commands
        for each in command
    )
