"""Model options on the command line."""

from __future__ import annotations

import pytest

from localai.chat.options import parse_options
from localai.errors import InvalidInput
from localai.types import Options


def test_pairs_become_typed_options() -> None:
    pairs = [("temperature", "0"), ("top_k", "40"), ("stop", "a"), ("stop", "b")]
    assert parse_options(pairs) == Options(temperature=0.0, top_k=40, stop=("a", "b"))


def test_a_flag_wins_over_a_pair() -> None:
    assert parse_options([("seed", "1")], seed=2, max_tokens=None) == Options(seed=2)


def test_a_providers_own_option_is_passed_through_as_json() -> None:
    options = parse_options([("provider.mirostat", "2"), ("provider.name", "x")])
    assert options.extra == {"mirostat": 2, "name": "x"}


@pytest.mark.parametrize(
    ("pair", "message", "hint"),
    [
        (("temprature", "1"), "no option 'temprature'", "did you mean temperature?"),
        (("qqq", "1"), "no option 'qqq'", "known are"),
        (("temperature", "warm"), "a number from 0 to 5, not 'warm'", None),
        (("temperature", "nan"), "a number from 0 to 5", None),
        (("top_p", "2"), "a number from 0 to 1", None),
        (("seed", "1.5"), "a whole number", None),
    ],
)
def test_a_bad_option_is_named(pair: tuple[str, str], message: str, hint: str | None) -> None:
    with pytest.raises(InvalidInput, match=message) as error:
        parse_options([pair])
    if hint:
        assert hint in (error.value.hint or "")
