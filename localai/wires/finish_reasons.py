"""The reasons why answers end: the meanings of servers' words, and the words of each wire. Pure.

One table of meanings serves all wires, because compatible servers and gateways use each other's
words. A word without a row means `other`, and never `stop`, because such an answer may not be
whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from localai.errors import Unreachable
from localai.events import FinishReason

_Meaning = FinishReason | Literal["failed"]

# Words in lower case, with underscores. `failed` means that the server broke the answer off.
_MEANINGS: Mapping[str, _Meaning] = {
    "stop": "stop",
    "eos": "stop",  # Together
    "eos_token": "stop",  # text-generation-inference
    "stop_sequence": "stop",
    "end_turn": "stop",  # Anthropic
    "complete": "stop",  # Cohere
    "completed": "stop",
    "length": "length",
    "max_tokens": "length",  # Anthropic, Gemini
    "max_output_tokens": "length",  # OpenAI's Responses
    "model_length": "context",  # Mistral
    "context_length": "context",
    "context_length_exceeded": "context",
    "model_context_window_exceeded": "context",  # Anthropic
    "content_filter": "refusal",
    "content_filtered": "refusal",  # Bedrock
    "guardrail_intervened": "refusal",
    "refusal": "refusal",
    "sensitive": "refusal",  # GLM
    "safety": "refusal",  # Gemini, and the five after it
    "recitation": "refusal",
    "blocklist": "refusal",
    "prohibited_content": "refusal",
    "spii": "refusal",
    "image_safety": "refusal",
    "tool_calls": "tool_calls",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "pause_turn": "other",  # Anthropic: the model would go on if the answer were sent back
    "abort": "failed",  # vLLM, SGLang
    "aborted": "failed",
    "cancelled": "failed",
    "error": "failed",  # OpenRouter, Mistral, vLLM
    "failed": "failed",
    "insufficient_system_resource": "failed",  # DeepSeek
    "network_error": "failed",  # GLM
    "timeout": "failed",
}
# The word of some servers (DashScope) in every piece before the last one.
_NO_END = ("", "null", "none")

CHAT_COMPLETIONS: Mapping[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "context": "length",
    "loop": "length",
    "refusal": "content_filter",
    "tool_calls": "tool_calls",
    # The format's list is closed; this is its word for an incomplete answer.
    "other": "length",
}
MESSAGES: Mapping[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "context": "model_context_window_exceeded",
    "loop": "max_tokens",
    "refusal": "refusal",
    "tool_calls": "tool_use",
    "other": "max_tokens",
}
# The reason of an incomplete answer; None for a complete one.
RESPONSES: Mapping[FinishReason, str | None] = {
    "stop": None,
    "length": "max_output_tokens",
    "context": "max_output_tokens",
    "loop": "max_output_tokens",
    "refusal": "content_filter",
    "tool_calls": None,
    "other": "max_output_tokens",
}
# The first two words are Ollama's own; its clients take any word.
OLLAMA: Mapping[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "context": "length",
    "loop": "length",
    "refusal": "refusal",
    "tool_calls": "stop",
    "other": "other",
}


def finish_reason(given: Any, who: str = "the server") -> FinishReason | None:
    """The meaning of the reason `said` that the server `who` gives; None if the answer goes on.

    Raises Unreachable if the server says that it failed.
    """
    if given is None:
        return None
    # Gemini appends the filter's name: `content_filter: PROHIBITED_CONTENT`.
    word = str(given).partition(":")[0].strip().lower().replace("-", "_").replace(" ", "_")
    if word in _NO_END:
        return None
    meaning = _MEANINGS.get(word, "other")
    if meaning == "failed":
        raise Unreachable(f"the answer broke off: {who} ended it with {given!r}")
    return meaning
