"""The tree of errors, and the commands that they give: each can be run as it stands."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

import localai
from localai import errors
from localai.cli import app
from localai.commands.table import COMMANDS
from localai.commands.verbs import DEFAULT_COMMAND
from localai.errors import LocalaiError
from localai.session.slash_commands import find
from tests.support.command import RunLocalai

_PACKAGE = Path(localai.__file__).parent
# What is promised of every error: its exit code and its `kind`.
_PROMISED = {
    "LocalaiError": (1, "unexpected"),
    "InvalidInput": (2, "invalid_input"),
    "SchemaRefused": (2, "invalid_input"),
    "TemplateFault": (2, "invalid_input"),
    "ForeignStore": (2, "invalid_input"),
    "NotFound": (3, "not_found"),
    "PolicyRefused": (4, "policy_refused"),
    "ProgramRefused": (4, "policy_refused"),
    "Unreachable": (5, "unreachable"),
    "ConnectionLost": (5, "unreachable"),
    "ProviderRefused": (6, "provider_refused"),
    "AnswerRefused": (6, "answer_refused"),
    "InsufficientResources": (7, "insufficient_resources"),
    "ContextOverflow": (7, "insufficient_resources"),
    "DatabaseFull": (7, "insufficient_resources"),
    "FinishedWithFailures": (8, "finished_with_failures"),
    "OwnStateUnavailable": (9, "own_state_unavailable"),
    "DatabaseUnavailable": (9, "database_unavailable"),
    "NotRemoved": (9, "not_removed"),
    "Interrupted": (130, "interrupted"),
}
# Programs that a user has, or is told to have in the same sentence.
_PROGRAMS = {
    *(
        "chmod",
        "curl",
        "df",
        "export",
        "rm",
        "hf",
        "keyring",
        "lms",
        "ls",
        "mkdir",
        "mv",
        "ollama",
        "pip",
    ),
    *("ollama", "pip", "unset", "wsl", "./install.sh", "${EDITOR:-vi}", "PYTHON"),
}


@cache
def _all_errors() -> set[type[LocalaiError]]:
    for path in _PACKAGE.rglob("*.py"):
        parts = path.relative_to(_PACKAGE).with_suffix("").parts
        if "mlx" not in parts and parts[-1] != "__main__":
            import_module(".".join(("localai", *parts)).removesuffix(".__init__"))
    return _with_subclasses(LocalaiError)


def _with_subclasses(base: type[LocalaiError]) -> set[type[LocalaiError]]:
    return {base}.union(*(_with_subclasses(each) for each in base.__subclasses__()))


def test_every_error_is_in_the_tree_of_errors() -> None:
    elsewhere = [each for each in _all_errors() if each.__module__ != errors.__name__]
    assert elsewhere == []
    tree = errors.__doc__ or ""
    for each in _all_errors():
        assert re.search(rf"\b{each.__name__} +{each.exit_code}\b", tree), each


def test_only_a_bug_exits_with_1() -> None:
    assert {each for each in _all_errors() if each.exit_code == 1} == {LocalaiError}
    assert {each for each in _all_errors() if each.kind == "unexpected"} == {LocalaiError}


def test_exit_codes_and_kinds_are_as_promised() -> None:
    assert {each.__name__: (each.exit_code, each.kind) for each in _all_errors()} == _PROMISED


def test_every_kind_is_in_the_reference() -> None:
    page = (_PACKAGE.parent / "docs/reference/exit-codes.md").read_text()
    for each in _all_errors():
        assert f"| {each.exit_code} | `{each.kind}` |" in page


def test_the_words_of_a_command_are_quoted() -> None:
    error = LocalaiError("x", command=("${EDITOR:-vi}", Path("/a folder/it's.toml")))
    assert error.command is not None
    assert error.command.startswith("${EDITOR:-vi} '")
    assert shlex.split(error.command) == ["${EDITOR:-vi}", "/a folder/it's.toml"]


def test_the_hint_and_the_command_are_shown_apart(run_localai: RunLocalai) -> None:
    result = run_localai("show", "smollm2-135n")
    lines = result.stderr.decode().splitlines()
    assert lines[0].startswith("error: ")
    assert "run: localai pull smollm2-135n" in lines
    document = json.loads(run_localai("show", "smollm2-135n", "--json").stdout)["error"]
    assert document["command"] == "localai pull smollm2-135n"
    assert document["hint"] is None or "localai" not in document["hint"]


# The commands in the source


def _texts(node: ast.expr) -> Iterator[str]:
    """The lines that an expression may be; what is known only at run time is an `x`."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "x" for part in parts
            )
        case ast.IfExp(body=body, orelse=orelse):
            yield from _texts(body)
            yield from _texts(orelse)
        case ast.BinOp(left=left):
            yield from (f"{text}x" for text in _texts(left))
        case ast.Tuple(elts=words):
            yield " ".join(next(_texts(word)) for word in words)
        case ast.Attribute(attr="executable"):
            yield "PYTHON"
        case ast.Constant(value=None):
            pass
        case _:
            yield "x"


