"""Special tokens in the messages for a worker of llama.cpp: they stay text.

The engine's chat endpoint tokenizes the rendered prompt as one text, special tokens included. So a
conversation whose messages contain some takes another way: the template is rendered alone, with a
placeholder for each, and the prompt is sent in pieces, theirs as tokens of plain text. Nothing
changes for a conversation without any.

Pictures and tools need the chat endpoint; there they remain what the tokenizer makes of them.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Final

from localai.net.http import call
from localai.wires.special_tokens import Hidden, candidates, hide, texts_of

if TYPE_CHECKING:
    from localai.engine.lifecycle import Lease

COMPLETIONS: Final = "/v1/completions"
_OF_CHATS: Final = (
    "messages",
    "tools",
    "tool_choice",
    "response_format",
    "chat_template_kwargs",
    "logprobs",
    "top_logprobs",
)
_OPENING: Final = re.compile(r"(<think>|<thinking>|\[THINK\]|<seed:think>|◁think▷)\s*$")


def hidden_special_tokens(lease: Lease, body: Mapping[str, Any]) -> Hidden | None:
    """The conversation of a chat's `body` without the model's special tokens; None if it has none,
    or if nothing can be done about them."""
    messages = body["messages"]
    texts = texts_of(messages)
    if lease.info.spec.kind != "llamacpp" or body.get("tools") or len(texts) < len(messages):
        return None
    found = candidates(texts)
    if not found:
        return None
    special = _special(lease, found)
    return hide(messages, special) if special else None


def _special(lease: Lease, found: list[str]) -> list[str]:
    """Those of `found` that the model has as special tokens.

    A control token is one only where special tokens are read. One that its maker defined is always
    one, as are ordinary words; it counts where the chat template writes it.
    """
    whole = _pieces(lease, found, parse_special=True) & set(found)
    if not whole:
        return []
    as_words = _pieces(lease, sorted(whole), parse_special=False) & whole
    if as_words:
        template = str(call(lease.files.socket, "GET", "/props").get("chat_template") or "")
        as_words = {each for each in as_words if each not in template}
    return sorted(whole - as_words)


def _pieces(lease: Lease, texts: list[str], *, parse_special: bool) -> set[str]:
    body = {"content": "\n".join(texts), "parse_special": parse_special, "with_pieces": True}
    tokens = call(lease.files.socket, "POST", "/tokenize", body)["tokens"]
    return {each["piece"] for each in tokens if isinstance(each["piece"], str)}


def prompt_in_pieces(lease: Lease, pieces: list[tuple[str, bool]]) -> list[str | int]:
    """The prompt of these `Hidden.pieces` as the engine takes it: texts, in which special tokens
    count as such, and tokens."""
    prompt: list[str | int] = []
    # A file may have thousands of the same.
    known: dict[str, list[int]] = {}
    for text, is_plain in pieces:
        if is_plain:
            if text not in known:
                known[text] = _as_text(lease, text)
            prompt += known[text]
        else:
            prompt.append(text)
    return prompt


def _as_text(lease: Lease, mark: str) -> list[int]:
    """The tokens of a special token's text. Its first character stands alone: what its maker
    defined is found in a text whether special tokens are read or not."""
    tokens: list[int] = []
    for part in (mark[:1], mark[1:]):
        body = {"content": part, "parse_special": False, "add_special": False}
        tokens += call(lease.files.socket, "POST", "/tokenize", body)["tokens"]
    return tokens


def completion_body(body: Mapping[str, Any], prompt: list[str | int]) -> dict[str, Any]:
    """The chat's `body` as one that asks for what follows the `prompt`."""
    made = {name: value for name, value in body.items() if name not in _OF_CHATS}
    if body.get("logprobs"):
        made["logprobs"] = body.get("top_logprobs", 0)
    if "response_format" in body:
        made["json_schema"] = body["response_format"]["json_schema"]["schema"]
    # A list of texts alone would be as many prompts.
    return {**made, "prompt": prompt[0] if len(prompt) == 1 else prompt}


def as_chat(
    chunks: Generator[dict[str, Any], None, bool], rendered: str
) -> Generator[dict[str, Any], None, bool]:
    """The chunks of a completion as those of a chat. Thinking that the template began is said to
    have begun."""
    opened = _OPENING.search(rendered)
    if opened is not None:
        yield {"choices": [{"delta": {"content": f"{opened[1]}\n"}}]}
    while True:
        try:
            chunk = next(chunks)
        except StopIteration as end:
            return bool(end.value)
        choices = chunk.get("choices")
        if isinstance(choices, list):
            pieces = [
                {**each, "delta": {"content": each.get("text")}}
                for each in choices
                if isinstance(each, dict)
            ]
            chunk = {**chunk, "choices": pieces}
        yield chunk
