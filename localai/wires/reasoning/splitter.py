"""The separation of a model's reasoning from its answer, for engines that send both as one text.

`_TAGS` has the known spellings of the tags; `harmony` reads OpenAI's channels (gpt-oss). Each rule
comes from the behaviour of a real model:

- A block opens only at the start of a line and outside a code fence: an answer *about* `<think>`
  stays whole. It closes wherever its end tag stands, also within a line or in an open fence.
- Many templates write the opening tag into the prompt (Qwen3-Thinking-2507, DeepSeek-R1,
  MiniMax-M2); the caller says so with `starts_in_reasoning`. If the caller did not know and an end
  tag comes without a start, all text before it was reasoning. The event `ThinkingEnded` tells that
  to a reader that has not shown the text yet. An end tag in quotes, in code, within a sentence or
  after its own opening tag in the text is part of the answer.
- The first end tag ends the reasoning, so that a live stream swallows no answer. If that tag was in
  quotes or code, or another block had begun before it, a second one may come; the text before it
  was reasoning too, and `ThinkingEnded` says so. In the whole text tags thus match as brackets do.
- A model that never closes its block has given no answer: `unclosed` is set at the end.
- The white space around a block belongs to the format and is dropped, as is an empty block.

Pure, standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from localai.events import Delta, ReasoningDelta, TextDelta, ThinkingEnded
from localai.patterns import lazy_pattern
from localai.wires.reasoning.deltas import joined, partial_length
from localai.wires.reasoning.harmony import (
    HarmonySplitter,
    begins_like_harmony,
    may_begin_harmony,
)

_TAGS = {
    "<think>": "</think>",  # Qwen, DeepSeek, GLM, MiniMax and most others
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",  # EXAONE
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",  # Seed-OSS
    "<mm:think>": "</mm:think>",  # MiniMax-M3
    "<longcat_think>": "</longcat_think>",  # LongCat
    "[THINK]": "[/THINK]",  # Magistral
    "◁think▷": "◁/think▷",  # Kimi
    "<|START_THINKING|>": "<|END_THINKING|>",  # Command A
    "<|begin_of_thought|>": "<|end_of_thought|>",  # Sky-T1
    "<|inner_prefix|>": "<|inner_suffix|>",  # Apertus
    "<|channel>thought": "<channel|>",  # Gemma 4
}
_OPEN = lazy_pattern("|".join(map(re.escape, _TAGS)), re.IGNORECASE)
_ANY_CLOSE = lazy_pattern("|".join(map(re.escape, _TAGS.values())), re.IGNORECASE)
_ALL_TAGS = (*_TAGS, *_TAGS.values())
_ANY_TAG = lazy_pattern("|".join(map(re.escape, _ALL_TAGS)), re.IGNORECASE)
_SENTENCE_GOES_ON = lazy_pattern(r" ?[a-z]|[.,;:!?)]")
_ENOUGH_BEHIND = 2
# Also a newline, which ends the line.
_TAGS_BEGIN = frozenset({"\n", *(tag[0] for pair in _TAGS.items() for tag in pair)})
_QUOTES = ('"', "'", "“", "‘", "«", "„")
_FENCE = lazy_pattern(r"[\s>*+-]*(?P<marker>`{3,}|~{3,})(?P<info>[^`]*)$")


class ReasoningSplitter:
    """Splits a stream of text into reasoning and answer.

    The result does not depend on how the text was cut into pieces. `starts_in_reasoning` says that
    the prompt ended with the opening tag. `late_close` says that an end tag came without a start.
    `unclosed` says that the reasoning never ended; it is valid after `close`.
    """

    def __init__(self, *, starts_in_reasoning: bool = False) -> None:
        self.late_close = False
        self.unclosed = False
        self._buffer = ""
        self._harmony: HarmonySplitter | None = None
        self._in_reasoning = starts_in_reasoning
        self._block_seen = starts_in_reasoning
        self._close = _ANY_CLOSE
        self._at_section_start = True
        self._space_held = ""
        self._line = ""
        self._fence = ""
        # End tags that may still come and would make the text before them reasoning; opening tags
        # that stand in the text; whether there was an answer before the last reasoning.
        self._was_opened = False
        self._ends_due = 0
        self._spoken_openings = 0
        self._has_text = False
        self._has_answer = False

    def feed(self, text: str) -> list[Delta]:
        """The deltas that the next piece of text makes certain. A possible part of a tag is held
        back."""
        if self._is_plain(text):
            self._line += text
            self._has_text = True
            return [TextDelta(text)]
        self._buffer += text
        return joined(self._advance(at_end=False))

    def _is_plain(self, text: str) -> bool:
        """Whether `text` goes on within a line of the answer and has no part of a tag: nearly every
        token. `_advance` would give the same, at three times the processor time."""
        return (
            not self._in_reasoning
            and not self._at_section_start
            and not self._buffer
            and self._harmony is None
            and bool(self._fence or self._line.strip())
            and bool(text)
            and _TAGS_BEGIN.isdisjoint(text)
        )

    def close(self) -> list[Delta]:
        """The text that was held back."""
        deltas = joined(self._advance(at_end=True))
        self.unclosed = self._in_reasoning if self._harmony is None else self._harmony.unclosed
        return deltas

    def _advance(self, *, at_end: bool) -> Iterator[Delta]:
        if self._at_section_start and not self._block_seen:
            if begins_like_harmony(self._buffer):
                self._harmony = HarmonySplitter()
                self._block_seen = True
            elif not at_end and may_begin_harmony(self._buffer):
                return
        if self._harmony is not None:
            text, self._buffer = self._buffer, ""
            yield from self._harmony.feed(text)
            if at_end:
                yield from self._harmony.close()
            return
        wants_more = False
        while self._buffer and not wants_more:
            step = self._step_in_reasoning if self._in_reasoning else self._step_in_text
            wants_more = yield from step(at_end=at_end)

    def _step_in_reasoning(self, *, at_end: bool) -> Generator[Delta, None, bool]:
        if self._at_section_start:
            self._buffer = self._buffer.lstrip()
            if not at_end and _may_become_opening(self._buffer):
                return True
            # Some models repeat the opening tag with which the prompt ended.
            repeated = _OPEN.match(self._buffer)
            if repeated is not None:
                self._take(repeated.end())
                self._ends_due += self._was_opened
                return False
            self._at_section_start = False
        match = self._close.search(self._buffer)
        if match is None:
            keep = 0 if at_end else partial_length(self._buffer, _ALL_TAGS)
            yield from self._reasoning(self._take(len(self._buffer) - keep))
            return True
        yield from self._reasoning(self._take(match.start()))
        self._take(match.end() - match.start())
        is_doubtful, line = bool(self._fence) or _is_spoken_of(self._line), self._line
        self._begin_text()
        if is_doubtful:
            # Quotes and fences that were open go on.
            self._ends_due += 1
            self._line = line
        else:
            self._fence = ""
        return False

    def _step_in_text(self, *, at_end: bool) -> Generator[Delta, None, bool]:
        if self._at_section_start and (self._line.strip() or self._fence):
            self._buffer = self._buffer.lstrip()
            self._at_section_start = not self._buffer
            if not self._buffer:
                return True
        if not self._line.strip() and not self._fence:
            start = self._buffer.lstrip(None if self._at_section_start else " \t")
            if not at_end and _may_become_opening(start):
                return True
            opening = _OPEN.match(start)
            if opening is not None:
                self._buffer = start[opening.end() :]
                self._begin_reasoning(opening[0])
                return False
            if self._at_section_start and self._block_seen:
                self._buffer = start
            self._at_section_start = False
        line = self._buffer[: self._buffer.find("\n") + 1 or len(self._buffer)]
        if not self._awaits_end or self._fence:
            yield from self._text(self._take(len(line)))
            return False
        tag = _ANY_TAG.search(line)
        if tag is None:
            keep = 0 if at_end else partial_length(line, _ALL_TAGS)
            yield from self._text(self._take(len(line) - keep))
            return keep > 0
        if not at_end and not _shows_what_follows(line, tag.end()):
            yield from self._text(self._take(tag.start()))
            return True
        before, after = self._line + line[: tag.start()], line[tag.end() :]
        yield from self._text(self._take(tag.start()))
        if self._is_late_close(tag[0], before, after):
            self._take(len(tag[0]))
            self.late_close = self.late_close or not self._block_seen
            self._block_seen = True
            yield ThinkingEnded()
            self._begin_text()
        else:
            yield from self._text(self._take(len(tag[0])))
        return False

    @property
    def _awaits_end(self) -> bool:
        """Whether an end tag in the text could make reasoning of what is before it."""
        return not self._block_seen or (self._ends_due > 0 and not self._has_answer)

    def _is_late_close(self, tag: str, before: str, after: str) -> bool:
        """Whether a tag in the text, between these parts of its line, ends reasoning that nobody
        saw begin, or that a tag before it did not end. Counts the tags on the way."""
        if _is_spoken_of(before):
            return False
        if _OPEN.fullmatch(tag):
            self._spoken_openings += 1
            return False
        if self._spoken_openings:
            self._spoken_openings -= 1
            return False
        if self._ends_due:
            self._ends_due -= 1
            return True
        return not _is_in_sentence(before, after)

    def _begin_reasoning(self, tag: str) -> None:
        closing = next(close for opening, close in _TAGS.items() if opening.lower() == tag.lower())
        self._close = re.compile(re.escape(closing), re.IGNORECASE)
        self._has_answer = self._has_text
        self._in_reasoning = self._block_seen = self._at_section_start = True
        self._space_held = self._line = self._fence = ""
        self._ends_due = self._spoken_openings = 0
        self._was_opened = True

    def _begin_text(self) -> None:
        self._in_reasoning = False
        self._at_section_start = True
        self._line = ""

    def _take(self, length: int) -> str:
        taken, self._buffer = self._buffer[:length], self._buffer[length:]
        return taken

    def _reasoning(self, text: str) -> Iterator[Delta]:
        """Hold white space back until other text follows, and drop it before the end."""
        for line in text.splitlines(keepends=True):
            self._ends_due += _openings_in(self._line, line)
            self._follow(line)
        text = self._space_held + text
        body = text.rstrip()
        self._space_held = text[len(body) :]
        yield ReasoningDelta(body)

    def _text(self, text: str) -> Iterator[Delta]:
        """A piece of one line, with its newline if it is the last one."""
        self._follow(text)
        self._has_text = self._has_text or text.strip() != ""
        yield TextDelta(text)

    def _follow(self, text: str) -> None:
        """Keep the line and the fence in which the text ends."""
        self._line += text
        if text.endswith("\n"):
            self._fence = _fence_after(self._fence, self._line)
            self._line = ""


def _is_spoken_of(before: str) -> bool:
    """Whether a tag is quoted or in code, judged by `before`, the text of its line before the
    tag."""
    return before.count("`") % 2 == 1 or before.endswith(_QUOTES)


def _is_in_sentence(before: str, after: str) -> bool:
    """Whether a tag between these parts of its line is a word of a sentence."""
    follows_word = before.endswith(" ") and before.strip() != ""
    return follows_word and _SENTENCE_GOES_ON.match(after) is not None


def _shows_what_follows(line: str, end: int) -> bool:
    """Whether enough of the line is there behind a tag that ends at `end` to tell a sentence."""
    return line.endswith("\n") or len(line) - end >= _ENOUGH_BEHIND


def _openings_in(before: str, line: str) -> int:
    """How many blocks begin in a line of reasoning, after `before`, of which none is spoken of."""
    return sum(not _is_spoken_of(before + line[: found.start()]) for found in _OPEN.finditer(line))


def _may_become_opening(start: str) -> bool:
    return start == "" or partial_length(start, _TAGS) == len(start)


def _fence_after(fence: str, line: str) -> str:
    """The marker of the code fence that is open after `line`, if `fence` was open before it."""
    match = _FENCE.match(line.rstrip())
    if match is None:
        return fence
    marker = match["marker"]
    if not fence:
        return marker
    closes = marker.startswith(fence) and not match["info"].strip()
    return "" if closes else fence
