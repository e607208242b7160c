"""Bytes as text: UTF-8, what says that it is something else, and what is recognised as such.

`decode` takes UTF-8, and UTF-16 and UTF-32 that say so with a byte-order mark. `recognised` also
takes what charset-normalizer finds, and says so: nothing is guessed in silence, and where two
encodings fit that read differently, nothing is taken. Whatever is no text is named.
"""

from __future__ import annotations

import codecs
from collections import Counter
from typing import Final, NamedTuple

from localai.errors import InvalidInput
from localai.patterns import lazy_pattern

# The longer mark first: that of UTF-32 begins as that of UTF-16 does.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What is no text: how it begins, where that stands, what it is, and what to do with it.
_OTHERS: Final = (
    (b"%PDF-", 0, "a PDF", "add it as a file: -f FILE"),
    (b"\x89PNG\r\n\x1a\n", 0, "a picture (PNG)", "show it to a model that sees: -a FILE"),
    (b"\xff\xd8\xff", 0, "a picture (JPEG)", "show it to a model that sees: -a FILE"),
    (b"GIF8", 0, "a picture (GIF)", "show it to a model that sees: -a FILE"),
    (b"WEBP", 8, "a picture (WebP)", "show it to a model that sees: -a FILE"),
    (b"PK\x03\x04", 0, "a zip archive, as documents of Office are", "save it as text or as a PDF"),
    (b"\xd0\xcf\x11\xe0", 0, "an old document of Office", "save it as text or as a PDF"),
    (b"\x1f\x8b", 0, "compressed by gzip", "unpack it: zcat FILE | localai chat"),
    (b"(\xb5/\xfd", 0, "compressed by zstd", "unpack it: zstdcat FILE | localai chat"),
    (b"GGUF", 0, "a model", "ask it: localai chat -m FILE"),
    (b"SQLite format 3\0", 0, "an SQLite database", "sqlite3 FILE .dump | localai chat"),
    (b"OggS", 0, "sound", None),
    (b"fLaC", 0, "sound", None),
    (b"ID3", 0, "sound", None),
    (b"WAVE", 8, "sound", None),
    (b"ftyp", 4, "a film or a picture", None),
)
# No text has these; tabs, line ends, form feeds and escapes stand in many.
_CONTROLS: Final = lazy_pattern(rb"[\x01-\x06\x0e-\x1a\x1c-\x1f]")
_SAMPLE_BYTES: Final = 1 << 18
# Of ASCII, and of scripts up to Thai but those whose first byte is a tab or a line end.
_BLOCKS: Final = frozenset(range(32)) - {9, 10, 13}
# Those in which texts are found, by https://encoding.spec.whatwg.org and the terminals of DOS.
_CANDIDATES: Final = [
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258"),
    *("iso8859_2", "koi8_r", "mac_roman", "cp437", "cp850", "cp866", "cp874"),
    *("big5", "cp932", "cp949", "euc_jp", "gb18030", "iso2022_jp"),
]
# Of several that fit equally well this is meant, as by the web's standard, where most letters are
# ASCII: languages that are written in another script have few that are.
_USUAL: Final = "cp1252"
_USUAL_SHARE: Final = 0.35


class Recognised(NamedTuple):
    """A text; `encoding` is what it was recognised as, None where it said so itself."""

    text: str
    encoding: str | None


def decode(content: bytes, source: str, *, is_line: bool = False) -> str:
    """`content` as text; `source` is how an error calls it. Raises InvalidInput.

    `is_line` says that it was cut at line ends, which only UTF-8 allows.
    """
    _refuse_others(content, source)
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8-sig")
    if encoding == "utf-8-sig":
        wide = _wide_encoding(content)
        # What is left of UTF-16 after its last line end.
        if wide is not None or (is_line and content == b"\0"):
            raise InvalidInput(f"{source} is UTF-16", hint=_convert("utf-16" if is_line else wide))
        _refuse_nul(content, source)
    elif is_line:
        raise InvalidInput(f"{source} is {encoding.upper()}", hint=_convert(encoding))
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.upper().removesuffix("-SIG")
        found = _candidates(content, error) if encoding == "utf-8-sig" else []
        raise InvalidInput(
            f"{source} is not {name}: byte 0x{content[error.start]:02x} at offset {error.start}",
            hint=_convert(found[0]) if len(found) == 1 else _either(found),
        ) from error


