"""How soon an answer through Ollama begins, beside curl, `ollama run` and the `ollama` package.

    python -m benchmarks.ollama [--runs 15]

Starts the real Ollama that the tests build (python -m tests.servers get ollama smollm2) on a free
port, and asks all of them the same question in turn. Also what the client costs a token.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import resource
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import interleaved, localai, machine, milliseconds, needing
from localai.config import load
from localai.events import TextDelta
from localai.paths import locate
from localai.providers.ollama import create
from localai.types import ChatRequest, Message, Options
from tests.servers.resources import RESOURCES
from tests.support.ollama import ONE_THREAD, OllamaServer, start_ollama
from tests.support.weights import SYSTEM_PROMPT

_MODEL = "smollm2:135m"
_QUESTION = "What is the capital of France?"
_TOKENS = 16
_LONG_TOKENS = 300
_LONG_QUESTION = "Write a long story about the sea."
_PACKAGE = """
import sys, ollama
options = {"num_predict": 16, "temperature": 0}
for part in ollama.chat(sys.argv[1], [{"role": "user", "content": sys.argv[2]}], stream=True,
                        options=options):
    print(part.message.content, end="", flush=True)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    binary, weights = RESOURCES["ollama"].find(), RESOURCES["smollm2"].find()
    if binary is None or weights is None:
        sys.exit("not here yet: python -m tests.servers get ollama smollm2")
    print(machine())
    with tempfile.TemporaryDirectory(prefix="localai-benchmark-") as folder:
        home = Path(folder)
        with start_ollama(binary, home) as server:
            modelfile = home / "Modelfile"
            # Ollama's threads spin for one another: two beside a busy process give a token in
            # three seconds. And its own client asks for no end.
            limits = f"{ONE_THREAD}\nPARAMETER num_predict {_TOKENS}"
            modelfile.write_text(f'FROM {weights}\nSYSTEM "{SYSTEM_PROMPT}"\n{limits}\n')
            server.run("create", _MODEL, "--file", modelfile)
            _first_bytes(server, binary, home, runs)
            _client_cost(server, home)


def _first_bytes(server: OllamaServer, binary: Path, home: Path, runs: int) -> None:
    environment = {
        **os.environ,
        "LOCALAI_HOME": str(home / "localai"),
        "OLLAMA_HOST": server.url,
        "HOME": str(home),
    }
    ours = ("chat", "-q", "-m", f"ollama/{_MODEL}", "-o", "temperature", "0")
    body = {
        "model": _MODEL,
        "messages": [{"role": "user", "content": _QUESTION}],
        "options": {"num_predict": _TOKENS, "temperature": 0, "num_ctx": 4096},
        "shift": False,
        "truncate": False,
    }
    commands = {
        "curl": ["curl", "-sN", f"{server.url}/api/chat", "-d", json.dumps(body)],
        "localai": localai(*ours, "--max-tokens", str(_TOKENS), _QUESTION),
        "ollama run": [str(binary), "run", _MODEL, _QUESTION],
        "ollama package": [sys.executable, "-c", _PACKAGE, _MODEL, _QUESTION],
    }
    results = interleaved(commands, runs, environment)
    print(f"\n{'warm, ' + str(_TOKENS) + ' tokens':<18} first byte              after curl's")
    curls = [each.first_byte_s for each in results["curl"]]
    for name, each in results.items():
        firsts = [run.first_byte_s for run in each]
        gap = statistics.median(ours - curl for ours, curl in zip(firsts, curls, strict=True))
        print(f"{name:<18} {milliseconds(firsts):<22} {gap * 1000:>6.0f} ms")


def _client_cost(server: OllamaServer, home: Path) -> None:
    """Our processor time for a streamed token, beside the least that a Python client can do."""
    os.environ["OLLAMA_HOST"] = server.url
    os.environ["LOCALAI_HOME"] = str(home / "localai")
    bare, ours = [], []
    for _ in range(3):
        bare.append(_bare_client(server.port))
        ours.append(_our_client())
    least, spent = statistics.median(bare), statistics.median(ours)
    print(f"\nprocessor time a token: {least:.0f} µs for http.client and json alone,")
    print(f"{spent:.0f} µs with everything of ours: {(spent - least) / 100:.2f}% of decode time")
    print("at 100 tok/s (10 ms a token)")


def _bare_client(port: int) -> float:
    """Microseconds a token for reading the stream and parsing its lines."""
    body = {"model": _MODEL, "messages": [{"role": "user", "content": _LONG_QUESTION}]}
    options = {"num_predict": _LONG_TOKENS, "num_ctx": 4096}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/api/chat", json.dumps({**body, "options": options}))
    response = connection.getresponse()
    response.readline()
    begun, lines = _processor_s(), 0
    for line in response:
        json.loads(line)
        lines += 1
    spent = _processor_s() - begun
    connection.close()
    return spent / lines * 1e6


def _our_client() -> float:
    """Microseconds a token for the events of our provider, from the first token to the last."""
    paths = locate()
    provider = create(load(paths), paths)
    model = provider.resolve(_MODEL)
    request = ChatRequest(
        model, (Message("user", _LONG_QUESTION),), Options(max_tokens=_LONG_TOKENS)
    )
    begun, spent, pieces = 0.0, 0.0, 0
    for event in provider.stream(request):
        if isinstance(event, TextDelta):
            # Imports and look-ups are in the first byte's time.
            begun = begun or _processor_s()
            spent = _processor_s() - begun
            pieces += 1
    return spent / pieces * 1e6


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    with needing("curl"):
        main()
