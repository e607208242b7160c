"""Whole commands against a server that answers anything but what it should. Not part of the suite.

    python -m tests.campaigns.hostile_commands [--only COMMAND] [--most N] [--minutes M]

The scenarios of `hostile`, for the commands that ask a server for more than one answer: `compare`,
`bench`, `batch`, `doctor --online`, `list` and `show`. Each ends within seconds, with a promised
exit code and no word of a bug, and every `--json` is JSON.
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
from tests.support.scripted_server import Reply, ScriptedServer, UntilClosed, json_reply
from tests.support.wires import ChatCompletionsWire

LONGEST_S = 90
CODES = (0, 2, 3, 4, 5, 6, 7, 8)
TWO = ("-m", "farm/a", "-m", "farm/b")
COMMANDS: dict[str, tuple[str, ...]] = {
    "compare": ("compare", *TWO, "--json", "--max-tokens", "8", "Hi?"),
    "compare --suite": ("compare", "--suite", "suite.jsonl", *TWO, "--json", "--max-tokens", "8"),
    "bench": ("bench", "farm/a", "-p", "32", "-n", "8", "--json"),
    "batch": ("batch", "in.jsonl", "-m", "farm/a", "--max-tokens", "8"),
}
LOOKING: dict[str, tuple[str, ...]] = {
    "doctor --online": ("doctor", "--online", "--json"),
    "list": ("list", "--json"),
    "show": ("show", "farm/a", "--json"),
}
MODELS = json_reply({"object": "list", "data": [{"id": "a"}, {"id": "b"}]})
REGISTRIES = ("registry.ollama", "registry.hub")


def _ready(at: Place, server: ScriptedServer) -> None:
    section = f'[endpoint.farm]\nurl = "{server.url}/v1"\n'
    registries = "".join(f'{key} = "{server.url}"\n' for key in REGISTRIES)
    (at.home / "config.toml").write_text(registries + section)
    case = {"prompt": "Hi?", "expect": "a"}
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


def main() -> int:
    """Try every scenario on every command; 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--most", type=int, default=40, help="scenarios of each command")
    parser.add_argument("--minutes", type=float, default=60)
    asked = parser.parse_args()
    tally = Tally()
    ends = time.monotonic() + 60 * asked.minutes
    wire = ChatCompletionsWire({"GET /v1/models": MODELS})
    answers = [(each.name, each.reply) for each in scenarios_of(wire)]
    looked_up = list(_replies())
    with ScriptedServer() as server, place() as at:
        _ready(at, server)
        for number in range(asked.most):
            for name, words in (COMMANDS | LOOKING).items():
                if asked.only not in name or time.monotonic() > ends:
                    continue
                tried = answers if name in COMMANDS else looked_up
                how, reply = tried[number * len(tried) // asked.most]
                server.routes = wire.routes(reply)
                if name in LOOKING:
                    server.routes = {"GET /*": reply, "HEAD /*": reply, "POST /*": reply}
                _run(tally, at, name, words, how)
        check_ended(tally, at, "the end", 30)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
