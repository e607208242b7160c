"""Whatever reads JSON or TOML from outside is ready for what is nested too deeply to be read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import localai

_PACKAGE = Path(localai.__file__).parent
_READERS = {"loads", "load"}
_MODULES = {"json", "tomllib", "yaml"}
_OWN = {
    "doctor/facts_json.py": "what was written a moment ago, by the same call",
    "hardware/profiles.py": "the bundled profiles",
    "recommend/catalogue.py": "the bundled catalogue",
    "database/conversations.py": "the database, in which a call's arguments are one text",
    "database/benchmarks.py": "the database, whose documents are written by us alone",
    "engine/worker_files.py": "the launcher's own words to its child",
    "engine/llamacpp/memory_projection.py": "the launcher's own file for its child",
    "engine/llamacpp/evaluation.py": "the launcher's own file for its child",
    "compare/code_runner.py": "the launcher's own words to its child",
    "compare/suite/data_sets.py": "a file whose SHA-256 is known",
}


def test_every_reader_of_json_and_toml_is_ready_for_deep_nesting() -> None:
    unready = {
        f"{file.relative_to(_PACKAGE).as_posix()}:{line}"
        for file in sorted(_PACKAGE.rglob("*.py"))
        if file.relative_to(_PACKAGE).as_posix() not in _OWN
        for line in _unready(ast.parse(file.read_text(encoding="utf-8")))
    }
    assert unready == set()


def test_the_reasons_are_of_files_that_read() -> None:
    for name in _OWN:
        text = (_PACKAGE / name).read_text(encoding="utf-8")
        assert any(f"{module}.loads(" in text for module in _MODULES), name


def _unready(tree: ast.Module) -> Iterator[int]:
    for node, handled in _with_handlers(tree, frozenset()):
        if _reads(node) and not handled & {"RecursionError", "Exception"}:
            yield node.lineno


def _with_handlers(
    node: ast.AST, handled: frozenset[str]
) -> Iterator[tuple[ast.Call, frozenset[str]]]:
    """Every call, with the names of the errors that are caught around it."""
    if isinstance(node, ast.Call):
        yield node, handled
    if isinstance(node, (ast.FunctionDef, ast.Lambda)):
        handled = frozenset()
    if isinstance(node, ast.With):
        handled |= {name for item in node.items for name in _suppressed(item.context_expr)}
    if isinstance(node, ast.Try):
        caught = {
            name.id
            for handler in node.handlers
            for name in ast.walk(handler.type or ast.Name("Exception"))
            if isinstance(name, ast.Name)
        }
        for tried in node.body:
            yield from _with_handlers(tried, handled | caught)
        for other in (*node.handlers, *node.orelse, *node.finalbody):
            yield from _with_handlers(other, handled)
        return
    for child in ast.iter_child_nodes(node):
        yield from _with_handlers(child, handled)


def _suppressed(entered: ast.expr) -> Iterator[str]:
    if isinstance(entered, ast.Call) and ast.unparse(entered.func).endswith("suppress"):
        yield from (each.id for each in entered.args if isinstance(each, ast.Name))


def _reads(call: ast.Call) -> bool:
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and function.attr in _READERS
        and isinstance(function.value, ast.Name)
        and function.value.id in _MODULES
    )