def recognised(content: bytes, source: str) -> Recognised:
    """`content` as text, also in an encoding that it does not name. Raises InvalidInput where none
    or several that read differently would fit."""
    try:
        return Recognised(decode(content, source), None)
    except InvalidInput:
        found = _found(content)
        if found is None:
            raise
        return Recognised(content.decode(found), found)


def _found(content: bytes) -> str | None:
    if any(content.startswith(begin, at) for begin, at, _, _ in _OTHERS):
        return None
    wide = _wide_encoding(content)
    if wide is not None:
        return wide if _reads(content, wide) else None
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        found = _candidates(content, error)
        return found[0] if len(found) == 1 else None
    return None


def _refuse_others(content: bytes, source: str) -> None:
    for begin, at, what, hint in _OTHERS:
        if content.startswith(begin, at):
            raise InvalidInput(f"{source} is {what}, and no text", hint=hint)


def _refuse_nul(content: bytes, source: str) -> None:
    nul = content.find(b"\0")
    if nul >= 0:
        raise InvalidInput(
            f"{source} is binary (a NUL byte at offset {nul})",
            hint="give text; `strings FILE | localai chat` shows what is in a binary",
        )


def _wide_encoding(content: bytes) -> str | None:
    """UTF-16's byte order, where text in it has no mark: most of its characters are of one block,
    the first byte of which no other text has so often."""
    sample = content[: min(_SAMPLE_BYTES, len(content) & ~1)]
    if len(sample) < 4:
        return None
    for name, high in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
        block, times = Counter(high).most_common(1)[0]
        if block in _BLOCKS and times * 2 > len(high) and _is_printable(sample, name):
            return name
    return None


def _is_printable(content: bytes, encoding: str) -> bool:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)


def _candidates(content: bytes, error: UnicodeDecodeError) -> list[str]:
    """The encodings, one or several that read differently, in which `content` could be; none for
    UTF-8 that is cut or damaged and for what is no text."""
    valid = content[: error.start]
    if not valid.isascii() or error.reason == "unexpected end of data":
        return []
    if b"\0" in content or _CONTROLS.search(content):
        return []
    from charset_normalizer import from_bytes

    sample = _sample(content, error.start)
    matches = list(from_bytes(sample, cp_isolation=_CANDIDATES))
    scores = [(match.chaos, match.coherence) for match in matches]
    best = [match for match, score in zip(matches, scores, strict=True) if score == scores[0]]
    share = sum(byte > 127 for byte in sample) / len(sample)
    if share < _USUAL_SHARE and any(_USUAL in match.could_be_from_charset for match in best):
        names = [_USUAL]
    else:
        names = [match.encoding for match in best]
    return [name for name in names if _reads(content, name)]


def _sample(content: bytes, at: int) -> bytes:
    """Whole lines from the one that has the byte at `at`, as far as they decide."""
    start = content.rfind(b"\n", 0, at) + 1
    sample = content[start : start + _SAMPLE_BYTES]
    end = sample.rfind(b"\n") if start + _SAMPLE_BYTES < len(content) else -1
    return sample if end < 0 else sample[:end]


def _reads(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def _convert(encoding: str | None) -> str:
    return f"convert it first: iconv -f {encoding} -t utf-8"


def _either(found: list[str]) -> str:
    if not found:
        return _convert("ENCODING")
    return f"{_convert('ENCODING')}; by its bytes it may be {', '.join(found)}"
