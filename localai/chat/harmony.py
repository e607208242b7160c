"""The channels of OpenAI's harmony format (gpt-oss), for engines that pass them through as text.

    <|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…<|return|>

`analysis` and `commentary` are thinking, every other channel is answer: a channel nobody knows
must not hide it. Where a tokenizer dropped the control tokens the same reads `analysis…` and
`assistantfinal…`; that is understood too, if a capital follows the first word.

Source: github.com/openai/harmony, docs/format.md. Pure, standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from localai.chat.deltas import Delta, joined, partial_length
from localai.types import ReasoningDelta, TextDelta

_THINKING = {"analysis", "commentary"}
_BARE_FINAL = "assistantfinal"
_STARTS = ("<|channel|>", "<|start|>", "analysis")
_TOKENS = ("<|channel|>", "<|start|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>")
_CONTROL = re.compile("|".join(map(re.escape, _TOKENS)))
_START = re.compile(r"\s*(?:<\|channel\|>|<\|start\|>|analysis(?=[A-Z]))")


def begins_like_harmony(text: str) -> bool:
    """Whether an answer that begins with `text` is in the harmony format."""
    return _START.match(text) is not None


def may_begin_harmony(text: str) -> bool:
    """Whether `text`, the beginning of an answer, is too short to tell."""
    text = text.lstrip()
    return any(start.startswith(text) for start in _STARTS)


class HarmonySplitter:
    """Splits harmony text into thinking and answer; `unclosed` if there was no answer in it."""

    def __init__(self) -> None:
        self.unclosed = True
        self._buffer = ""
        self._header = ""
        self._in_header = True
        self._thinking = False
        self._ends = _CONTROL
        self._first = True
