"""How much context a request needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from localai.errors import ContextOverflow
from localai.sizing.context import (
    choose_context,
    counted_context,
    finish_for_user,
    generous_context,
    grown_context,
    guessed_context,
    may_overflow,
    shared_context,
    with_a_limit,
    with_what_is_left,
)
from localai.types import ChatRequest, Message, Options, Picture, ResolvedModel

MODEL = ResolvedModel("ollama", "m", None, "")


def request(text: str, max_tokens: int | None = None, pictures: int = 0) -> ChatRequest:
    message = Message("user", text, pictures=(Picture(b"", "image/png"),) * pictures)
    return ChatRequest(MODEL, (message,), Options(max_tokens=max_tokens))


@pytest.mark.parametrize(
    ("asked", "loaded", "start", "needed", "limit", "chosen"),
    [
        # What the user asked for, as far as the model goes.
        (512, None, 4096, 100, 8192, 512),
        (512, 4096, 4096, 100, 8192, 512),
        (99_999, None, 4096, 100, 8192, 8192),
        # What is loaded, if it is enough: any other number would load the model again.
        (None, 32_768, 4096, 100, 131_072, 32_768),
        (None, 2048, 4096, 1000, 8192, 2048),
        (None, 8192, 4096, 20_000, 8192, 8192),
        (None, 4096, 4096, 5000, 131_072, 8192),
        # The configured start, or more if it is needed.
        (None, None, 4096, 4096, None, 4096),
        (None, None, 4096, 4097, None, 8192),
        (None, None, 4096, 20_000, 131_072, 20_480),
        (None, None, 4096, 20_000, 16_000, 16_000),
        (None, None, 4096, 100, 2048, 2048),
    ],
)
def test_the_context(
    asked: int | None, loaded: int | None, start: int, needed: int, limit: int | None, chosen: int
) -> None:
    assert (
        choose_context(asked=asked, loaded=loaded, start=start, needed=needed, limit=limit)
        == chosen
    )


@pytest.mark.parametrize(
    ("text", "max_tokens", "pictures", "may"),
    [
        # At most a token a byte, and 64 for the template.
        ("x" * 1000, 3032, 0, False),
        ("x" * 1001, 3032, 0, True),
        ("x" * 1000, 3033, 0, True),
        # A picture may take 2,048.
        ("x" * 1000, 984, 1, False),
        ("x" * 1000, 985, 1, True),
        # An answer without a limit may be any length.
        ("x", None, 0, True),
    ],
)
def test_whether_prompt_and_answer_may_pass_the_context(
    text: str, max_tokens: int | None, pictures: int, may: bool
) -> None:
    assert may_overflow(request(text, max_tokens, pictures), 4096) is may


@pytest.mark.parametrize(
    ("text", "asked", "context", "limit"),
    [
        # What is left for certain: at most a token a byte, and 64 for the template.
        ("x" * 1000, None, 4096, 3032),
        ("x" * 1984, None, 4096, 2048),
        # So little is left that the context must grow, or be full without a loss.
        ("x" * 1985, None, 4096, None),
        ("x", None, None, None),
        ("x", 9, 4096, 9),
        ("x", 9000, 4096, 9000),
    ],
)
def test_what_is_left_of_a_context(
    text: str, asked: int | None, context: int | None, limit: int | None
) -> None:
    limited = with_what_is_left(request(text, asked), context)
    assert limited.options.max_tokens == limit
    if asked is None and limit is not None and context is not None:
        assert not may_overflow(limited, context)


def test_an_answer_that_must_have_a_limit_gets_one() -> None:
    assert with_a_limit(request("hi")).options.max_tokens == 2048
    assert with_a_limit(request("hi", 3000)).options.max_tokens == 3000


def test_a_limit_that_nobody_asked_for_is_that_of_the_context() -> None:
    assert finish_for_user("length", request("hi")) == "context"
    assert finish_for_user("length", request("hi", 9)) == "length"
    assert finish_for_user("stop", request("hi")) == "stop"


def test_an_answer_without_a_limit_has_room_for_2048_tokens() -> None:
    assert counted_context(request("x" * 9000), 4096, lambda: 2048) == 4096
    assert counted_context(request("x" * 9000), 4096, lambda: 2049) == 8192
    assert guessed_context(request("x" * 300)) == 100 + 64 + 2048


def test_needed_counts_text_answer_and_pictures() -> None:
    plain = guessed_context(request("x" * 3000, max_tokens=1000))
    assert 2000 <= plain <= 2100
    assert guessed_context(request("x" * 3000, max_tokens=2000)) == plain + 1000
    assert guessed_context(request("x" * 3000, max_tokens=1000, pictures=2)) == plain + 2048


@pytest.mark.parametrize(
    ("tried", "prompt", "limit", "next_one"),
    [
        (4096, 5000, 131_072, 8192),
        (4096, 8000, 131_072, 12_288),
        (4096, None, 131_072, 8192),
        (4096, None, 6000, 6000),
        (8192, 9000, 8192, None),
        (8192, None, 8192, None),
        (8192, 100, None, None),
    ],
)
def test_growth_after_a_refusal(
    tried: int, prompt: int | None, limit: int | None, next_one: int | None
) -> None:
    assert grown_context(tried, prompt, request("", max_tokens=1000), limit) == next_one


def test_a_generous_need_is_rather_too_large_than_too_small() -> None:
    words = "the quick brown fox " * 50  # about 200 tokens
    short = ChatRequest(
        replace(MODEL, context_limit=256), (Message("user", words),), Options(max_tokens=100)
    )
    assert 300 < generous_context(request(words, 100)) < 1000
    assert generous_context(short) == 256
    assert generous_context(request("漢字" * 100, 100)) > 300


def test_the_context_to_share_has_room_for_all_at_once_and_for_the_largest_alone() -> None:
    requests = [request("x" * 200, 100)] * 7 + [request("x" * 20_000, 100)]
    largest = generous_context(requests[-1])
    assert shared_context(requests, 1) >= largest
    assert shared_context(requests, 8) >= sum(map(generous_context, requests))


@pytest.mark.parametrize(
    ("counted", "have", "max_tokens", "pictures", "limit", "context"),
    [
        (3000, 4096, 1000, 0, None, 4096),
        (3097, 4096, 1000, 0, None, 8192),
        (3000, 4096, 1000, 1, None, 8192),
        (9000, 4096, 1000, 0, 9500, 9500),
        # The answer stops at the end of the context.
        (9499, 4096, 1000, 0, 9500, 9500),
    ],
)
def test_what_was_counted_decides_where_a_guess_would_not(
    counted: int, have: int, max_tokens: int, pictures: int, limit: int | None, context: int
) -> None:
    asked = request("x" * 50_000, max_tokens, pictures)
    asked = replace(asked, model=replace(MODEL, context_limit=limit))
    assert counted_context(asked, have, lambda: counted) == context


def test_what_fits_surely_is_not_counted() -> None:
    def count() -> int:
        raise AssertionError("counted")

    assert counted_context(request("x" * 100, 1000), 4096, count) == 4096


def test_a_prompt_beyond_the_limit_is_refused_with_both_numbers() -> None:
    asked = replace(request("x" * 50_000, 100), model=replace(MODEL, context_limit=9500))
    with pytest.raises(ContextOverflow, match=r"9,500 tokens, and 9,500"):
        counted_context(asked, 4096, lambda: 9500)
