"""`localai bench` on an engine that nobody here wrote: Ollama."""

from __future__ import annotations

import json
import urllib.request

from tests.support.clock import becomes
from tests.support.command import RunLocalai
from tests.support.ollama import OllamaServer

TINY = ("--quick", "-p", "48", "-n", "12", "--json")


def loaded(server: OllamaServer) -> list[str]:
    """What it has in memory."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{server.url}/api/ps", timeout=30) as response:
        return [each["name"] for each in json.load(response)["models"]]


def test_ollama_is_measured_and_left_as_it_was(
    ollama_server: OllamaServer, run_localai: RunLocalai
) -> None:
    environment = {"OLLAMA_HOST": ollama_server.host}
    ollama_server.run("stop", "smollm2:135m")
    assert becomes(lambda: not loaded(ollama_server), 10)
    arguments = ("bench", "ollama/smollm2:135m", *TINY)
    result = run_localai(*arguments, env=environment, timeout_s=300)
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)["results"]
    assert row["engine"].startswith("Ollama")
    assert row["decode_tokens_per_s"]["value"] > 0
    assert row["server"]["decode_tokens_per_s"]["value"] > 0
    assert len(row["decode_tokens_per_s"]["samples"]) >= 6
    assert becomes(lambda: not loaded(ollama_server), 10), "it was not in memory before"
