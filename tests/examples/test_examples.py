"""Every example runs on this machine alone, against a real Ollama."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import REPOSITORY
from tests.support.ollama import OllamaServer
from tests.support.processes import bare_environment

EXAMPLES = REPOSITORY / "docs" / "examples"
OFFLINE = Path(__file__).parent / "offline.py"


@pytest.fixture
def environment(ollama_server: OllamaServer, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A user's, with Ollama, `localai` on PATH, and both models that the examples name."""
    ollama_server.copy("smollm2:135m", "gemma3:12b")
    tools = tmp_path / "bin"
    tools.mkdir()
    localai = tools / "localai"
    localai.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m localai "$@"\n')
    localai.chmod(0o755)
    refused = tmp_path / "refused"
    refused.touch()
    own = {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "LOCALAI_HOME": str(tmp_path / "home"),
        "OLLAMA_HOST": ollama_server.host,
        "REFUSED_FILE": str(refused),
        "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"),
    }
    (tmp_path / "gitconfig").write_text("[user]\nname = A\nemail = a@example.invalid\n")
    try:
        yield bare_environment(tmp_path) | own
    finally:
        # The server is that of other tests, too.
        ollama_server.delete("gemma3:12b")
    assert refused.read_text() == "", "it wanted to leave this machine"


def run(command: list[str | Path], environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def said(output: str) -> dict[str, str]:
    """What a Python example printed, by the word before the colon."""
    return dict(re.findall(r"^(answer|stream|shape|chain): (.*)$", output, re.MULTILINE))


@pytest.mark.parametrize(
    ("name", "shows"),
    [
        ("langchain_chat.py", {"answer", "stream", "shape", "chain"}),
        ("ollama_package.py", {"answer", "stream", "shape"}),
        ("openai_package.py", {"answer", "stream"}),
        ("anthropic_package.py", {"stream"}),
    ],
)
def test_a_program_runs_offline(
    environment: dict[str, str], tmp_path: Path, name: str, shows: set[str]
) -> None:
    shown = said(run([sys.executable, OFFLINE, EXAMPLES / name], environment, tmp_path))
    assert shown.keys() == shows
    assert "Paris" in shown["stream"]
    assert "Paris" in shown.get("answer", "Paris")
    assert "Rom" in shown.get("chain", "Rome")


# A small model copies what it has seen: it calls the tool because it did so for other cities.
_TOOL_TEMPLATE = """{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}{{ if .ToolCalls }}<tool_call>
{{ range .ToolCalls }}{"name": "{{ .Function.Name }}", "arguments":
{{ .Function.Arguments }}}{{ end }}
</tool_call>{{ end }}<|im_end|>
{{ end }}{{ if .Tools }}{{ end }}<|im_start|>assistant
"""


@pytest.fixture
def model_with_tools(ollama_server: OllamaServer, tmp_path: Path) -> Iterator[None]:
    """`qwen3:8b` calls tools while the test runs."""
    modelfile = tmp_path / "Modelfile"
    seen = ""
    for city in ("Rome", "Berlin", "Madrid"):
        call = json.dumps({"name": "population", "arguments": {"city": city}})
        seen += f"MESSAGE user How many people live in {city}?\n"
        seen += f'MESSAGE assistant """<tool_call>\n{call}\n</tool_call>"""\n'
    modelfile.write_text(f'FROM smollm2:135m\nTEMPLATE """{_TOOL_TEMPLATE}"""\n{seen}')
    ollama_server.run("create", "qwen3:8b", "--file", modelfile)
    try:
        yield
    finally:
        ollama_server.copy("smollm2:135m", "qwen3:8b")


@pytest.mark.usefixtures("model_with_tools")
def test_a_model_calls_a_function(environment: dict[str, str], tmp_path: Path) -> None:
    program = EXAMPLES / "langchain_tools.py"
    output = run([sys.executable, OFFLINE, program], environment, tmp_path)
    assert "tool: population({'city': 'Paris'}) = 2,100,000 people live in Paris" in output
    assert re.search(r"^answer: \S", output, re.MULTILINE), output


def test_questions_about_files_stay_here(
    environment: dict[str, str], ollama_server: OllamaServer, tmp_path: Path
) -> None:
    (tmp_path / "archive.md").write_text(
        "The archive opens at nine in the morning.\n\nIt is closed on Mondays.\n"
    )
    (tmp_path / "bread.md").write_text("Bread is baked from flour, water and salt.\n")
    ollama_server.copy("smollm2:135m", "nomic-embed-text")
    try:
        program = EXAMPLES / "langchain_retrieval.py"
        asked = ("When does the archive open?", "archive.md", "bread.md")
        output = run([sys.executable, OFFLINE, program, *asked], environment, tmp_path)
    finally:
        ollama_server.delete("nomic-embed-text")
    passages = re.findall(r"^passage: (\S+) · (.*)$", output, re.MULTILINE)
    assert ("archive.md", "The archive opens at nine in the morning.") in passages
    assert len(passages) == 2 and re.search(r"^answer: \S", output, re.MULTILINE), output


def test_curl(environment: dict[str, str], tmp_path: Path) -> None:
    answer = json.loads(run(["sh", EXAMPLES / "curl.sh"], environment, tmp_path))
    assert "Paris" in answer["message"]["content"]


@pytest.fixture
def repository(environment: dict[str, str], tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    run(["git", "init", "--quiet"], environment, folder)
    (folder / "hello.txt").write_text("hello\n")
    run(["git", "add", "."], environment, folder)
    return folder


def test_a_pipeline(environment: dict[str, str], repository: Path) -> None:
    run(["git", "commit", "--quiet", "-m", "Say hello"], environment, repository)
    assert run(["sh", EXAMPLES / "pipeline.sh"], environment, repository).strip()


def test_a_hook_drafts_a_message_and_leaves_a_given_one_alone(
    environment: dict[str, str], repository: Path
) -> None:
    hook = repository / ".git" / "hooks" / "prepare-commit-msg"
    hook.write_bytes((EXAMPLES / "prepare-commit-msg").read_bytes())
    hook.chmod(0o755)
    run(["git", "commit", "--quiet", "-m", "Mine"], environment, repository)
    assert run(["git", "log", "--format=%B"], environment, repository).strip() == "Mine"
    (repository / "hello.txt").write_text("hello, world\n")
    accepting = environment | {"GIT_EDITOR": "true"}
    run(["git", "commit", "--quiet", "--all"], accepting, repository)
    drafted = run(["git", "log", "-1", "--format=%B"], environment, repository).strip()
    assert drafted and drafted != "Mine"


def test_make_summarizes_what_changed_only(environment: dict[str, str], tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for name in ("a", "b"):
        (texts / f"{name}.txt").write_text(f"The {name} is a letter.\n")
    make: list[str | Path] = ["make", "--silent", "-f", EXAMPLES / "Makefile"]
    run(make, environment, tmp_path)
    records = [json.loads(line) for line in (tmp_path / "summaries.jsonl").read_text().splitlines()]
    assert sorted(record["id"] for record in records) == ["texts/a.txt", "texts/b.txt"]
    assert all(record["text"].strip() for record in records)
    run([*make, "--question"], environment, tmp_path)


def test_every_example_is_run_and_listed() -> None:
    files = {file.name for file in EXAMPLES.iterdir() if file.is_file()} - {"README.md"}
    index = (EXAMPLES / "README.md").read_text()
    assert set(re.findall(r"^\| \[([^]]+)\]", index, re.MULTILINE)) == files
    assert all(f'"{name}"' in Path(__file__).read_text() for name in files)
