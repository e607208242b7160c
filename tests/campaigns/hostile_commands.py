"""Whole commands against a server that answers anything but what it should. Not part of the suite.

    python -m tests.campaigns.hostile_commands [--only COMMAND] [--most N] [--minutes M] [--seed N]

The scenarios of `hostile`, for the commands that ask a server for more than one answer: `compare`,
`bench`, `batch`, as the client of each kind of server (`WIRES`); and for those that look at all of
them at once: `doctor --online`, `list`, `ps`, `show`, `recommend --online`. Each ends within
seconds, with a promised exit code and no word of a bug, and every `--json` is JSON. `--most` is of
each command with each kind of server, none of which gets a scenario twice. They take turns, and the
counts are printed after each round, so that a run that is cut has tried all kinds alike.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.campaigns.hostile import BODIES, STATUSES, changed_documents, scenarios_of
from tests.campaigns.place import Place, Tally, check_ended, check_said, place
from tests.support.cloud_wires import ResponsesWire
from tests.support.scripted_server import Reply, ScriptedServer, UntilClosed, json_reply
from tests.support.wires import ChatCompletionsWire, NewerOllamaWire, Wire

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
Routes = dict[str, Reply | list[Reply]]
WIRES: dict[str, tuple[Wire, Routes]] = {
    "farm": (ChatCompletionsWire(), {"GET /v1/models": MODELS}),
    "cloudlike": (ResponsesWire(), {"GET /v1/models": MODELS}),
    "ollama": (NewerOllamaWire(), {"GET /api/tags": _TAGS}),
    "lmstudio": (ChatCompletionsWire(), {"GET /v1/models": MODELS, "GET /api/v1/models": _KEYS}),
}
"""What a server speaks and lists, by the name under which it is asked."""
ROUND = len(LOOKING) + len(COMMANDS) * len(WIRES)
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


def _lookups() -> list[tuple[str, Routes]]:
    """What servers answer whatever is looked up: one thing to all, or one value of another form."""
    found: list[tuple[str, Routes]] = []
    for status in STATUSES:
        for name, body in BODIES.items():
            found.append((f"{status} with {name}", _always(Reply([body] if body else [], status))))
    found.append(("bytes for ever", _always(Reply([UntilClosed(b"x" * 60_000)]))))
    found.append(("a byte now and then", _always(Reply([UntilClosed(b" ")]))))
    routes: Routes = {}
    for wire, others in WIRES.values():
        routes |= wire.routes(wire.stream(wire.answer(["Paris"]))) | others
    for what, route, reply in changed_documents(routes):
        found.append((what, {**routes, route: reply}))
    return found


def _always(reply: Reply) -> Routes:
    return {f"{method} /*": reply for method in ("GET", "HEAD", "POST")}


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
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    tally, kinds = Tally(), Counter[str]()
    ends = time.monotonic() + 60 * asked.minutes
    with ScriptedServer() as server, place() as at:
        _ready(at, server)
        for number, (kind, name, words, how, routes) in enumerate(_plan(asked.seed, asked.most)):
            if time.monotonic() > ends:
                break
            if number % ROUND == 0:
                print(dict(kinds), f"{len(tally.faults)} faults", flush=True)
            if asked.only in name:
                kinds[kind] += 1
                server.routes = routes
                _run(tally, at, name, words, how)
        check_ended(tally, at, "the end", 30)
    print(dict(kinds))
    return tally.end()


def _plan(seed: int, most: int) -> Iterator[tuple[str, str, tuple[str, ...], str, Routes]]:
    """What is run, in turns: the kind of server, the command's name and words, the scenario."""
    chance = random.Random(seed)
    lookups = _shuffled(chance, _lookups())
    scenarios = {
        name: _shuffled(chance, list(scenarios_of(wire))) for name, (wire, _) in WIRES.items()
    }
    for _ in range(most):
        for name, words in LOOKING.items():
            how, routes = next(lookups)
            yield "looking", name, words, how, routes
        for kind, (wire, others) in WIRES.items():
            for name, words in _commands_of(kind).items():
                scenario = next(scenarios[kind])
                yield kind, name, words, scenario.name, wire.routes(scenario.reply) | others


def _shuffled(chance: random.Random, each: list[Any]) -> Iterator[Any]:
    """All of them in an order of chance, and then again."""
    chance.shuffle(each)
    return itertools.cycle(each)


if __name__ == "__main__":
    sys.exit(main())
