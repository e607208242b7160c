"""The real things that the other tests rely on are there and are what they are taken for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.support.command import REPOSITORY, RunLocalai, stop_processes_of
from tests.support.ollama import OllamaServer
from tests.support.processes import WITHOUT_SPINNING
from tests.support.registry import REPOSITORY as PUSHED
from tests.support.registry import TAG, OciRegistry
from tests.support.terminal import Terminal
from tests.support.weights import SYSTEM_PROMPT

pytestmark = pytest.mark.real_process

QUESTION = "What is the capital of France?"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

ASK_MLX = f"""
import sys, mlx_lm
model, tokenizer = mlx_lm.load(sys.argv[1])
messages = [
    {{"role": "system", "content": {SYSTEM_PROMPT!r}}},
    {{"role": "user", "content": {QUESTION!r}}},
]
prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
print(mlx_lm.generate(model, tokenizer, prompt, max_tokens=16))
"""

LOAD_GGUF = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx = 512
params.hostnames = [sys.argv[2]]
server = xllamacpp.Server(params)
body = {"prompt": "Paris is the capital of", "n_predict": 4, "temperature": 0}
print(server.handle_completions(body)["choices"][0]["text"])
"""


@pytest.mark.parametrize("model", ["smollm2:135m", "qwen3:8b"])
def test_ollama_answers(ollama_server: OllamaServer, model: str) -> None:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": QUESTION}],
        "stream": False,
        "options": {"num_predict": 16, "temperature": 0},
    }
    assert "Paris" in ollama_server.post("/api/chat", body)["message"]["content"]


def test_ollama_takes_a_cloud_model_under_an_innocent_name(ollama_server: OllamaServer) -> None:
    ollama_server.create_cloud_alias("innocent", "http://127.0.0.1:9")
    try:
        shown = ollama_server.post("/api/show", {"model": "innocent"})
        assert shown["remote_host"] == "http://127.0.0.1:9"
    finally:
        ollama_server.delete("innocent")


def test_registry_holds_what_ollama_pushed(oci_registry: OciRegistry, smollm2_path: Path) -> None:
    request = urllib.request.Request(
        f"{oci_registry.url}/v2/{PUSHED}/manifests/{TAG}", headers={"Accept": MANIFEST}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as response:
        layers = json.load(response)["layers"]
    sizes = {layer["mediaType"]: layer["size"] for layer in layers}
    assert sizes["application/vnd.ollama.image.model"] == smollm2_path.stat().st_size


def test_mlx_folder_answers(mlx_python: Path, mlx_model_path: Path) -> None:
    answer = subprocess.run(
        [mlx_python, "-c", ASK_MLX, mlx_model_path], check=True, capture_output=True, text=True
    )
    assert "Paris" in answer.stdout


def test_gemma_loads_in_the_engine(gemma3_path: Path, localai_home: Path) -> None:
    socket = localai_home / "engine.sock"
    command: list[str | Path] = [sys.executable, "-c", LOAD_GGUF, gemma3_path, socket]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "France" in answer.stdout


def test_terminal_shows_what_a_program_draws(pty: Callable[..., Terminal]) -> None:
    program = "import os; input('name? '); print(os.get_terminal_size().columns, os.isatty(1))"
    terminal = pty(command=(sys.executable, "-c", program), columns=60)
    terminal.wait_for("name?")
    assert terminal.cursor == (6, 0)
    terminal.send("me\r")
    assert terminal.wait_exit() == 0
    assert terminal.screen.splitlines() == ["name? me", "60 True"]


def test_the_command_runs_in_a_home_of_its_own(
    run_localai: RunLocalai, localai_home: Path, command_environment: dict[str, str]
) -> None:
    shown = run_localai("config", "path")
    assert shown.returncode == 0, shown.stderr
    assert str(localai_home) in shown.stdout.decode()
    own = {"PATH", "HOME", "LANG", "LOCALAI_HOME", "PYTHONPATH"}
    assert command_environment.keys() == own | WITHOUT_SPINNING.keys()


def test_what_was_started_under_a_home_ends_with_it(tmp_path: Path) -> None:
    environment = os.environ | {"LOCALAI_HOME": str(tmp_path)}
    with subprocess.Popen(["sleep", "60"], env=environment, start_new_session=True) as left:
        stop_processes_of(tmp_path)
    assert not psutil.pid_exists(left.pid)


@pytest.mark.parametrize(
    ("environment", "marker", "outcome"),
    [
        ({}, "", "1 skipped"),
        ({"CI": "true"}, "", "1 failed"),
        ({"CI": "true"}, "@pytest.mark.apple", "1 skipped"),
    ],
)
def test_ci_fails_on_a_skip_unless_it_needs_apple(
    tmp_path: Path, environment: dict[str, str], marker: str, outcome: str
) -> None:
    test = f"import pytest\n{marker}\ndef test(): pytest.skip('no server')\n"
    (tmp_path / "test_skip.py").write_text(test)
    options = ["-p", "tests.support.skips", "-p", "no:cacheprovider", "-o", "markers=apple"]
    without_ci = {name: value for name, value in os.environ.items() if name != "CI"}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *options, tmp_path],
        env=without_ci | environment | {"PYTHONPATH": str(REPOSITORY)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in result.stdout.splitlines()[-1]
