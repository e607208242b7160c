"""A stop string ends the answer wherever the pieces of the stream happen to be cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from localai.engine.mlx.stop_strings import StopStrings


def _fed(stops: list[str], pieces: list[str]) -> tuple[list[str], bool]:
    scanner = StopStrings(stops)
    shown = [scanner.feed(piece) for piece in pieces]
    return [*shown, scanner.flush()], scanner.found


def test_a_stop_string_in_pieces_is_never_shown() -> None:
    assert _fed(["</s>"], ["one <", "/s", "> two"]) == (["one ", "", "", ""], True)


def test_what_only_began_like_one_is_shown_late_but_whole() -> None:
    assert _fed(["</s>"], ["one <", "b> two"]) == (["one ", "<b> two", ""], False)


def test_what_is_held_back_at_the_end_is_shown() -> None:
    assert _fed(["</s>"], ["one </"]) == (["one ", "</"], False)


def test_without_stop_strings_nothing_is_held_back() -> None:
    assert _fed(["", ""], ["one"]) == (["one", ""], False)


def test_the_first_of_several_counts() -> None:
    assert _fed(["b", "ab"], ["xab"]) == (["x", ""], True)


@given(st.text("ab<", max_size=30), st.lists(st.text("ab<", min_size=1, max_size=4), max_size=3))
def test_cutting_differently_changes_nothing(text: str, stops: list[str]) -> None:
    at_once, found = _fed(stops, [text])
    in_letters, found_in_letters = _fed(stops, list(text))
    assert found == found_in_letters
    # Two overlapping stop strings may both be complete in one piece, where the earlier wins;
    # letter by letter the one that ends first does. Neither shows a stop string.
    assert not any(stop in "".join(at_once) or stop in "".join(in_letters) for stop in stops)
    if not found:
        assert "".join(at_once) == "".join(in_letters) == text
