"""Whole commands against a server that answers anything but what it should. Not part of the suite.

    python -m tests.campaigns.hostile_commands [--only COMMAND] [--most N] [--minutes M]

The scenarios of `hostile`, for the commands that ask a server for more than one answer: `compare`,
`bench`, `batch`, as the client of each kind of server (`WIRES`); and for those that look at all of
them at once: `doctor --online`, `list`, `ps`, `show`, `recommend --online`. Each ends within
seconds, with a promised exit code and no word of a bug, and every `--json` is JSON. `--most` is of
each command with each kind of server.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.campaigns.hostile import BODIES, STATUSES, scenarios_of
from tests.campaigns.place import Place, Tally, check_ended, check_said, place
from tests.support.cloud_wires import ResponsesWire
from tests.support.scripted_server import Reply, ScriptedServer, UntilClosed, json_reply
from tests.support.wires import ChatCompletionsWire, OllamaWire, Wire

LONGEST_S = 90
CODES = (0, 2, 3, 4, 5, 6, 7, 8)
COMMANDS: dict[str, tuple[str, ...]] = {
    "compare": ("compare", "-m", "ONE", "-m", "TWO", "--json", "--max-tokens", "8", "Hi?"),
    "compare --suite": (
        *("compare", "--suite", "suite.jsonl", "-m", "ONE", "-m", "TWO", "--json"),
        *("--max-tokens", "8", "--judge", "ONE"),
    ),
    "bench": ("bench", "ONE", "-p", "32", "-n", "8", "--json"),
    "batch": ("batch", "in.jsonl", "-m", "ONE", "--max-tokens", "8"),
}
LOOKING: dict[str, tuple[str, ...]] = {
    "doctor --online": ("doctor", "--online", "--json"),
    "list": ("list", "--json"),
    "ps": ("ps", "--json"),
    "show": ("show", "farm/a", "--json"),
    "recommend --online": ("recommend", "--online", "--json"),
}
MODELS = json_reply({"object": "list", "data": [{"id": "a"}, {"id": "b"}]})
_TAGS = json_reply({"models": [{"name": "a:latest"}, {"name": "b:latest"}]})
_LOADED = [{"id": "a", "config": {"context_length": 4096}}]
_KEYS = json_reply(
    {
        "models": [
            {"type": "llm", "key": key, "max_context_length": 4096, "loaded_instances": _LOADED}
            for key in "ab"
        ]
    }
)
WIRES: dict[str, tuple[Wire, dict[str, Reply | list[Reply]]]] = {
    "farm": (ChatCompletionsWire(), {"GET /v1/models": MODELS}),
    "cloudlike": (ResponsesWire(), {"GET /v1/models": MODELS}),
    "ollama": (OllamaWire(), {"GET /api/tags": _TAGS}),
    "lmstudio": (ChatCompletionsWire(), {"GET /v1/models": MODELS, "GET /api/v1/models": _KEYS}),
}
"""What a server speaks and lists, by the name under which it is asked."""
REGISTRIES = ("registry.ollama", "registry.hub")


def _ready(at: Place, server: ScriptedServer) -> None:
    farm = f'[endpoint.farm]\nurl = "{server.url}/v1"\n'
    cloudlike = f'[endpoint.cloudlike]\nurl = "{server.url}/v1"\napi = "responses"\n'
    registries = "".join(f'{key} = "{server.url}"\n' for key in REGISTRIES)
    hosts = "".join(f'{name}.host = "{server.address}"\n' for name in ("ollama", "lmstudio"))
    (at.home / "config.toml").write_text(registries + hosts + farm + cloudlike)
    case = {"prompt": "Hi?", "expect": [{"contains": "a"}, {"judge": "It is short."}]}
    (at.work / "suite.jsonl").write_text(json.dumps(case) + "\n")
    (at.work / "in.jsonl").write_text('{"prompt": "Hi?"}\n' * 3)


def _run(tally: Tally, at: Place, name: str, words: tuple[str, ...], how: str) -> None:
    tally.tried[name] += 1
    what = f"{name}: {how}"
    try:
        done = at.run(*words, timeout_s=LONGEST_S)
    except subprocess.TimeoutExpired:
        tally.fault(f"{what}: hangs")
        return
    check_said(tally, done, what, *CODES)
    if "--json" in words:
        try:
            json.loads(done.stdout)
        except ValueError:
            tally.fault(f"{what}: no JSON: {done.stdout[:200]!r}")


def _replies() -> Iterator[tuple[str, Reply]]:
    """What the server answers whatever is looked up."""
    for status in STATUSES:
        for name, body in BODIES.items():
            yield f"{status} with {name}", Reply([body] if body else [], status)
    yield "bytes for ever", Reply([UntilClosed(b"x" * 60_000)])
    yield "a byte now and then", Reply([UntilClosed(b" ")])


def _commands_of(wire_name: str) -> dict[str, tuple[str, ...]]:
    names = {"ONE": f"{wire_name}/a", "TWO": f"{wire_name}/b"}
    return {
        f"{name}, {wire_name}": tuple(names.get(word, word) for word in words)
        for name, words in COMMANDS.items()
    }


def main() -> int:
    """Try every scenario on every command; 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--most", type=int, default=40, help="scenarios of each command")
    parser.add_argument("--minutes", type=float, default=60)
    asked = parser.parse_args()
    tally = Tally()
    ends = time.monotonic() + 60 * asked.minutes
    looked_up = list(_replies())
    with ScriptedServer() as server, place() as at:
        _ready(at, server)
        for number in range(asked.most):
            for name, words in LOOKING.items():
                how, reply = looked_up[number * len(looked_up) // asked.most]
                server.routes = {"GET /*": reply, "HEAD /*": reply, "POST /*": reply}
                if asked.only in name and time.monotonic() < ends:
                    _run(tally, at, name, words, how)
            for wire_name, (wire, others) in WIRES.items():
                answers = list(scenarios_of(wire))
                scenario = answers[number * len(answers) // asked.most]
                server.routes = wire.routes(scenario.reply) | others
                for name, words in _commands_of(wire_name).items():
                    if asked.only in name and time.monotonic() < ends:
                        _run(tally, at, name, words, scenario.name)
        check_ended(tally, at, "the end", 30)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
