"""What the campaign of broken inputs found in parsers, each a kind: it is refused, and in no time.

`python -m tests.campaigns.fuzz` looks for more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from localai.errors import LocalaiError
from tests.campaigns.fuzz import PARSERS
from tests.campaigns.parser import Parser
from tests.support.clock import within
from tests.support.command import RunLocalai

_BY_NAME = {parser.name: parser for parser in PARSERS}
_DEEP = b"[" * 100_000


def _changed(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(specimen: bytes) -> bytes:
        assert old in specimen
        return specimen.replace(old, new)

    return change


def _instead(content: bytes) -> Callable[[bytes], bytes]:
    return lambda specimen: content


_LOCAL, _CENTRAL = b"PK\x03\x04\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0"
_FOUND = [
    ("file in a question", "blank lines", _instead(b"\n" * 40_000)),
    ("chat template", "comments without end", _instead(b"{#" * 64_000)),
    ("chat template", "texts without end", _instead(b"'" + b"\\'" * 64_000)),
    ("Go template", "comments without end", _instead(b"{{" + b"/*" * 32_000)),
    ("Go template", "texts without end", _instead(b"{{ " + b'\\"' * 32_000)),
    ("Go template", "many words", _instead(b"{{ .a" + b" .a" * 300_000 + b"}}")),
    ("tools' words", "blank lines", _instead(b"\n" * 60_000)),
    ("run of compare", "a late repeat", _changed(b'"repeat": 1,', b'"repeat": %d,' % 10**50)),
    ("doctor's facts", "no date", _changed(b'"catalogue_date": "20', b'"catalogue_date": "x')),
    ("doctor's facts", "an odd time", _changed(b'"now": 1', b'"now": 1e300, "then": 1')),
    ("run of compare", "a time of another age", _changed(b'"at": 1.0', b'"at": 1e300')),
    ("thoughts", "a header without end", _instead(b"<|channel|>analysis" + b"x" * 900)),
    ("run of compare", "a kind of many", _changed(b'"record": "vote"', b'"record": []')),
    ("model's words", "a verdict of many", _instead(b'{"verdict": ["A"], "reason": {}}')),
    ("thoughts", "two ends in a line", _instead(b"a `</ink> <think>b</think> `</think>`")),
    ("expectation", "letters of lists", _instead(b'{"choice": {"value": "B", "of": [[]]}}')),
    (
        "request of chat completions",
        "a call of lists",
        _changed(
            b'"role": "user"', b'"role": "user", "tool_calls": [{"id": "a", "function": [1]}]'
        ),
    ),
    ("doctor's facts", "half a character", _changed(b'"name": "', b'"name": "\\ud800')),
    ("llama-bench", "threads in words", _changed(b'"n_threads": 2', b'"n_threads": "c"')),
    ("Go template", "a form of no text", _instead(b"{{ printf nil 5 }}")),
    ("llama-bench", "many repetitions", _changed(b"1000, 2000", b"1000, " * 9000 + b"2000")),
    ("llama-bench", "an endless span", _changed(b"[1000, 2000]", b"[1e999]")),
    ("model's words", "a call nested deeply", _instead(_DEEP)),
    ("request of messages", "an infinite number", _changed(b"5", b"1e999")),
    ("request of messages", "a number of 400 digits", _changed(b"5", b"9" * 400)),
    ("suite", "a gate of one number", _changed(b'models = ["a"]', b"models = 5.5")),
    ("suite", "a rate in words", _changed(b"pass_rate = 0.5", b'pass_rate = "x"')),
    ("request of chat completions", "a role of many", _changed(b'"user"', b'{"a": 1}')),
    ("wheel", "another way of packing", _changed(_LOCAL + b"\x08", _LOCAL + b"\x63")),
    ("wheel", "a password", _changed(_CENTRAL + b"\0\0", _CENTRAL + b"\1\0")),
    ("wheel", "another version", _changed(_CENTRAL, b"PK\x01\x02\x14\x03\xff\0")),
]


@pytest.mark.clock
@pytest.mark.parametrize(
    ("name", "what", "change"), _FOUND, ids=[f"{f[0]}, {f[1]}" for f in _FOUND]
)
def test_what_was_found_is_refused(
    name: str, what: str, change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    parser = _BY_NAME[name]
    content = change(parser.specimens[0])
    with within(10), contextlib.suppress(*parser.refuses):
        parser.read(content, tmp_path)


@pytest.mark.parametrize("parser", PARSERS, ids=lambda each: each.name)
def test_a_parser_reads_its_specimen_and_refuses_nonsense(parser: Parser, tmp_path: Path) -> None:
    parser.read(parser.specimens[0], tmp_path)
    for content in (b"", b"\0" * 50, _DEEP, b'{"a":' * 50_000, b"9" * 5000, b"null", b"\xff\xfe"):
        try:
            parser.read(content, tmp_path)
        except parser.refuses as error:
            assert type(error) is not LocalaiError


@pytest.mark.parametrize(
    "words",
    [("compare", "report", "/dev/zero"), ("chat", "-m", "a", "--schema", "/dev/zero", "Hi?")],
)
def test_a_file_without_an_end_is_refused(run_localai: RunLocalai, words: tuple[str, ...]) -> None:
    done = run_localai(*words, timeout_s=60)
    assert (done.returncode, b"/dev/zero" in done.stderr) == (2, True), done.stderr
