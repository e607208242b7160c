"""Prompts that localai renders where the engine's chat endpoint would render another one: the
messages contain special tokens, or the model's maker gave it a template in Go's language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from localai.dataclass import dataclass
from localai.wires.parts import may_have_special_tokens

if TYPE_CHECKING:
    from localai.engine.lifecycle import Lease
    from localai.providers.go_prompts import GoPrompt
    from localai.types import ChatRequest
    from localai.wires.special_tokens import Hidden


@dataclass(frozen=True, slots=True)
class PromptRenderedHere:
    """A prompt as it was rendered, and in `Hidden.pieces`."""

    rendered: str
    pieces: list[tuple[str, bool]]


def prompt_rendered_here(
    lease: Lease,
    request: ChatRequest,
    body: Mapping[str, Any],
    render: Callable[[Lease, Mapping[str, Any]], str],
    made: GoPrompt | None = None,
) -> PromptRenderedHere | None:
    """The prompt of `body`; None where the chat endpoint makes it as well. `render` makes one by
    the engine's template, `made` is the one by the maker's if it was made before. Raises
    ServerRefused, Unreachable."""
    hidden = _hidden_special_tokens(lease, body)
    asked = body if hidden is None else {**body, "messages": hidden.messages}
    if request.model.go_template is not None and (made is None or hidden is not None):
        from localai.providers.go_prompts import go_prompt

        made = go_prompt(lease, request, asked)
    rendered = None if made is None else made.text
    if hidden is None and rendered is None:
        return None
    if rendered is None:
        rendered = render(lease, asked)
    return PromptRenderedHere(
        rendered, [(rendered, False)] if hidden is None else hidden.pieces(rendered)
    )


def _hidden_special_tokens(lease: Lease, body: Mapping[str, Any]) -> Hidden | None:
    """As `hidden_special_tokens`, whose module is imported only for texts that may contain some."""
    if not may_have_special_tokens(message.get("content") for message in body["messages"]):
        return None
    from localai.providers.worker_special_tokens import hidden_special_tokens

    return hidden_special_tokens(lease, body)
