"""An event stream in every framing that the specification allows and servers send."""

from __future__ import annotations

import json
from contextlib import suppress
from http.client import HTTPException
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.net.framing import ServerRefused, payloads_of


def read(body: bytes) -> tuple[list[dict[str, Any]], bool]:
    """The payloads, and whether `[DONE]` came."""
    payloads = payloads_of(body.removesuffix(b"\n").split(b"\n"))
    found = []
    while True:
        try:
            found.append(next(payloads))
        except StopIteration as end:
            return found, end.value


A, B = {"a": 1}, {"b": 2}


@pytest.mark.parametrize(
    "body",
    [
        b'data: {"a": 1}\n\ndata: {"b": 2}\n\ndata: [DONE]\n\n',
        b'data:{"a":1}\n\ndata:{"b":2}\n\ndata:[DONE]',
        b'data: {"a": 1}\r\n\r\ndata: {"b": 2}\r\n\r\ndata: [DONE]\r\n\r\n',
        b'data: {"a": 1}\r\rdata: {"b": 2}\r\rdata: [DONE]\r\r',
        # Without the empty lines.
        b'data: {"a": 1}\ndata: {"b": 2}\ndata: [DONE]\n',
        # Several lines of one event.
        b'data: {\ndata: "a": 1\ndata: }\n\ndata: {"b": 2}\n\ndata: [DONE]\n\n',
        # Comments, as a ping; fields that mean nothing here.
        (
            b': ping\n\nid: 7\ndata: {"a": 1}\n\n: OPENROUTER PROCESSING\n\ndata: {"b": 2}\n\n'
            b"event: message\ndata: [DONE]\n\n"
        ),
        b'\xef\xbb\xbfdata: {"a": 1}\n\ndata: {"b": 2}\n\ndata: [DONE]\n\n',
        b'data:\n\ndata: {"a": 1}\n\ndata\n\ndata: null\n\ndata: {"b": 2}\n\ndata: "[DONE]"\n\n',
        b'data: {"a": 1}\n\ndata: {"b": 2}\n\ndata: [DONE]\n\ndata: what comes then\n\n',
    ],
)
def test_the_same_two_payloads(body: bytes) -> None:
    assert read(body) == ([A, B], True)


def test_a_stream_that_just_ends_says_so() -> None:
    assert read(b'data: {"a": 1}\n\n') == ([A], False)
    assert read(b"") == ([], False)


def test_bytes_that_are_no_utf_8_are_marked_and_the_rest_is_kept() -> None:
    assert read(b'data: {"a": "x\xff"}\n\n') == ([{"a": "x\N{REPLACEMENT CHARACTER}"}], False)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'data: {"error": {"message": "too hot"}}\n\n', "too hot"),
        (b'event: error\ndata: {"message": "too hot"}\n\n', "too hot"),
        (b"event: error\ndata: too hot\n\n", "too hot"),
        (b'error: {"message": "too hot"}\n\n', "too hot"),
        (b'data: {"object": "error", "message": "too hot", "code": 400}\n\n', "too hot"),
        # With status 200, and no stream at all.
        (b'{"error": {"message": "too hot"}}', "too hot"),
        (b'{"object": "error", "message": "too hot"}', "too hot"),
    ],
)
def test_an_error_is_one_in_whatever_form(body: bytes, words: str) -> None:
    with pytest.raises(ServerRefused) as caught:
        read(body)
    assert caught.value.error["message"] == words


@pytest.mark.parametrize("data", [b"hello", b'{"a": ', b"[1, 2]", b"7", b'"a text"', b"[" * 9999])
def test_what_is_no_object_is_the_servers_fault_with_its_words(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"an event is no JSON") as caught:
        read(b"data: " + data + b"\n\n")
    assert data[:5].decode().strip() in str(caught.value)


def test_an_event_without_an_end_is_not_kept_for_ever() -> None:
    with pytest.raises(ValueError, match="does not end"):
        read(b"data: x\n" * 2000)


def test_a_page_in_place_of_a_stream_is_told_by_its_words() -> None:
    with pytest.raises(HTTPException, match="Please log in"):
        read(b"<html><title>Please log in</title></html>")


def test_a_whole_answer_in_place_of_a_stream_is_its_only_payload() -> None:
    answer = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    assert read(json.dumps(answer, indent=2).encode()) == ([answer], False)


@given(st.lists(st.binary(max_size=60), max_size=30))
def test_any_bytes_are_read_or_refused(lines: list[bytes]) -> None:
    with suppress(ValueError, HTTPException, ServerRefused):
        read(b"\n".join(b"data: " + line if len(line) % 3 else line for line in lines))
