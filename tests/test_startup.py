"""What a command does not import: start-up time is a feature, and this is how it stays one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from localai.paths import Paths
from tests.support.scripted_server import ScriptedServer
from tests.support.wires import OllamaWire

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
# Who compiles a regular expression while a module is imported, and who asks for a signature.
_COSTLY = """
import inspect, re, sys
from functools import wraps

found = []

def told(function):
    @wraps(function)
    def wrapper(*arguments, **named):
        caller = sys._getframe(1)
        module, where = caller.f_globals.get("__name__", ""), caller.f_code.co_name
        if function is not compiled or (where == "<module>" and module.startswith("localai")):
            found.append(f"{function.__name__} {module} {getattr(arguments[0], '__name__', '')}")
        return function(*arguments, **named)
    return wrapper

compiled = re.compile
re.compile = told(re.compile)
inspect.signature = told(inspect.signature)
from localai.cli import main
code = main(sys.argv[1:])
sys.stdout.flush()
print("\\n".join(found), file=sys.stderr)
sys.exit(code)
"""


def _reported(probe: str, environment: dict[str, str], *arguments: str) -> list[str]:
    """The lines on stderr of the command line `arguments`, watched by `probe`."""
    result = subprocess.run(
        [sys.executable, "-c", probe, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stderr.splitlines()


def _imported(environment: dict[str, str], *arguments: str) -> set[str]:
    imported = set(_reported(_PROBE, environment, *arguments)[-1].split())
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
    warm = _imported(command_environment, *arguments)
    assert warm & HEAVY == set()
    assert warm & {"tempfile", "tomllib"} == set(), "a question writes no file and reads no TOML"


@pytest.mark.parametrize("model", ["ollama/scripted", "scripted:latest"])
def test_a_question_to_ollama_imports_nothing_that_it_does_not_need(
    localai_home: Path, command_environment: dict[str, str], model: str
) -> None:
    wire = OllamaWire()
    probe = _PROBE.replace('name.partition(".")[0]', "name")
    with ScriptedServer(wire.routes(wire.stream(wire.answer(["hi"])))) as server:
        environment = {**command_environment, "OLLAMA_HOST": server.address}
        told = _reported(probe, environment, "chat", "-q", "-n", "-m", model, "hello")
        asked = server.paths()
    # No package's metadata is opened to see whether a model's name is a provider's.
    unused = {"importlib.metadata", "encodings.idna", "localai.engine.worker_files"}
    unused |= {"localai.wires.special_tokens", "localai.wires.chat_completions.client"}
    assert set(told[-1].split()) & unused == set()
    # The last two are asked while Ollama computes, and after it.
    assert asked[-2:] == ["POST /api/chat", "GET /api/ps"]
    assert len(asked) <= 8


def test_a_one_shot_compiles_no_expression_that_it_does_not_use_and_reads_its_options_once(
    home_with_starter: Paths, command_environment: dict[str, str]
) -> None:
    told = _reported(_COSTLY, command_environment, "chat", "-q", "--max-tokens", "4", "hello")
    assert [line for line in told if line.startswith("compile ")] == []
    # Once for our own options, twice when Typer makes the command of it; never for a dataclass.
    signatures = [line.split()[-1] for line in told if line.startswith("signature ")]
    assert [name for name in signatures if not name.startswith("_")] == ["chat"] * 3
