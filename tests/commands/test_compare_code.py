"""`--run-code`: the code of answers is run where a case expects it and the user has said so."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from localai.compare.checks.program import Program
from localai.compare.checks.reading import read_expectations
from localai.compare.execution import run_code
from localai.errors import InvalidInput
from localai.privacy.confinement import unavailable
from tests.support.suites import TWO, Suites

confinable = pytest.mark.skipif(unavailable() is not None, reason="code cannot be confined here")


@pytest.fixture
def suites(suites: Suites) -> Suites:
    """One case whose right answer is a function."""
    expect = {"runs": {"test": "assert double(4) == 8"}}
    prompt = "Double! [```python\ndef double(n):\n    return 2 * n\n```]"
    suites.write({"id": "double", "prompt": prompt, "expect": expect})
    return suites


def test_without_the_flag_nothing_is_run_and_that_is_said(suites: Suites) -> None:
    prompt = "x [open('was-run', 'w')]"
    suites.write({"id": "a", "prompt": prompt, "expect": {"runs": True}})
    result = suites.run(*TWO, "-o", "run.jsonl")
    assert result.returncode == 0
    assert b"1 answer of cast/good not judged: its code was not run (--run-code)" in result.stdout
    assert not (suites.folder / "was-run").exists()
    assert b'"finding"' not in (suites.folder / "run.jsonl").read_bytes()


@confinable
def test_the_code_of_an_answer_is_run_once_and_judged_by_its_test(suites: Suites) -> None:
    suites.run(*TWO, "-o", "run.jsonl")
    document = suites.document(*TWO, "-o", "run.jsonl", "--run-code", code=8)
    outcomes = {case["model"]: case["outcome"] for case in document["cases"]}
    assert outcomes == {"cast/good": "passed", "cast/bad": "failed"}
    [check] = document["cases"][1]["checks"]
    assert check["kind"] == "runs"
    assert check["expected"] == "code that passes 'assert double(4) == 8'"
    assert check["got"].startswith("SyntaxError")
    findings = [
        line for line in suites.read("run.jsonl").splitlines() if '"record": "finding"' in line
    ]
    assert len(findings) == 2
    suites.document(*TWO, "-o", "run.jsonl", "--run-code", code=8)
    again = suites.read("run.jsonl").splitlines()
    assert len([line for line in again if '"record": "finding"' in line]) == 2
    report = suites.compare("report", "run.jsonl")
    assert report.returncode == 8, "what was found is kept; a report runs nothing"


@pytest.mark.parametrize("key", ["run_code", "run-code", "runs_code"])
def test_no_suite_can_say_it_itself(suites: Suites, key: str) -> None:
    (suites.folder / "suite.toml").write_text(f'{key} = true\n[[case]]\nprompt = "x"\n')
    result = suites.run(*TWO)
    assert result.returncode == 2
    assert b"there is no key" in result.stderr


def test_where_code_cannot_be_confined_nobody_is_asked(suites: Suites) -> None:
    patched = (
        "import sys\n"
        "from localai.privacy import landlock\n"
        "landlock.landlock_version = lambda _: 0\n"
        "from localai.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    (suites.folder / "patched.py").write_text(patched)
    result = subprocess.run(
        [sys.executable, "patched.py", "compare", "--suite", "suite.toml", *TWO, "--run-code"],
        cwd=suites.folder,
        env=suites.environment,
        capture_output=True,
        check=False,
    )
    assert result.returncode == 4, result.stderr
    assert b"Landlock" in result.stderr
    assert suites.asked() == []


def test_it_is_for_suites(suites: Suites) -> None:
    result = suites.compare(*TWO, "--run-code", "x")
    assert result.returncode == 2
    assert b"--run-code" in result.stderr


@confinable
@pytest.mark.parametrize(
    ("text", "program", "passed", "got"),
    [
        ("a, b = map(int, input().split())\nprint(a + b)", Program("", "2 3", "5\n"), True, "ran"),
        ("print(6)", Program(prints="5"), False, "printed: 6"),
        ("def f(): return 1", Program("x = 1\nassert f() == 2"), False, "in test line 2: assert"),
        ("f(", Program(), False, "SyntaxError"),
        ("", Program(), False, "no code"),
        ("import sys\nsys.exit(0)", Program("assert False"), False, "AssertionError"),
        ("import os\nos._exit(0)", Program(), False, "ended before its test"),
        ("import ctypes\nctypes.string_at(0)", Program(), False, "killed by SIGSEGV"),
        ("x = bytearray(2 << 30)", Program(), False, "MemoryError"),
        ("while True: print('x' * 1000)", Program(), False, "printed more than 1 MiB"),
        ("open('/etc/passwd')", Program(), False, "PermissionError"),
        ("Use this:\n```python\nprint(1)\n```\nand enjoy", Program(prints="1"), True, "ran"),
    ],
)
def test_what_code_does_is_what_is_said(
    text: str, program: Program, passed: bool, got: str
) -> None:
    found = run_code(text, program)
    assert (found.passed, got in found.got) == (passed, True), found


@confinable
def test_code_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localai.compare.execution.SECONDS", 2)
    found = run_code("import time\ntime.sleep(60)", Program())
    assert (found.passed, found.got) == (False, "took more than 2 s")


@pytest.mark.parametrize("value", [False, "x", {}, {"tests": "x"}, {"test": 1}])
def test_what_runs_does_not_take_is_said(value: object) -> None:
    with pytest.raises(InvalidInput, match='"runs" takes true or an object of texts'):
        read_expectations(json.loads(json.dumps({"runs": value})))
