"""Every provider against servers that answer anything but what they should. Not part of the suite.

    python -m tests.campaigns.hostile [--only PROVIDER] [--seed N]

Some hundred scenarios for each wire: odd statuses with odd bodies, answers cut, doubled and
reversed, each value of each packet and of each document about models replaced by one of another
type, lists of models that are none.
Each ends in an answer or in an error that says what was wrong, within seconds, and in nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import signal
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from localai.errors import LocalaiError
from localai.events import Done, ReasoningDelta, TextDelta
from localai.types import ChatRequest, Message, Options
from tests.campaigns.place import Tally
from tests.contract.conftest import ROWS, Play
from tests.contract.rows import Row, Subject
from tests.support.scripted_server import Drop, Reply, ScriptedServer, Step, UntilClosed
from tests.support.wires import Wire

LONGEST_S = 30
DEEP = b"[" * 100_000
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "null": b"null",
    "a number": b"5",
    "a text": b'"no"',
    "a list": b"[]",
    "error null": b'{"error": null}',
    "error a list": b'{"error": [1]}',
    "error a number": b'{"error": 5}',
    "message an object": b'{"error": {"message": {"a": 1}, "type": ["x"], "code": {}}}',
    "message null": b'{"error": {"message": null, "code": null}}',
    "deep": DEEP,
    "error in error": b'{"error":' * 900 + b'"x"' + b"}" * 900,
    "a page": b"<!doctype html><title>Log in</title>",
    "no UTF-8": b'{"error": "\xff\xfe"}',
    "NUL": b"\0" * 100,
    "escapes": b'{"error": {"message": "\\u001b]0;owned\\u0007\\ud800"}}',
}
STATUSES = (200, 201, 204, 301, 400, 401, 403, 404, 413, 418, 422, 500, 502, 599)
VALUES: dict[str, Any] = {
    "null": None,
    "a number": 5,
    "a negative": -1,
    "huge": 10**40,
    "a text": "x",
    "half a character": "\ud800",
    "a list": [],
    "an object": {},
    "a list of lists": [[[]]],
}


class Hang(BaseException):
    """It took too long."""


@dataclass(frozen=True)
class Scenario:
    """A name, and the reply to a question."""

    name: str
    reply: Reply


def scenarios(play: Play) -> Iterator[Scenario]:
    """What the row's server answers to a question."""
    return scenarios_of(play.wire)


def scenarios_of(wire: Wire) -> Iterator[Scenario]:
    """What a server of that wire answers to a question."""
    kind = wire.stream([]).content_type
    for status in STATUSES:
        for name, body in BODIES.items():
            headers = {"location": "http://127.0.0.1:9/x"} if status == 301 else {}
            steps: list[Step] = [body] if body else []
            yield Scenario(f"{status} with {name}", Reply(steps, status, headers=headers))
    for name, body in BODIES.items():
        yield Scenario(f"a stream of {name}", Reply([body] if body else [], content_type=kind))
        yield Scenario(f"an event of {name}", wire.stream([b"data: " + body + b"\n\n"]))
    answer = wire.answer(["Par", "is", " 🦙"], ["Let me"])
    yield from _rearranged(answer, wire.stream)
    for what, packets in (("answer", answer), ("call", wire.calls("c", "f", {"a": 1}))):
        for number, packet in enumerate(packets):
            for name, changed in changed_values(packet):
                whole = [*packets[:number], changed, *packets[number + 1 :]]
                yield Scenario(f"{what}, packet {number}, {name}", wire.stream(whole))


