"""From messages to a prompt: a model's chat template and tokenizer.

Only the worker imports this module, and only its computing thread calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import TemplateError

from localai.dataclass import dataclass
from localai.engine.template_limit import (
    LONGEST_TEMPLATE_S,
    MOST_TEMPLATE_BYTES,
    TEMPLATE_SUBJECT,
    ending_process_after,
    within_memory,
)
from localai.errors import InvalidInput
from localai.types import Message
from localai.units import mebibytes_text
from localai.wires.chat_completions.client import wire_tool
from localai.wires.parts import RequestParts, arguments_of
from localai.wires.special_tokens import hide, texts_of

# A template is a stranger's program, and fails as programs do.
_OF_TEMPLATES = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Prompts:
    """Makes prompts for the model of `tokenizer`, which is mlx-lm's."""

    tokenizer: Any

    def text(self, parts: RequestParts, options: Mapping[str, Any]) -> str:
        """The prompt that the template makes of the messages; `options` are the template's own.
        Raises InvalidInput."""
        return self._rendered(parts, options, _template_messages(parts))

    def tokens_of(self, parts: RequestParts, options: Mapping[str, Any]) -> list[int]:
        """The tokens of the prompt; special tokens in what was said are the tokens of their text.
        Raises InvalidInput."""
        messages = _template_messages(parts)
        texts = texts_of(messages)
        marks = [each for each in self.tokenizer.get_added_vocab() if any(each in t for t in texts)]
        if not marks:
            return self.tokens(self._rendered(parts, options, messages))
        hidden = hide(messages, marks)
        prompt: list[int] = []
        for text, is_said in hidden.pieces(self._rendered(parts, options, hidden.messages)):
            # Its first character stands alone: the whole is always read as the one token.
            for part in (text[:1], text[1:]) if is_said else (text,):
                prompt += self.tokens(part)
        return prompt

    def tokens(self, text: str) -> list[int]:
        """The tokens of a prompt; the template has already put in the special tokens."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def _require_tools(self) -> None:
        """Raise InvalidInput if the model calls no tools, or in a form that mlx-lm cannot read."""
        if "tools" not in str(self.tokenizer.chat_template):
            raise InvalidInput(f"{TEMPLATE_SUBJECT} knows no tools")
        if not self.tokenizer.has_tool_calling:
            raise InvalidInput(
                "mlx-lm cannot read how this model calls tools: llama.cpp can, with its GGUF file"
            )

    def _rendered(
        self, parts: RequestParts, options: Mapping[str, Any], messages: list[dict[str, Any]]
    ) -> str:
        tokenizer = self.tokenizer
        if not tokenizer.has_chat_template:
            raise InvalidInput(
                "the model has no chat template: it continues texts, it does not chat"
            )
        tools = None
        if parts.offered_tools:
            self._require_tools()
            if parts.tool_choice not in (None, "auto"):
                raise InvalidInput("MLX cannot make a model call a tool: its models choose")
            tools = [wire_tool(tool) for tool in parts.offered_tools]
        try:
            with ending_process_after(LONGEST_TEMPLATE_S), within_memory(MOST_TEMPLATE_BYTES):
                return str(
                    tokenizer.apply_chat_template(
                        messages, tools=tools, tokenize=False, add_generation_prompt=True, **options
                    )
                )
        except MemoryError as error:
            raise InvalidInput(
                f"{TEMPLATE_SUBJECT} takes more than"
                f" {mebibytes_text(MOST_TEMPLATE_BYTES)} of memory",
                hint="take the model from elsewhere: no honest template needs it",
            ) from error
        except _OF_TEMPLATES as error:
            raise InvalidInput(f"{TEMPLATE_SUBJECT} refuses this: {error}") from error


def _template_messages(parts: RequestParts) -> list[dict[str, Any]]:
    return [_template_message(message) for message in parts.messages]


def _template_message(message: Message) -> dict[str, Any]:
    """A message in the form of chat templates: the arguments of its calls are objects."""
    if message.pictures:
        raise InvalidInput("MLX models answer text only here; pictures need another provider")
    wire: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.tool_calls:
        wire["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": arguments_of(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire
