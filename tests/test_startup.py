"""What a command does not import: start-up time is a feature, and this is how it stays one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from localai.paths import Paths

# Each of these costs more than the rest of a one-shot's set-up.
HEAVY = {
    "anthropic",
    "genai_prices",
    "httpx",
    "huggingface_hub",
    "markdown_it",
    "ollama",
    "openai",
    "platformdirs",
    "prompt_toolkit",
    "psutil",
    "pydantic",
    "pygments",
    "rich",
    "tomlkit",
    "xllamacpp",
}

_PROBE = """
import sys
from localai.cli import main
code = main(sys.argv[1:])
sys.stdout.flush()
print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
sys.exit(code)
"""


def _imported(environment: dict[str, str], *arguments: str) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-c", _PROBE, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(result.stderr.splitlines()[-1].split())
    assert {"localai", "typer"} <= imported
    return imported


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["chat", "--help"], ["doctor", "--help"]]
)
def test_help_imports_nothing_heavy(
    command_environment: dict[str, str], arguments: list[str]
) -> None:
    assert _imported(command_environment, *arguments) & HEAVY == set()


def test_a_warm_one_shot_imports_nothing_heavy(
    home_with_starter: Paths, command_environment: dict[str, str]
) -> None:
    arguments = ("chat", "--max-tokens", "4", "hello")
    cold = _imported(command_environment, *arguments)
    assert cold & HEAVY <= {"psutil"}, "a cold one asks how much memory is free"
    assert _imported(command_environment, *arguments) & HEAVY == set()
