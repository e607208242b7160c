"""The prompt of a model to which its maker gave a template in Go's language, as Ollama's models
have them: it is used in place of the file's own where the two say different things.

The engine knows Jinja alone. So such a prompt is made here and sent as one, as a conversation with
special tokens in it is. Tools, pictures, answers in channels and a budget of thinking need the
engine's chat endpoint, which goes by the file's own template: there it is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from localai.dataclass import dataclass
from localai.net.framing import ServerRefused
from localai.net.http import call
from localai.providers.worker_templates import rendered_in_time
from localai.wires.go_templates import TemplateError
from localai.wires.ollama.prompts import render_prompt

if TYPE_CHECKING:
    from localai.engine.lifecycle import Lease
    from localai.types import ChatRequest

# Families whose reasoning stands between special tokens, which the engine keeps to itself unless
# its chat endpoint is asked.
_CHANNELS: Final = ("<|channel", "[THINK]")


@dataclass(frozen=True, slots=True)
class GoPrompt:
    """The prompt by the maker's template, or why it is not used; neither where the file's own makes
    the same."""

    text: str | None = None
    unused: str | None = None


def go_prompt(lease: Lease, request: ChatRequest, body: Mapping[str, Any]) -> GoPrompt | None:
    """The prompt of `body` by the maker's template; None if there is none, or one was given in its
    place."""
    template = request.model.go_template
    if template is None or request.chat_template is not None or lease.info.spec.kind != "llamacpp":
        return None
    messages = [each for each in body["messages"] if _is_plain(each)]
    is_plain = len(messages) == len(body["messages"]) and "tools" not in body
    try:
        text = _rendered(template, messages, request)
    except TemplateError as error:
        return GoPrompt(unused=f"it cannot be read: {error}")
    plain = {name: value for name, value in body.items() if name != "tools"}
    properties = call(lease.files.socket, "GET", "/props")
    try:
        own = rendered_in_time(lease, {**plain, "messages": messages})
    except ServerRefused:
        own = None
    start = str(properties.get("bos_token") or "")
    if own is not None and own.removeprefix(start) == text.removeprefix(start):
        return GoPrompt()
    if not is_plain:
        return GoPrompt(unused="tools and pictures go by the file's own")
    if request.think_tokens is not None:
        return GoPrompt(unused="a budget of thinking goes by the file's own")
    if any(mark in str(properties.get("chat_template") or "") for mark in _CHANNELS):
        return GoPrompt(unused="its answers come in channels, which the file's own opens")
    return GoPrompt(text.removeprefix(start) if start and _adds_start(lease, start) else text)


def unused_doubt(request: ChatRequest, prompt: GoPrompt) -> str:
    """What is to be said where the maker's template is not used."""
    return (
        f"the TEMPLATE of {request.model.id} is not used, but the chat template in its file:"
        f" {prompt.unused}"
    )


def _is_plain(message: Mapping[str, Any]) -> bool:
    has_call = "tool_calls" in message or message["role"] == "tool"
    return isinstance(message.get("content"), str) and not has_call


def _rendered(template: str, messages: list[Any], request: ChatRequest) -> str:
    # A last answer is gone on with: what was asked before it, and its text.
    begun = messages[-1]["content"] if messages and messages[-1]["role"] == "assistant" else ""
    asked = messages[:-1] if begun else messages
    return render_prompt(template, asked, request.think) + begun


def _adds_start(lease: Lease, start: str) -> bool:
    """Whether the engine itself puts the model's first token before a prompt."""
    body = {"content": "", "add_special": True, "with_pieces": True}
    tokens = call(lease.files.socket, "POST", "/tokenize", body)["tokens"]
    return bool(tokens) and tokens[0]["piece"] == start
