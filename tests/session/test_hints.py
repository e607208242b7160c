"""What an error advises in a session: slash commands, where a shell has options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.session.hints import hint_here, line_here

ROOT = Path(__file__).parents[2] / "localai"

# What a session may have to say as an option all the same, because another program is meant or the
# session itself is to be begun in another way.
_FOR_A_SHELL = (
    "head -c 1M FILE",
    "qpdf --decrypt",
    "convert",
    "iconv",
    "show MODEL --template",
    "strings FILE",
    "--debug shows",
    "this folder is -f .",
    "without -x",
    "chat -c",
)


@pytest.mark.parametrize(
    ("line", "here"),
    [
        ("localai list", "/model"),
        ("localai list --provider work", "/model"),
        ("localai chat -m llamacpp/eyes -a x.png what", "/model llamacpp/eyes"),
        ("localai chat -m 'a b'", "/model 'a b'"),
        ("localai history list", "/history"),
        ('localai chat "hello"', None),
        ("localai pull qwen3:8b", "localai pull qwen3:8b"),
        ("/retry", "/retry"),
        (None, None),
    ],
)
def test_a_line_is_one_of_the_session_s_own(line: str | None, here: str | None) -> None:
    assert line_here(line) == here


@pytest.mark.parametrize(
    ("hint", "here"),
    [
        (
            "a smaller model or --ctx fits better; --force tries anyway",
            "a smaller model (/model) or /set ctx N fits better",
        ),
        ("give a larger --ctx", "give more: /set ctx N"),
        ("--max-tokens 8192", "/set max_tokens 8192"),
        ("--think 2k --max-tokens 8k", "/think 2k /set max_tokens 8k"),
        ("leave out: -o min_p", "/set min_p default"),
        ("it does that; try -o repeat_penalty 1.2", "it does that; try /set repeat_penalty 1.2"),
        ("MLX takes one: -m llamacpp/MODEL", "MLX takes one: /model llamacpp/MODEL"),
        ("a PDF is added by -f 'my file.pdf'", "a PDF is added by /file 'my file.pdf'"),
        ("-p name VALUE -p other VALUE", "name=VALUE other=VALUE"),
        ("a well-known word", "a well-known word"),
        (None, None),
    ],
)  # fmt: skip
def test_a_hint_has_the_session_s_commands(hint: str | None, here: str | None) -> None:
    assert hint_here(hint) == here


class _FillIn(ast.NodeTransformer):
    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.Constant:
        return ast.Constant("X")


def _hints(tree: ast.AST) -> Iterator[str]:
    """Every text that stands as a hint in a module, `X` for what is filled in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "hint":
            yield ast.unparse(_FillIn().visit(node.value))


def test_no_hint_below_the_session_is_an_option_in_it() -> None:
    files = [
        file
        for folder in ("chat", "providers", "engine", "sizing", "wires", "session")
        for file in (ROOT / folder).rglob("*.py")
    ]
    found = {
        here
        for file in [*files, ROOT / "sampling_options.py"]
        for hint in _hints(ast.parse(file.read_text(encoding="utf-8")))
        if re.search(r"(?<![\w-])--?[a-z]", here := hint_here(hint) or "")
        and not any(each in hint for each in _FOR_A_SHELL)
    }
    assert found == set()
