"""What is made ready before a command is killed that asks a server: a download, answers with code;
and before one that has the terminal: a session, a pager, a vote."""

from __future__ import annotations

import hashlib
import json
import shutil
from functools import cache

from tests.campaigns.around_a_kill import CASES, a_file, conversations, llama_bench, suite
from tests.campaigns.hostile_commands import MODELS
from tests.campaigns.place import Place, Tally
from tests.support.file_server import FileServer
from tests.support.scripted_server import ScriptedServer
from tests.support.wires import ChatCompletionsWire

_BYTES_PER_S = 60e6
_LAYER = "application/vnd.ollama.image"
_CODE = "```python\nimport time\ntime.sleep(1)\nprint(5)\n```"
FARM = ("-m", "farm/a", "-m", "farm/b")


@cache
def _files() -> FileServer:
    """A server of files that takes its time, for as long as the campaign lasts."""
    server = FileServer()
    server.bytes_per_s = _BYTES_PER_S
    return server


@cache
def _farm() -> ScriptedServer:
    """A server of two models that answer with a program."""
    server = ScriptedServer()
    wire = ChatCompletionsWire({"GET /v1/models": MODELS})
    server.routes = wire.routes(wire.stream(wire.answer([_CODE])))
    return server


def on_a_server(at: Place) -> None:
    """A model at an address, and in a registry; neither is here yet."""
    a_file(at)
    content = (at.work / "mine.gguf").read_bytes()
    server = _files()
    if "/far.gguf" not in server.files:
        server.put("/far.gguf", content)
        _put_in_registry(server, content)
    at.environment |= {
        "LOCALAI_REGISTRY_OLLAMA": server.url,
        "OLLAMA_MODELS": str(at.work / "ollama"),
    }
    shutil.rmtree(at.work / "ollama", ignore_errors=True)
    if (at.home / "data" / "models" / "far.gguf").exists():
        at.run("rm", "--yes", "far")


def _put_in_registry(server: FileServer, content: bytes) -> None:
    blobs = {f"sha256:{hashlib.sha256(each).hexdigest()}": each for each in (content, b"{}")}
    model, config = blobs
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": f"{_LAYER}.config", "digest": config, "size": 2},
        "layers": [{"mediaType": f"{_LAYER}.model", "digest": model, "size": len(content)}],
    }
    for digest, each in blobs.items():
        server.put(f"/v2/library/tiny/blobs/{digest}", each)
    server.put("/v2/library/tiny/manifests/latest", json.dumps(manifest).encode())


def address() -> str:
    """Where the model lies."""
    return f"{_files().url}/far.gguf"


def arrived(tally: Tally, at: Place) -> None:
    """It is here, as it is there, and nothing is beside it."""
    far, mine = at.home / "data" / "models" / "far.gguf", at.work / "mine.gguf"
    tally.check(far.read_bytes() == mine.read_bytes(), "pull: the file is another")


def registered(tally: Tally, at: Place) -> None:
    """Every blob of the store is what its name says."""
    blobs = list((at.work / "ollama" / "blobs").glob("sha256-*"))
    tally.check(len(blobs) == 2, f"pull: there are {[each.name for each in blobs]}")
    for blob in blobs:
        digest = hashlib.sha256(blob.read_bytes()).hexdigest()
        tally.check(blob.name == f"sha256-{digest}", f"pull: {blob.name} is another")


def code_suite(at: Place) -> None:
    """Cases whose answers are programs that run for a while."""
    at.run("config", "set", "endpoint.farm.url", f"{_farm().url}/v1")
    (at.work / "code-run.jsonl").unlink(missing_ok=True)
    case = {"prompt": "Print 5.", "expect": {"runs": {"prints": "5"}}}
    lines = [json.dumps({"id": f"c{n}", **case}) + "\n" for n in range(CASES)]
    (at.work / "code.jsonl").write_text("".join(lines))


def code_has_run(tally: Tally, at: Place) -> None:
    """Every program ran once, and passed."""
    lines = [json.loads(line) for line in (at.work / "code-run.jsonl").read_text().splitlines()]
    answers = [(each["case"], each["model"]) for each in lines if each["record"] == "answer"]
    tally.check(len(set(answers)) == len(answers) == 2 * CASES, f"--run-code: answers {answers}")


def farmed(at: Place) -> None:
    """The server of two models is known."""
    at.run("config", "set", "endpoint.farm.url", f"{_farm().url}/v1")


def judged(at: Place) -> None:
    """A suite whose answers a judge is asked about, and no run of it yet."""
    suite(at)
    farmed(at)
    case = {"id": "c0", "prompt": "Say 5.", "expect": {"judge": "It is short."}}
    (at.work / "suite.jsonl").write_text(json.dumps({**case, "options": {"max_tokens": 2}}) + "\n")
    (at.work / "judged.jsonl").unlink(missing_ok=True)


def paged(at: Place) -> None:
    """A conversation that is longer than the screen, and a pager of the system's."""
    conversations(at)
    at.environment |= {"PAGER": "more", "TERM": "xterm-256color"}


def typed(at: Place) -> None:
    """A terminal on which a session is held."""
    at.environment |= {"TERM": "xterm-256color"}


def a_benchmark(at: Place) -> None:
    """One that is kept, and no copies of it."""
    llama_bench(at)
    at.run("bench", "import", "bench.json")
    for name in ("shared.json", "bench.csv"):
        (at.work / name).unlink(missing_ok=True)


def shared(tally: Tally, at: Place) -> None:
    """The copy for other people is whole."""
    document = json.loads((at.work / "shared.json").read_text())
    tally.check("schema" in document, "bench show --share: it is not whole")
