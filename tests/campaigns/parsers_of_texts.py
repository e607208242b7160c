"""Parsers of files that a user was given: settings, batches, templates, suites, runs, reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from localai.batch.prompts import LineDefaults, read_prompt
from localai.bench.formats import FORMATS, as_text, read_llama_bench
from localai.bench.stored_runs import StoredRun
from localai.chat.encodings import decode
from localai.chat.inputs import TextFile, read_text_file, with_files
from localai.chat.schema import from_data, from_short_form
from localai.chat.templates import read_template
from localai.compare.checks.check import CheckedAnswer
from localai.compare.checks.reading import read_expectations
from localai.compare.results import results_of
from localai.compare.run_file import read_run
from localai.compare.suite.reading import read_suite
from localai.config.reading import load
from localai.doctor.checks import all_checks
from localai.doctor.diagnose import CRASHED, diagnose
from localai.doctor.redaction import private_names, redact
from localai.doctor.report import read_facts
from localai.errors import LocalaiError
from localai.hardware.profiles import load_profile
from localai.net.framing import json_of
from localai.output.bench_report import report
from localai.output.comparison_html import html_report
from localai.output.junit import junit_document
from localai.output.markdown.stream import render_markdown
from localai.paths import locate
from localai.untrusted import sanitize, sanitize_line
from tests.campaigns.inert import inert
from tests.campaigns.parser import Parser, file_of

_MACHINES = Path(__file__).parents[1] / "doctor" / "machines"


def _config(content: bytes, folder: Path) -> Any:
    file_of("config.toml", content, folder)
    return load(locate({"LOCALAI_HOME": str(folder)}), {})


def _terminal(content: bytes, _: Path) -> Any:
    text = content.decode(errors="surrogateescape")
    clean = sanitize(text) + sanitize_line(text)
    assert "\x1b" not in clean and "\x9b" not in clean and "\u202e" not in clean
    return render_markdown(sanitize(text), columns=40, color=True)


def _suite(name: str, content: bytes, folder: Path) -> Any:
    """The suite, and each of its checks on an answer."""
    file_of("cases.jsonl", b'{"prompt": "x"}\n', folder)
    suite = read_suite(file_of(name, content, folder))
    for case in suite.cases[:20]:
        for check in case.checks:
            check.result(CheckedAnswer("Paris is 42. {}"))
    return suite


def _expectation(content: bytes, _: Path) -> Any:
    for check in read_expectations(json_of(content)):
        check.result(CheckedAnswer('It is Paris, 1,234.5: {"a": [1]}'))


def _run(content: bytes, folder: Path) -> Any:
    """The run, and every form that it is shown in."""
    run = read_run(file_of("run.jsonl", content, folder))
    results = results_of(run)
    ElementTree.fromstring(junit_document("suite", results))
    inert(html_report(run, results, None, (), ()))


def _facts(content: bytes, folder: Path) -> Any:
    """The facts, every check on them, and the report that is written of them."""
    snapshot = read_facts(file_of("facts.json", content, folder))
    found = diagnose(snapshot, all_checks())
    crashed = [each for each in found.findings if each.code == CRASHED]
    assert not crashed, crashed[0].evidence
    private = private_names(snapshot, user="u", host="h", home="/h", full_name="", hide_models=True)
    redact(json_of(content), private)


def _llama_bench(content: bytes, folder: Path) -> Any:
    """What llama-bench wrote, and every form that it is written in again."""
    machine, cells = read_llama_bench(content.decode(errors="replace"), "it")
    run = StoredRun("1", 0.0, 0.0, None, None, machine, None, cells)
    for form in FORMATS:
        as_text(run, form)
    inert(report(run))


_EXPECTATIONS = (
    b'{"contains": ["a", "b"], "regex": "a+", "max_words": 5}',
    b'{"similar": {"to": "x", "at_least": 1}}',
    b'{"number": {"value": 42, "tolerance": 1}, "choice": {"value": "B", "of": "ABC"}}',
    b'{"json": {"has": {"a": 1}}, "schema": {"type": "object"}, "not_tool_call": true}',
    b'[{"script": "latin"}, {"language": "en"}, {"finish": "stop"}, {"zone": "device"}]',
)
_SUITE = b"""name = "x"
cases = "cases.jsonl"
repeats = 2
think = "off"
expect = { max_words = 5 }
[gate]
pass_rate = 0.5
models = ["a"]
[options]
temperature = 0.5
[[case]]
prompt = "a"
expect = "Paris"
"""
_PROMPTFOO = b"""description: x
prompts: ["Say {{a}}", {raw: "Tell {{a}}"}]
defaultTest: {assert: [{type: contains, value: "{{a}}"}]}
tests:
  - vars: {a: [one, two]}
    assert: [{type: is-json}, {type: similar, value: b, threshold: 0.5}, &x {type: regex, value: a}]
  - vars: {a: 1}
    assert: [*x, {"$ref": "#/assertionTemplates/t"}]
