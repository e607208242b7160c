"""What the reference promises is what the commands print."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def _pages() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pages: dict[str, str] = module.pages()
    return pages


def test_the_written_reference_is_what_the_code_says(
    monkeypatch: pytest.MonkeyPatch, command_environment: dict[str, str]
) -> None:
    for name, value in command_environment.items():
        monkeypatch.setenv(name, value)
    for name, content in _pages().items():
        written = (DOCS / "reference" / name).read_text()
        assert written == content, f"{name} is stale: python docs/generate.py"
