"""Bytes as text: what says its encoding, what is recognised, and what is refused with a reason."""

from __future__ import annotations

import codecs

import pytest

from localai.chat.encodings import decode, recognised
from localai.errors import InvalidInput

GERMAN = "Die Straße führt über die Brücke, und die Häuser dort sind schön.\n"
RUSSIAN = "Привет, как дела? Это обычный русский текст на нескольких словах.\n"
JAPANESE = "これは日本語の文章です。とても簡単です。\n"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\xef\xbb\xbfa", "a"),
        ("grün".encode("utf-16"), "grün"),
        (codecs.BOM_UTF16_BE + "grün".encode("utf-16-be"), "grün"),
        (codecs.BOM_UTF32_LE + "grün".encode("utf-32-le"), "grün"),
        (codecs.BOM_UTF32_BE + "grün".encode("utf-32-be"), "grün"),
    ],
)
def test_a_byte_order_mark_says_the_encoding(content: bytes, text: str) -> None:
    assert decode(content, "x") == text
    assert recognised(content, "x") == (text, None)


@pytest.mark.parametrize(
    ("text", "encoding", "found"),
    [
        (GERMAN, "cp1252", "cp1252"),
        (GERMAN, "iso8859-1", "cp1252"),
        ("“Quoted” – text… costs 5 €\n", "cp1252", "cp1252"),
        ("grün", "iso8859-1", "cp1252"),
        ("El niño comió una manzana", "iso8859-1", "cp1252"),
        (RUSSIAN, "cp1251", "cp1251"),
        (RUSSIAN, "koi8-r", "koi8_r"),
        (RUSSIAN, "cp866", "cp866"),
        (JAPANESE, "cp932", "cp932"),
        ("今天天气很好，我们去公园散步吧。", "gb18030", "gb18030"),
        ("繁體中文的測試文字檔案", "big5", "big5"),
        ("สวัสดีครับ นี่คือข้อความภาษาไทยสำหรับการทดสอบ", "cp874", "cp874"),
        ("Ελληνικό κείμενο για δοκιμή", "cp1253", "cp1253"),
        ("ملف نصي باللغة العربية للتجربة", "cp1256", "cp1256"),
        ("wide text without a mark", "utf-16-le", "utf-16-le"),
        ("wide text without a mark", "utf-16-be", "utf-16-be"),
        (RUSSIAN, "utf-16-le", "utf-16-le"),
        ("ภาษาไทยสำหรับการทดสอบ", "utf-16-le", "utf-16-le"),
    ],
)
def test_a_text_in_another_encoding_is_recognised(text: str, encoding: str, found: str) -> None:
    assert recognised(text.encode(encoding), "x") == (text, found)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Привет", "koi8_r"), ("你好", "gb18030"), ("한글", "cp949"), ("日本", "euc_jp")],
)
def test_what_fits_several_encodings_is_taken_for_none_of_them(text: str, encoding: str) -> None:
    with pytest.raises(InvalidInput, match=r"x is not UTF-8: byte 0x.. at offset 0") as refused:
        recognised(text.encode(encoding), "x")
    assert "by its bytes it may be" in str(refused.value.hint)
    assert encoding in str(refused.value.hint)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        # UTF-8 that is cut or damaged is not another encoding.
        (b"cut \xe2\x82", "not UTF-8: byte 0xe2 at offset 4"),
        ("grün und ".encode() + b"gr\xfcn", "not UTF-8: byte 0xfc at offset 12"),
        (b"\x01\x02\xfc", "not UTF-8"),
        ("cut off".encode("utf-16-le")[:-1], "is UTF-16"),
        (b"\x7fELF\x00\x01", "binary"),
        (codecs.BOM_UTF16_LE + b"a", "not UTF-16: byte 0x61 at offset 2"),
        (b"%PDF-1.7\n", "a PDF, and no text"),
        (b"\x89PNG\r\n\x1a\n", r"a picture \(PNG\), and no text"),
        (b"\xff\xd8\xff\xe0", r"a picture \(JPEG\), and no text"),
        (b"RIFF\x24\0\0\0WEBP", r"a picture \(WebP\), and no text"),
        (b"RIFF\x24\0\0\0WAVE", "sound, and no text"),
        (b"PK\x03\x04\x14", "a zip archive, as documents of Office are, and no text"),
        (b"\x1f\x8b\x08", "compressed by gzip, and no text"),
        (b"GGUF\x03\0\0\0", "a model, and no text"),
    ],
)
def test_what_is_no_text_is_named(content: bytes, message: str) -> None:
    for read in (decode, recognised):
        with pytest.raises(InvalidInput, match=message):
            read(content, "x")


def test_what_only_may_be_utf_8_says_what_else_it_is() -> None:
    with pytest.raises(InvalidInput, match="not UTF-8") as refused:
        decode(GERMAN.encode("cp1252"), "stdin")
    assert refused.value.hint == "convert it first: iconv -f cp1252 -t utf-8"
    with pytest.raises(InvalidInput, match="stdin is UTF-16") as refused:
        decode(GERMAN.encode("utf-16-le"), "stdin")
    assert refused.value.hint == "convert it first: iconv -f utf-16-le -t utf-8"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_line_of_a_file_in_another_encoding_has_the_right_reason(encoding: str) -> None:
    lines = '{"prompt": "one"}\n{"prompt": "two"}\n'.encode(encoding).splitlines(keepends=True)
    first = lines[0]
    with pytest.raises(InvalidInput, match=r"is (UTF-16|UTF-32|binary)"):
        decode(first, "the line", is_line=True)
    assert decode(b'\xef\xbb\xbf{"prompt": "one"}\n', "x", is_line=True) == '{"prompt": "one"}\n'


def test_a_large_file_is_recognised_by_its_first_odd_lines() -> None:
    content = b"plain ASCII\n" * 100_000 + GERMAN.encode("cp1252") * 20_000
    assert recognised(content, "x").encoding == "cp1252"