@cache
def _given() -> dict[str, list[tuple[str, str]]]:
    """Where an error is given a `hint` or a `command`, and each text of it."""
    names = {each.__name__ for each in _all_errors()}
    given: dict[str, list[tuple[str, str]]] = {"hint": [], "command": []}
    for path in sorted(_PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for name, value in _keyed(node, names):
                if name in given:
                    where = f"{path.relative_to(_PACKAGE)}:{value.lineno}"
                    given[name] += [(where, text) for text in _texts(value)]
    return given


def _keyed(node: ast.AST, names: set[str]) -> Iterator[tuple[str, ast.expr]]:
    """The keywords of a call of one of `names`, the items of a dictionary."""
    match node:
        case ast.Call(func=function, keywords=keywords) if keywords:
            if ast.unparse(function) in names:
                yield from ((each.arg, each.value) for each in keywords if each.arg is not None)
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, value


def _commands() -> list[tuple[str, str]]:
    unknown = ("x", "/x", "localai x")
    return [(where, text) for where, text in _given()["command"] if text not in unknown]


def test_there_are_commands_to_check() -> None:
    assert len(_commands()) > 90


def test_a_command_can_be_run_as_it_stands(subtests: pytest.Subtests) -> None:
    for where, line in _commands():
        with subtests.test(where, line=line):
            _check_command(line)


def _check_command(line: str) -> None:
    assert not re.search(r"…|\b(FILE|DIR|NAME|ID|MODEL|VALUE|KEY|IN|OUT|HOST|PORT)\b", line)
    if line.startswith("/"):
        find(line.split()[0].removeprefix("/"))
        return
    program, *arguments = shlex.split(line)
    if program == "localai":
        _check_arguments(arguments)
    elif program != "x":
        assert program in _PROGRAMS, line


def _check_arguments(arguments: list[str]) -> None:
    """Raises typer's error where no such command or option exists."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "get_command"):
        context = command.context_class(command)
        verb = command.get_command(context, arguments[0]) if arguments else None
        if verb is None and DEFAULT_COMMAND in command.commands:
            command = command.commands[DEFAULT_COMMAND]
            break
        if not arguments or arguments[0].startswith("-"):
            break
        name, *arguments = arguments
        found = command.get_command(context, name)
        assert found is not None, name
        command = found
    if arguments == ["--help"]:
        return
    context = command.context_class(command)
    values, rest, _ = command.make_parser(context).parse_args(list(arguments))
    assert set(rest) <= {"x"}
    needed = [each.name for each in command.params if each.required]
    assert [name for name in needed if not values.get(name)] == []


def test_what_is_a_command_is_not_called_a_hint() -> None:
    names = "|".join(["localai", "ollama", "lms", "pip", "hf"])
    begins = re.compile(rf"^(({names}) |/[a-z]|\$|\./install)")
    assert [(where, text) for where, text in _given()["hint"] if begins.match(text)] == []


def test_the_programs_of_every_machine_are_here() -> None:
    for program in ("chmod", "df", "ls", "mkdir"):
        assert shutil.which(program)


def test_every_command_of_the_table_has_its_parser() -> None:
    for row in COMMANDS:
        _check_arguments([row.name, "--help"])


def test_what_the_system_refuses_a_single_case_is_no_bug() -> None:
    full = errors.as_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert (full.exit_code, full.kind) == (7, "insufficient_resources")
    assert "No space left on device" in full.message
    assert errors.as_error(MemoryError()).exit_code == 7
    assert errors.as_error(RuntimeError("can't start new thread")).exit_code == 7
    no_child = errors.as_error(OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)))
    assert (no_child.exit_code, "output" in no_child.message) == (7, False)
    assert "a bug in localai" in errors.as_error(AssertionError("odd")).message
