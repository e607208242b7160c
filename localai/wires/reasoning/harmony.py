"""The channels of OpenAI's harmony format (gpt-oss), for engines that pass them through as text.

    <|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…<|return|>

`analysis` and `commentary` are reasoning; every other channel is answer, so that an unknown channel
does not hide an answer. Without the control tokens, which some tokenizers drop, the same text reads
`analysis…` and `assistantfinal…`. That form is read too, if a capital letter follows the first
word. Source: github.com/openai/harmony, docs/format.md. Pure, standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from localai.events import Delta, ReasoningDelta, TextDelta
from localai.patterns import lazy_pattern
from localai.wires.reasoning.deltas import joined, partial_length

_THINKING = {"analysis", "commentary"}
_BARE_ANALYSIS = "analysis"
_BARE_FINAL = lazy_pattern("assistantfinal")
_MAX_HEADER = 256
_STARTS = ("<|channel|>", "<|start|>", "analysis")
_TOKENS = ("<|channel|>", "<|start|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>")
_CONTROL = lazy_pattern("|".join(map(re.escape, _TOKENS)))
_START = lazy_pattern(r"\s*(?:<\|channel\|>|<\|start\|>|analysis(?=[A-Z]))")


def begins_like_harmony(text: str) -> bool:
    """Whether an answer that begins with `text` is in the harmony format."""
    return _START.match(text) is not None


def may_begin_harmony(text: str) -> bool:
    """Whether `text`, the beginning of an answer, is too short to decide."""
    text = text.lstrip()
    return any(start.startswith(text) for start in _STARTS)


class HarmonySplitter:
    """Splits harmony text into reasoning and answer. `unclosed` holds until an answer begins."""

    def __init__(self) -> None:
        self.unclosed = True
        self._buffer = ""
        self._header: str | None = ""
        self._thinking = False
        self._thought_before = False
        self._after_message = True
        self._bare = False
        self._first = True

    def feed(self, text: str) -> list[Delta]:
        """The deltas that the next piece of text makes certain. The first piece must satisfy
        `begins_like_harmony`."""
        self._buffer += text
        return joined(self._advance(at_end=False))

    def close(self) -> list[Delta]:
        """The text that was held back."""
        return joined(self._advance(at_end=True))

    def _advance(self, *, at_end: bool) -> Iterator[Delta]:
        first, self._first = self._first, False
        if first and self._buffer.lstrip().startswith(_BARE_ANALYSIS):
            self._buffer = self._buffer.lstrip().removeprefix(_BARE_ANALYSIS)
            self._bare = True
            self._begin_body("analysis")
        control = _BARE_FINAL if self._bare else _CONTROL
        while match := control.search(self._buffer):
            yield from self._piece(self._buffer[: match.start()])
            self._buffer = self._buffer[match.end() :]
            self._obey(match[0])
        tokens = (_BARE_FINAL.pattern,) if self._bare else _TOKENS
        keep = 0 if at_end else partial_length(self._buffer, tokens)
        certain = len(self._buffer) - keep
        yield from self._piece(self._buffer[:certain])
        self._buffer = self._buffer[certain:]

    def _piece(self, text: str) -> Iterator[Delta]:
        if self._header is not None:
            self._header += text
            if len(self._header) <= _MAX_HEADER:
                return
            # A longer header is a message without its mark: it is shown and not taken for a header
            # for ever. Only its beginning decides, so that the way it was cut into pieces does not
            # matter.
            beginning, rest = self._header[:_MAX_HEADER], self._header[_MAX_HEADER:]
            channel, space, text = beginning.partition(" ")
            text = (text if space else beginning) + rest
            self._begin_body(channel)
        if self._after_message:
            text = text.lstrip()
        if not text:
            return
        if self._thinking:
            separator = "\n\n" if self._after_message and self._thought_before else ""
            self._thought_before = True
            yield ReasoningDelta(separator + text)
        else:
            self.unclosed = False
            yield TextDelta(text)
        self._after_message = False

    def _obey(self, token: str) -> None:
        if token in ("<|channel|>", "<|start|>"):
            self._header = ""
        elif token == "<|message|>":
            self._begin_body((self._header or "").strip().partition(" ")[0])
        else:
            self._begin_body("final")

    def _begin_body(self, channel: str) -> None:
        self._header = None
        self._thinking = channel in _THINKING
        self._after_message = True
