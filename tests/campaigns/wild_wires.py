"""Answers in the framings that server-sent events and lines of JSON allow, over a real socket, by
every provider: the text comes out as it went in, and of an answer that breaks off what came stays.
"""

from __future__ import annotations

import json
import random
import re
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from localai.errors import Unreachable
from localai.events import Done, Event, ReasoningDelta, TextDelta
from localai.types import ChatRequest, Message, Options
from tests.contract.conftest import ROWS, Play
from tests.support.scripted_server import Reply

WIRES = ("endpoint", "ollama", "lmstudio", "anthropic", "openai")
_LETTERS = 'ab \n"\\é中😀\u200d👩‍💻`<x'
_NOISE = (b": a comment\n", b"\n", b"retry: 100\n", b"id: 7\n", b"event-free: x\n", b":\n\n")
_HOMES = ExitStack()


def streams_of(wire: str) -> Callable[[random.Random], str]:
    """The kind that tries one answer of the provider `wire`."""

    def one(chance: random.Random) -> str:
        return _one(_play(wire), chance)

    return one


@cache
def _play(wire: str) -> Play:
    return Play(ROWS[wire], Path(_HOMES.enter_context(tempfile.TemporaryDirectory())))


def _one(play: Play, chance: random.Random) -> str:
    pieces = [_words(chance) for _ in range(chance.randint(0, 5))]
    reasoning = [_words(chance) for _ in range(chance.choice((0, 0, 2)))]
    events = play.wire.answer(pieces, reasoning)
    is_lines = play.wire.stream([]).content_type != "text/event-stream"
    framed = [(_lines if is_lines else _events)(each, chance) for each in events]
    if not is_lines and chance.random() < 0.2:
        framed.insert(0, b"\xef\xbb\xbf")
    body = b"".join(framed)
    breaks_off = chance.random() < 0.25
    if breaks_off:
        body = body[: chance.randint(0, len(body))]
    content_type = play.wire.stream([]).content_type
    subject = play.reply(Reply(_in_packets(body, chance), content_type=content_type))
    seen: list[Event] = []
    request = ChatRequest(subject.model, (Message("user", "Go on."),), Options(max_tokens=64))
    try:
        for event in subject.provider.stream(request):
            seen.append(event)
    except Unreachable as error:
        assert breaks_off, (error.message, body)
    text = "".join(event.text for event in seen if isinstance(event, TextDelta))
    thoughts = "".join(event.text for event in seen if isinstance(event, ReasoningDelta))
    if breaks_off:
        assert _bare("".join(pieces)).startswith(_bare(text)), (pieces, text, body)
        return "whole after all" if seen and isinstance(seen[-1], Done) else "broken off and said"
    assert isinstance(seen[-1], Done), seen
    assert text == "".join(pieces) or _bare(text) == _bare("".join(pieces)), (pieces, text, body)
    assert _bare(thoughts) == _bare("".join(reasoning)), (reasoning, thoughts, body)
    return "whole"


def _words(chance: random.Random) -> str:
    return "x" + "".join(chance.choice(_LETTERS) for _ in range(chance.randint(0, 12)))


def _bare(text: str) -> str:
    return re.sub(r"\s", "", text)


def _events(event: bytes, chance: random.Random) -> bytes:
    """A server-sent event in another of its spellings."""
    lines = event.rstrip(b"\n").split(b"\n")
    spelled: list[bytes] = []
    for line in lines:
        name, _, value = line.partition(b": ")
        if name == b"data" and value.startswith(b"{") and chance.random() < 0.5:
            value = json.dumps(json.loads(value), ensure_ascii=chance.random() < 0.5).encode()
        if name == b"data" and value.startswith(b"{") and chance.random() < 0.3:
            # Lines of data are joined by a line end, which JSON takes between its tokens.
            spelled += [b"data:{", b"data: " + value[1:]]
            continue
        spelled.append(name + chance.choice((b":", b": ")) + value)
    end = chance.choice((b"\n", b"\n", b"\r\n"))
    noise = chance.choice(_NOISE) if chance.random() < 0.3 else b""
    return noise + end.join(spelled) + end + end


def _lines(line: bytes, chance: random.Random) -> bytes:
    """A line of JSON in another of its spellings."""
    document = json.loads(line)
    text = json.dumps(document, ensure_ascii=chance.random() < 0.5).encode()
    before = chance.choice((b"", b"", b" ", b"\n", b"\r\n"))
    return before + text + chance.choice((b"\n", b"\r\n", b" \n"))


def _in_packets(body: bytes, chance: random.Random) -> list[bytes]:
    packets = []
    while body:
        size = chance.choice((1, 2, 3, 7, 40, 400, 4000))
        packets.append(body[:size])
        body = body[size:]
    return [*packets[:400], *filter(None, [b"".join(packets[400:])])]