def _rearranged(answer: list[bytes], stream: Callable[[list[Step]], Reply]) -> Iterator[Scenario]:
    body = b"".join(answer)
    for part in range(1, 20):
        cut = body[: len(body) * part // 20]
        yield Scenario(f"closed at {part}/20", stream([cut]))
        yield Scenario(f"reset at {part}/20", stream([cut, Drop()]))
    for name, changed in {
        "doubled": body * 2,
        "reversed": b"".join(reversed(answer)),
        "a thousand times": body * 1000,
        "CRLF": body.replace(b"\n", b"\r\n"),
        "CR": body.replace(b"\n", b"\r"),
        "without its last line's end": body.rstrip(),
        "no spaces": body.replace(b": ", b":"),
        "with a byte-order mark": b"\xef\xbb\xbf" + body,
        "with comments": b": hello\n\n" + body,
        "with no UTF-8": body.replace(b"Par", b"P\xff\xfer"),
        "with NUL": body.replace(b"Par", b"P\\u0000r"),
        "with escapes": body.replace(b"Par", b"\\u001b[2J\\u009b1m"),
        "with half a character": body.replace(b"Par", b"\\ud800"),
        "with a huge piece": body.replace(b"Par", b"x" * 5_000_000),
        "with NaN": body.replace(b"null", b"NaN").replace(b"10", b"Infinity"),
        "without braces": body.replace(b"}", b""),
    }.items():
        yield Scenario(name, stream([changed]))
    yield Scenario("byte by byte", stream([body[n : n + 1] for n in range(len(body))]))


def changed_values(packet: bytes) -> Iterator[tuple[str, bytes]]:
    """The packet with each value of its document replaced by one of another type."""
    begin = packet.find(b"{")
    end = packet.rfind(b"}") + 1
    if begin < 0:
        return
    try:
        document = json.loads(packet[begin:end])
    except ValueError:
        return
    for path in _places(document):
        for name, value in VALUES.items():
            changed = json.loads(packet[begin:end])
            _put(changed, path, value)
            where = ".".join(map(str, path))
            text = packet[:begin] + json.dumps(changed).encode() + packet[end:]
            yield f"{where} is {name}", text


def changed_documents(
    routes: Mapping[str, Reply | list[Reply]],
) -> Iterator[tuple[str, str, Reply]]:
    """Each route that answers with a JSON document, with each of its values replaced in turn: what
    was changed, the route, its reply."""
    for route, reply in routes.items():
        if isinstance(reply, Reply) and len(reply.steps) == 1 and isinstance(reply.steps[0], bytes):
            for what, changed in changed_values(reply.steps[0]):
                yield f"{route}, {what}", route, Reply([changed])


def _places(document: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    keys: list[Any] = []
    if isinstance(document, dict):
        keys = list(document)
    elif isinstance(document, list):
        keys = list(range(len(document)))
    for key in keys:
        yield from _places(document[key], (*path, key))


def _put(document: Any, path: tuple[str | int, ...], value: Any) -> None:
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value


def _ask(subject: Subject) -> None:
    request = ChatRequest(subject.model, (Message("user", "Hi?"),), Options(max_tokens=64))
    ended = False
    for event in subject.provider.stream(request):
        if isinstance(event, (TextDelta, ReasoningDelta)):
            event.text.encode()
        ended = ended or isinstance(event, Done)
    if not ended:
        raise AssertionError("the events have no end")


def _list(subject: Subject) -> None:
    for model in subject.provider.models():
        # A name may be half a character: what shows or keeps it makes it whole.
        str(model.id).encode(errors="surrogatepass")


def _resolve(subject: Subject) -> None:
    subject.provider.resolve("scripted")


def _loaded(subject: Subject) -> None:
    subject.provider.loaded(subject.model)


def judge(tally: Tally, what: str, action: Callable[[], None], longest_s: int = LONGEST_S) -> None:
    """Do it: it ends by itself or with an error that says what was wrong, all else is a fault."""

    def too_long(*_: object) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(longest_s)
    try:
        action()
    except LocalaiError as error:
        tally.check(type(error) is not LocalaiError, f"{what}: a bug: {error}")
        tally.check(bool(error.message.strip()), f"{what}: no word")
    except Hang:
        tally.fault(f"{what}: hangs")
    except BaseException as error:  # noqa: BLE001 - any other is what is looked for
        tally.fault(f"{what}: {type(error).__name__}: {str(error)[:150]}")
    finally:
        signal.alarm(0)


def main() -> int:
    """Try every scenario; 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--most", type=int, default=100_000, help="of each provider")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    # Each client would read this machine's certificates anew, which no server here has.
    once = cache(ssl.create_default_context)
    with patch.object(ssl, "create_default_context", once):
        return _all_of_them(asked.only, asked.most)


def _all_of_them(only: str, most: int) -> int:
    tally = Tally()
    for name, row in ROWS.items():
        if row.scripted is None or row.wire is None or only not in name:
            continue
        with tempfile.TemporaryDirectory() as home:
            _try_provider(tally, name, Play(row, Path(home)), most)
        _try_documents(tally, name, row, most)
        print(f"{name}: {tally.tried.total()} tried so far", flush=True)
    return tally.end()


def _try_provider(tally: Tally, name: str, play: Play, most: int) -> None:
    all_of_them = list(scenarios(play))
    step = max(1, len(all_of_them) // most)
    for scenario in all_of_them[::step]:
        tally.tried[name] += 1
        subject = play.reply(scenario.reply)
        judge(tally, f"{name}: {scenario.name}", partial(_ask, subject))
        with contextlib.suppress(Exception):
            subject.provider.close()
    endless = Reply([UntilClosed(b"x" * 60_000)], 500)
    for what, body in {**BODIES, "endless": b""}.items():
        reply = endless if what == "endless" else Reply([body] if body else [])
        subject = play.reply(play.wire.stream([]))
        for route in [each for each in play.server.routes if each.startswith("GET")]:
            play.server.routes[route] = reply
        tally.tried[f"{name}, its models"] += 1
        judge(tally, f"{name}: a list of {what}", partial(_list, subject))


def _try_documents(tally: Tally, name: str, row: Row, most: int) -> None:
    """Whatever asks a server whose documents about its models are of another form."""
    assert row.wire is not None and row.scripted is not None
    routes = row.wire.routes(row.wire.stream(row.wire.answer(["Paris"])))
    all_of_them = list(changed_documents(routes))
    with ScriptedServer() as server:
        for what, route, reply in all_of_them[:: max(1, len(all_of_them) // most)]:
            server.routes = {**routes, route: reply}
            for action in (_list, _resolve, _loaded, _ask):
                # What was learnt of a model is kept by its digest: each has a home of its own.
                with tempfile.TemporaryDirectory() as home:
                    tally.tried[f"{name}, documents"] += 1
                    opened = partial(row.scripted, server, Path(home))
                    judge(tally, f"{name}: {what}", partial(_with_one, opened, action))


def _with_one(opened: Callable[[], Subject], action: Callable[[Subject], None]) -> None:
    subject = opened()
    try:
        action(subject)
    finally:
        subject.provider.close()


if __name__ == "__main__":
    sys.exit(main())