assertionTemplates: {t: {type: equals, value: c}}
"""
_LINES = (
    b'{"id": "a", "prompt": "Hi", "expect": {"contains": "x"}, "tags": ["t"], "tools": []}\n',
    b'{"input": [{"role": "user", "content": "a"}], "ideal": ["b"]}\n',
    b'{"input": "a", "target": "B", "choices": ["x", "y"], "id": 3}\n',
)
_RECORD = {"schema": "localai.compare.run/1"}
_HEAD = {
    "record": "head",
    "suite": "s",
    "models": [{"name": "a", "provider": "p", "zone": "device"}, {"name": "b", "provider": "p"}],
    "repeats": 1,
    "at": 1.0,
    "localai": "0",
    "machine": "m",
}
_MACHINE = {"machine": ""}
_ANSWER = {
    "record": "answer",
    "case": "c",
    "repeat": 1,
    "request": "r",
    "asked_at": 1,
    "machine": "",
}
RUN = "".join(
    json.dumps({**_RECORD, **line}) + "\n"
    for line in (
        _HEAD,
        {"record": "case", "id": "c", "messages": [["user", "x"]], "expect": ["Paris"]},
        {**_ANSWER, "model": "a", "text": "Paris", "finish_reason": "stop", "total_s": 1.5},
        {**_ANSWER, "model": "b", "text": "No", "finish_reason": "length", "cost": 0.1},
        {"record": "vote", "case": "c", "repeat": 1, "a": "a", "b": "b", "winner": "a", "at": 1},
    )
).encode()
BENCH = {
    "build_commit": "b1",
    "cpu_info": "c",
    "gpu_info": "g",
    "model_filename": "m.gguf",
    "n_threads": 2,
    "type_k": "f16",
    "n_gpu_layers": 0,
    "n_prompt": 64,
    "n_gen": 0,
    "n_depth": 0,
    "samples_ns": [1000, 2000],
    "samples_ts": [5.0, 6.0],
}
_PDF_OBJECTS = (
    b"<</Type/Catalog/Pages 2 0 R>>",
    b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
    b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
    b"<</Length 39>>stream\nBT /F 12 Tf 10 10 Td (Hello PDF) Tj ET\nendstream",
    b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
)


def _pdf() -> bytes:
    content, offsets = b"%PDF-1.4\n", []
    for number, each in enumerate(_PDF_OBJECTS, start=1):
        offsets.append(len(content))
        content += b"%d 0 obj%b\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    head = b"xref\n0 6\n0000000000 65535 f \n" + table
    end = b"trailer<</Root 1 0 R/Size 6>>\nstartxref\n%d\n%%%%EOF\n" % len(content)
    return content + head + end


PARSERS = (
    Parser(
        "settings",
        (
            b'model = "starter"\n[chat]\nmax_tokens = 5\n[cloud]\nallow = ["openai"]\n',
            b'[endpoint.x]\nurl = "http://127.0.0.1:1/v1"\nheaders = { a = "b" }\n',
        ),
        _config,
        weight=1,
    ),
    Parser(
        "batch line",
        (
            b'{"prompt": "Hi", "options": {"max_tokens": 3}, "schema": {"type": "object"}}',
            b'{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}',
        ),
        lambda content, at: read_prompt(content, LineDefaults()),
    ),
    Parser(
        "template",
        (b'prompt = "Say $x: $input"\nsystem = "Be"\n[variables]\nx = "y"\n[options]\nseed = 1\n',),
        lambda content, at: read_template(file_of("t.toml", content, at)),
        weight=1,
    ),
    Parser(
        "schema",
        (b'{"type": "object", "properties": {"a": {"type": "integer"}}}',),
        lambda content, at: from_data(json_of(content), "it"),
        (LocalaiError, ValueError),
    ),
    Parser(
        "short schema",
        (b"name, age:int, ok?:bool, size:a|b, all:[str]",),
        lambda content, at: from_short_form(content.decode(errors="replace")),
        weight=1,
    ),
    Parser(
        "file in a question",
        (b"a\n```\nb\n````py\n", b"\n\n  x"),
        lambda c, at: with_files([TextFile("f", c.decode(errors="replace"))], "?"),
    ),
    Parser("text", (b"\xef\xbb\xbfabc", "äöü".encode("utf-16")), lambda c, at: decode(c, "it")),
    Parser("PDF", (_pdf(),), lambda c, at: read_text_file(str(file_of("a.pdf", c, at))), weight=6),
    Parser(
        "terminal",
        (
            b"# A\n\n* b `c` **d**\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
            b"```py\nx\n```\n\x1b[2J\xc2\x9b",
        ),
        _terminal,
    ),
    Parser("suite", (_SUITE,), lambda c, at: _suite("s.toml", c, at)),
    Parser("suite's lines", _LINES, lambda c, at: _suite("s.jsonl", c, at)),
    Parser("promptfoo", (_PROMPTFOO,), lambda c, at: _suite("s.yaml", c, at)),
    Parser("expectation", _EXPECTATIONS, _expectation, (LocalaiError, ValueError)),
    Parser("run of compare", (RUN,), _run),
    Parser(
        "doctor's facts",
        tuple(file.read_bytes() for file in sorted(_MACHINES.glob("*.json"))),
        _facts,
    ),
    Parser(
        "machine",
        tuple(
            json.dumps(machine).encode()
            for file in sorted(_MACHINES.glob("*.json"))
            if (machine := json.loads(file.read_bytes()).get("machine"))
        ),
        lambda content, at: load_profile(str(file_of("m.json", content, at))),
    ),
    Parser(
        "llama-bench",
        (
            json.dumps([BENCH, {**BENCH, "n_prompt": 0, "n_gen": 16}]).encode(),
            json.dumps(BENCH).encode() + b"\n" + json.dumps(BENCH).encode() + b"\n",
        ),
        _llama_bench,
    ),
)
