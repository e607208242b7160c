"""Whether the suite notices small harmful changes to the product. Not part of the suite.

    python -m tests.campaigns.mutations              a hundred and more changes; two hours
    python -m tests.campaigns.mutations --list       what would be changed
    python -m tests.campaigns.mutations --only TEXT  those whose name has TEXT in it
    python -m tests.campaigns.mutations --again      those that were not noticed, once more

Some changes are made to the syntax tree of modules that do no I/O, drawn with a fixed seed; the
others stand in `harmful_changes.toml`. Each is made in a copy of the tree, where the tests of its
subject run until one fails. What has been tried stands in `--results` and is not tried again.

A change counts as noticed if a test fails that passes without it, or if the tests do not start; if
none has failed after `--seconds`, it does not. At the end all tests that noticed something are run
without any change: those that fail are named, and their changes tried again without them. A drawn
change that changes nothing which can be seen stands in the table with the reason (`equivalent`),
and another is drawn for it.

Last counted on 2026-11-26 on two quiet cores, a change's tests having 150 s (by hand) or 100 s
(drawn, seed 9). Of 57 by hand 55 were noticed at once and two by tests written since. Of 75 drawn
one is equivalent, 66 were noticed at once and three by tests written since: 69 of 74. Together 126
of 131, 96.2%; at once 121, 92.4%. Of 32 more by hand, made on 2026-11-27 where most had changed, 24
were noticed at once and eight by tests written since. Of 79 more of that day, in every package, 50
were noticed at once and 29 by tests written since; each was asked of the tests nearest to it, and
not of the whole suite. Those of the table whose file had changed since were tried again that day:
64 of 65 were noticed, and the last by a test that no longer depends on the machine's speed.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import Queue
from typing import Any

REPOSITORY = Path(__file__).parents[2]
BY_HAND = Path(__file__).with_name("harmful_changes.toml")
RESULTS = REPOSITORY / "build" / "mutations.jsonl"
TIME_LIMIT_S = 600
_PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=60")

# Who imports one of these does something; the others compute.
_EFFECTS = frozenset(
    {
        "asyncio",
        "contextvars",
        "fcntl",
        "http",
        "os",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "termios",
        "threading",
        "time",
        "typer",
        "urllib",
    }
)
# What a test has in it that takes long.
_STARTS_PROGRAMS = re.compile(
    r"run_localai|_server\b|smollm2|starter|mlx_model|subprocess|terminal|Scene\b"
)
_LEAST_LINES = 40
_MOST_OF_A_MODULE = 4
# Arguments whose value no behaviour that is promised depends on.
_INERT_KEYWORDS = {"frozen", "slots", "strict", "kw_only", "repr", "ensure_ascii", "help"}

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True, slots=True)
class Change:
    """`before` at `offset` of `file` becomes `after`; `tests` are asked whether they mind."""

    name: str
    file: str
    offset: int
    before: str
    after: str
    tests: tuple[str, ...]

    def apply(self, tree: Path) -> str:
        """Make the change in the copy `tree`; what stood in the file before."""
        path = tree / self.file
        text = path.read_text()
        end = self.offset + len(self.before)
        assert text[self.offset : end] == self.before, self.name
        path.write_text(text[: self.offset] + self.after + text[end:])
        return text


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.mutations")
    parser.add_argument("--seed", type=int, default=9)
    parser.add_argument("--drawn", type=int, default=80, help="how many changes are drawn")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    parser.add_argument("--only", action="append", default=[], metavar="TEXT")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--seconds", type=int, default=TIME_LIMIT_S, help="of a change's tests")
    parser.add_argument("--again", action="store_true", help="try those that were not noticed")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    changes = [*by_hand(), *drawn(arguments.seed, arguments.drawn)]
    if arguments.only:
        changes = [each for each in changes if any(text in each.name for text in arguments.only)]
    if arguments.list:
        for change in changes:
            print(f"{change.name}\n    {change.before!r} → {change.after!r}")
        print(f"{len(changes)} changes")
        return
    # A shell's background job ignores Ctrl-C, and so would what the tests send it to.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    campaign = Campaign(arguments.results, arguments.seconds)
    campaign.run(changes, arguments.jobs, again=arguments.again)


# ---- the changes


def by_hand() -> list[Change]:
    """Those of the table. Raises SystemExit where a text is not in its file exactly once."""
    changes = []
    for row in tomllib.loads(BY_HAND.read_text())["change"]:
        text = (REPOSITORY / row["file"]).read_text()
        found = text.count(row["before"])
        if found != 1:
            raise SystemExit(f"{BY_HAND.name}: {row['name']!r}: {found} times in {row['file']}")
        offset = text.index(row["before"])
        tests = tuple(row["tests"])
        changes.append(Change(row["name"], row["file"], offset, row["before"], row["after"], tests))
    return changes


def drawn(seed: int, count: int) -> list[Change]:
    """`count` changes to the syntax trees of modules that do no I/O, a few of each at most.

    A change's place in the draw depends on the seed and on its name only, so that a change of the
    product elsewhere draws the same ones.
    """

    def lot(change: Change) -> str:
        return hashlib.sha256(f"{seed} {change.name}".encode()).hexdigest()

    inert = {row["name"] for row in tomllib.loads(BY_HAND.read_text()).get("equivalent", [])}
    sites: list[Change] = []
    for path in sorted((REPOSITORY / "localai").rglob("*.py")):
        text = path.read_text()
        if text.count("\n") < _LEAST_LINES or _has_effects(ast.parse(text)):
            continue
        file = str(path.relative_to(REPOSITORY))
        tests = _tests_of(file)
        if not tests:
            continue
        here = [change for change in _sites(file, text, tests) if change.name not in inert]
        sites += sorted(here, key=lot)[:_MOST_OF_A_MODULE]
    return sorted(sites, key=lot)[:count]


def _has_effects(tree: ast.Module) -> bool:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return bool({name.partition(".")[0] for name in names} & _EFFECTS)


def _sites(file: str, text: str, tests: tuple[str, ...]) -> Iterator[Change]:
    """Every change that one operator makes to `text`. What is there twice in a function has a
    number in its name."""
    starts = [0]
    met: Counter[str] = Counter()
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    lines = text.splitlines()

    def offset(line: int, column: int) -> int:
        # The parser counts columns in bytes of UTF-8.
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in _expressions(function):
            for after in _mutations(node):
                begin = offset(node.lineno, node.col_offset)
                end = offset(node.end_lineno or 0, node.end_col_offset or 0)
                before = text[begin:end]
                name = f"{file} {function.name}: {before} → {after}"
                name = re.sub(r"\s+", " ", name)
                met[name] += 1
                name += f" ({met[name]})" if met[name] > 1 else ""
                yield Change(name, file, begin, before, after, tests)


def _expressions(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """The expressions of a body: no annotations, no texts, no keywords that change nothing."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.JoinedStr | ast.Raise):
            continue  # a function within has its own turn; messages are not behaviour
        if isinstance(node, ast.keyword) and node.arg in _INERT_KEYWORDS:
            continue
        if isinstance(node, ast.expr):
            yield node
        for field, value in ast.iter_fields(node):
            if field not in ("annotation", "returns"):
                children = value if isinstance(value, list) else [value]
                waiting += [child for child in children if isinstance(child, ast.AST)]


