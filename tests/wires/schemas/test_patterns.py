"""Regular expressions as the engine's grammar can hold a string to them."""

from __future__ import annotations

import json
import random
import re

import pytest

from localai.wires.schemas.expressions import NotHeld
from localai.wires.schemas.patterns import held_pattern
from tests.support.instances import written_by

# Each with a string that it takes and one that it does not.
HELD = {
    r"^\d{3}$": ("123", "12a"),
    r"\d": ("a1b", "ab"),
    r"^\w+$": ("a_1", "a b"),
    r"^\W+$": ("! ?", "a"),
    r"^\s$": ("\t", "a"),
    r"^[^a]$": ('"', "a"),
    r"^.$": ("\\", "\n"),
    r"abc": ("xabcx", "ab"),
    r"^abc": ("abcd", "xabc"),
    r"abc$": ("xabc", "abcx"),
    r"^a|b$": ("axx", "xa"),
    r"^(a|b$)": ("ax", "bx"),
    r"^(?:ab)*$": ("abab", "aba"),
    r"^(?P<year>[12]\d{3})-(?<month>0[1-9]|1[0-2])$": ("2026-11", "2026-13"),
    r"^a{2,}$": ("aaa", "a"),
    r"^a{0}b$": ("b", "ab"),
    r"^[\]\-^\\]+$": ("]-^\\", "a"),
    r"^[-a]+$": ("-a", "b"),
    r"^\.\*\+\?$": (".*+?", "...."),
    r"^say \"x\"$": ('say "x"', "say x"),
    r"^é{2}[一-鿿]$": ("éé中", "ee中"),
    "^😀+$": ("😀😀", "x"),
    r"^\u00e4\x41$": ("äA", "aA"),
    r"^\/a\/$": ("/a/", "a"),
    r"^$": ("", "a"),
    r"^(|a)$": ("a", "b"),
    r"^a??b+?$": ("abb", "a"),
    r"^{a}$": ("{a}", "a"),
    r"^a{,b}$": ("a{,b}", "b"),
    r"^[\d.]+$": ("1.2", "a"),
    r"^[\b]?x$": ("x", "y"),
    r"^(([a-z]+)\.)+com$": ("a.b.com", "a.b"),
}


@pytest.mark.parametrize("pattern", HELD)
def test_an_expression_is_held_as_json_writes_it(pattern: str) -> None:
    taken, other = HELD[pattern]
    plain = pattern.replace("(?<month>", "(?P<month>")
    assert re.search(plain, taken) and not re.search(plain, other)
    held = held_pattern(pattern).expression
    assert re.fullmatch(held, json.dumps(taken, ensure_ascii=False)[1:-1])
    assert not re.fullmatch(held, json.dumps(other, ensure_ascii=False)[1:-1])
    # Nothing that it lets through ends the string too early, or is none of JSON.
    for seed in range(20):
        body = written_by(held, random.Random(seed))
        assert re.search(plain, json.loads(f'"{body}"')), body


def test_an_expression_that_takes_everything_is_none() -> None:
    for pattern in ("", ".*", "^", "$", "(a?)*" if False else "a*"):
        assert held_pattern(pattern).expression == ""


@pytest.mark.parametrize(
    ("pattern", "shortest", "longest"),
    [(r"^\d{3}$", 3, 3), (r"^a{2,5}b?$", 2, 6), (r"a", 1, None), (r"^(ab|c)+$", 1, None)],
)
def test_the_width_is_known(pattern: str, shortest: int, longest: int | None) -> None:
    held = held_pattern(pattern)
    assert (held.shortest, held.longest) == (shortest, longest)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^(?=a)b$",
        r"^(?!a)",
        r"(?<=a)b",
        r"(?i)a",
        r"(a)\1",
        r"\bword\b",
        r"^\p{L}+$",
        r"a^b",
        r"^a$b",
        r"(^a|b)c",
        r"^(a$",
        r"^a)$",
        r"^a**$",
        r"^[z-a]$",
        r"^[]$",
        r"^a{3,1}$",
        r"^a{5000}$",
        r"a++",
        "\\",
        r"^\ud83d$",
        r"^\x00$",
        r"*a",
        r"[[:alpha:]]",
        "(" * 50 + "a" + ")" * 50,
        r"^\012$",
        r"^a{99999999999999999999}$",
    ],
)
def test_what_cannot_be_held_is_said(pattern: str) -> None:
    with pytest.raises(NotHeld):
        held_pattern(pattern)
