"""What the reference promises is what the commands print."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from tests.support.command import RunLocalai

DOCS = Path(__file__).parents[1] / "docs"


def test_the_written_reference_is_what_the_code_says(run_localai: RunLocalai) -> None:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)

    def printed(*arguments: str) -> str:
        done = run_localai(*arguments, env=generate.ENVIRONMENT)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    generate.printed = printed
    for name, content in generate.pages().items():
        written = (DOCS / "reference" / name).read_text()
        assert written == content, f"{name} is stale: python docs/generate.py"