def _mutations(node: ast.expr) -> Iterator[str]:
    """What may stand in the place of `node`, as source."""
    match node:
        case ast.Compare(left=left, ops=[first, *rest], comparators=right):
            yield _source(ast.Compare(left, [_COMPARISONS[type(first)](), *rest], right))
        case ast.BoolOp(op=op, values=values):
            other: ast.boolop = ast.And() if isinstance(op, ast.Or) else ast.Or()
            yield _source(ast.BoolOp(other, values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield _source(operand)
        case ast.BinOp(left=left, op=op, right=end) if type(op) in _ARITHMETIC:
            if not any(map(_is_text, (left, end))):
                yield _source(ast.BinOp(left, _ARITHMETIC[type(op)](), end))
        case ast.Constant(value=bool() as flag):
            yield str(not flag)
        case ast.Constant(value=int() as number):
            yield str(number + 1)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield _source(ast.IfExp(test, orelse, body))
        case ast.Call(func=ast.Name(id=called), args=args, keywords=words) if called in _CALLS:
            yield _source(ast.Call(ast.Name(_CALLS[called]), args, words))
        case _:
            return


def _is_text(node: ast.expr) -> bool:
    literal = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return literal or isinstance(node, ast.JoinedStr)


def _source(node: ast.expr) -> str:
    return f"({ast.unparse(ast.fix_missing_locations(node))})"


def _tests_of(file: str) -> tuple[str, ...]:
    """The tests of a module: its own, all that import it, those of its folder, and those of the
    modules that import it; first those that start few programs."""
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    package, _, name = module.rpartition(".")
    imports = re.compile(
        rf"(from {re.escape(module)} import|import {re.escape(module)}\b"
        rf"|from {re.escape(package)} import [^\n]*\b{name}\b)"
    )
    own = _test_file(file)
    folder = own.rpartition("/")[0] + "/"
    while not (REPOSITORY / folder).is_dir():  # the tests of a package may be one folder
        folder = folder.rstrip("/").rpartition("/")[0] + "/"
    named, mirrored, importing = [], [], []
    for test, text in _texts("tests", "test_*.py").items():
        if test == own:
            named.append(test)
        elif imports.search(text):
            importing.append(test)
        elif folder != "tests/" and test.startswith(folder):
            mirrored.append(test)
    sources = _texts("localai", "*.py").items()
    of_users = {_test_file(user) for user, text in sources if imports.search(text)}
    of_users &= _texts("tests", "test_*.py").keys()
    others = dict.fromkeys([*importing, *mirrored, *sorted(of_users)])
    texts = _texts("tests", "test_*.py")
    return (*named, *sorted(others, key=lambda test: len(_STARTS_PROGRAMS.findall(texts[test]))))


def _test_file(file: str) -> str:
    folder, _, name = file.replace("localai", "tests", 1).rpartition("/")
    return f"{folder}/test_{name}"


@cache
def _texts(folder: str, pattern: str) -> dict[str, str]:
    """The files of that name below a folder, with their texts."""
    return {
        str(path.relative_to(REPOSITORY)): path.read_text()
        for path in sorted((REPOSITORY / folder).rglob(pattern))
    }


# ---- trying them


class Campaign:
    """Tries changes, each in one of a few copies of the tree, and keeps what came of them."""

    def __init__(self, results: Path, time_limit_s: int) -> None:
        self._results = results
        self._time_limit_s = time_limit_s
        self._lock = threading.Lock()
        self._failing_anyway: set[str] = set()

    def run(self, changes: list[Change], jobs: int, *, again: bool = False) -> None:
        """Try what has not been tried, and print the sum. The exit code is 1 below 95%."""
        known = {name for name, row in self._known().items() if row["noticed"] or not again}
        waiting = [change for change in changes if change.name not in known]
        with tempfile.TemporaryDirectory(prefix="localai-mutations-") as folder:
            trees: Queue[Path] = Queue()
            for number in range(jobs):
                trees.put(_copy_of_tree(Path(folder) / str(number)))
            while waiting:
                with ThreadPoolExecutor(jobs) as pool:
                    list(pool.map(lambda change: self._try(change, trees), waiting))
                doubtful = self._confirm(changes, trees.queue[0])
                waiting = [change for change in changes if change.name in doubtful]
        self._sum_up(self._known(), changes)

    def _try(self, change: Change, trees: Queue[Path]) -> None:
        tree = trees.get()
        started = time.monotonic()
        left_out = [f"--deselect={test}" for test in sorted(self._failing_anyway)]
        before = change.apply(tree)
        try:
            asked = ["--exitfirst", *left_out, *change.tests]
            code, output = _pytest(tree, asked, self._time_limit_s)
        finally:
            (tree / change.file).write_text(before)
            trees.put(tree)
        outcome = {0: "passed", 1: "failed", None: "out of time"}.get(code, "does not start")
        row = {
            "name": change.name,
            "noticed": outcome in ("failed", "does not start"),
            "outcome": outcome,
            "test": next(iter(_failed(output)), None) if outcome == "failed" else None,
            "seconds": round(time.monotonic() - started),
        }
        self._keep(row | {"confirmed": row["test"] is None})
        print(f"{'noticed  ' if row['noticed'] else 'UNNOTICED'} {change.name}", flush=True)

    def _confirm(self, changes: list[Change], tree: Path) -> set[str]:
        """Ask the tests that noticed something without any change; whose changes are in doubt."""
        names = {change.name for change in changes}
        rows = [row for name, row in self._known().items() if name in names]
        rows = [row for row in rows if not row.get("confirmed", True)]
        tests = sorted({row["test"] for row in rows})
        failing = set(_failed(_pytest(tree, tests, len(tests) * self._time_limit_s)[1]))
        for test in sorted(failing):
            print(f"left out, it fails without any change: {test}", flush=True)
        self._failing_anyway |= failing
        for row in rows:
            if row["test"] not in failing:
                self._keep(row | {"confirmed": True})
        return {row["name"] for row in rows if row["test"] in failing}

    def _keep(self, row: dict[str, Any]) -> None:
        with self._lock, self._results.open("a") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def _known(self) -> dict[str, dict[str, Any]]:
        if not self._results.exists():
            return {}
        rows = [json.loads(line) for line in self._results.read_text().splitlines()]
        return {row["name"]: row for row in rows}

    def _sum_up(self, known: dict[str, dict[str, Any]], changes: list[Change]) -> None:
        rows = [known[change.name] for change in changes]
        if not rows:
            raise SystemExit("there is no change of that name (--list)")
        missed = [row["name"] for row in rows if not row["noticed"]]
        print(f"\n{dict(Counter(row['outcome'] for row in rows))}")
        for name in missed:
            print(f"unnoticed: {name}")
        noticed = len(rows) - len(missed)
        print(f"{noticed} of {len(rows)} changes were noticed: {100 * noticed / len(rows):.1f}%")
        if noticed < 0.95 * len(rows):
            raise SystemExit(1)


def _copy_of_tree(target: Path) -> Path:
    """What git tracks, and what it would: a copy of its own for each job."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        source, copy = REPOSITORY / name, target / name
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)
    subprocess.run(["git", "init", "--quiet"], cwd=target, check=True)
    return target


def _failed(output: str) -> list[str]:
    """The functions of the tests that failed, in order."""
    return re.findall(r"^(?:FAILED|ERROR) ([^\s\[]+)", output, re.MULTILINE)


def _pytest(tree: Path, arguments: list[str], limit_s: int) -> tuple[int | None, str]:
    """The exit code, None after the time limit, and the output."""
    environment = {name: text for name, text in os.environ.items() if name != "CI"}
    environment["PYTHONPATH"] = str(tree)
    process = subprocess.Popen(
        [*_PYTEST, *arguments],
        cwd=tree,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return None, ""
    return process.returncode, output


if __name__ == "__main__":
    main()
