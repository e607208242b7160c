"""How the campaign breaks what it feeds: bytes, lengths, words, lines, values of JSON."""

from __future__ import annotations

import json
import random
import re
from typing import Any

from tests.campaigns.hostile import VALUES

_TOKENS = (
    b"\0",
    b"\xff\xff\xff\xff",
    b"\xff" * 8,
    b"\x7f",
    b"[" * 5000,
    b'{"a":' * 3000,
    b"1e999",
    b"NaN",
    b"-1",
    b"9" * 5000,
    b'"\\ud800"',
    b"null",
    b"\x1b]0;x\x07",
    b"\xe2\x80\xae",
    b"`" * 200,
    b"|" * 300,
    b"*_" * 200,
    b"$x",
    b"../../../etc/passwd",
    b"\r\n",
    b'"""',
    b"{{ x }}",
    b"<script>",
    b"\xc2\xb2",
    b"a" * 300,
)
_WORDS = re.compile(rb"\w+|[^\w\s]+")


def words_of(specimens: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The words and signs of the format, as far as its specimens have them."""
    found = {word for each in specimens for word in _WORDS.findall(each[:50_000])}
    return tuple(sorted(word for word in found if len(word) <= 40))[:2000]


def mutated(chance: random.Random, specimen: bytes, words: tuple[bytes, ...] = ()) -> bytes:
    """The specimen with a few changes: of bytes, of words, of lines, or of a value in its JSON."""
    if chance.random() < 0.4 and (changed := _other_value(chance, specimen)) is not None:
        return changed
    if chance.random() < 0.2 and specimen.count(b"\n") > 1:
        return _other_lines(chance, specimen)
    content = bytearray(specimen)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(content) + 1) if chance.random() < 0.7 else chance.randrange(200)
        at = min(at, len(content))
        match chance.randrange(9):
            case 0 if content:
                content[min(at, len(content) - 1)] = chance.randrange(256)
            case 1:
                content[at:at] = chance.choice(_TOKENS)
            case 2:
                token = chance.choice(_TOKENS)
                content[at : at + len(token)] = token
            case 3:
                del content[at : at + chance.choice((1, 2, 8, 100))]
            case 4:
                del content[at:]
            case 5:
                end = at + chance.choice((1, 4, 16, 64))
                content[at:at] = content[at:end] * chance.choice((1, 2, 50))
            case 6 if words:
                content[at:at] = chance.choice(words)
            case 7 if words:
                _replace_word(chance, content, at, chance.choice(words))
            case _:
                other = chance.randrange(len(content) + 1)
                content[at : at + 8] = content[other : other + 8]
    return bytes(content)


def repeated(
    chance: random.Random, specimen: bytes, words: tuple[bytes, ...] = ()
) -> tuple[bytes, bytes, bytes]:
    """A piece of the specimen, or a word of its format, as often as makes 8, 16 and 32 kB: what
    takes sixteen times as long for four times as much grows with the square."""
    at = chance.randrange(len(specimen) + 1)
    piece = specimen[at : at + chance.choice((1, 2, 5, 20, 100))] or b"["
    if chance.random() < 0.5:
        piece = chance.choice((b"\n", b" ", b"\t", b'\\"', *words))
    times = 8192 // len(piece) + 1
    first, second, third = (
        specimen[:at] + piece * (times * more) + specimen[at:] for more in (1, 2, 4)
    )
    return first, second, third


def _replace_word(chance: random.Random, content: bytearray, at: int, word: bytes) -> None:
    found = _WORDS.search(content, at) or _WORDS.search(content)
    if found is not None:
        content[found.start() : found.end()] = word


def _other_lines(chance: random.Random, specimen: bytes) -> bytes:
    lines = specimen.split(b"\n")
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    match chance.randrange(4):
        case 0:
            lines[one], lines[other] = lines[other], lines[one]
        case 1:
            lines[one:one] = [lines[other]] * chance.choice((1, 3, 200))
        case 2:
            del lines[one]
        case _:
            lines[one] += lines[other]
    return b"\n".join(lines)


def _other_value(chance: random.Random, specimen: bytes) -> bytes | None:
    """The specimen with one value of its JSON, or of one of its lines' JSON, of another type,
    deeper, there many times, or gone."""
    lines = specimen.split(b"\n")
    number = chance.randrange(len(lines))
    for at, text in ((None, specimen), (number, lines[number].removeprefix(b"data: "))):
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if not isinstance(document, dict | list) or not document:
            continue
        _change(chance, document)
        changed = json.dumps(document).encode()
        return changed if at is None else specimen.replace(text, changed)
    return None


def _change(chance: random.Random, document: Any) -> None:
    holder = document
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = chance.choice(keys)
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner or chance.random() < 0.3:
            break
        holder = inner
    match chance.randrange(6):
        case 0 if isinstance(inner, list):
            holder[key] = inner * chance.choice((2, 100))
        case 1:
            holder[key] = [inner]
        case 2:
            del holder[key]
        case 3 if isinstance(holder, dict):
            holder[chance.choice(keys)] = inner
        case _:
            holder[key] = chance.choice(list(VALUES.values()))
