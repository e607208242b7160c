"""Every provider that a command opens is closed at its end, however the command ends."""

from __future__ import annotations

import ast
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from localai.config import load
from localai.events import Events
from localai.paths import Paths, locate
from localai.providers import pool as pool_module
from localai.providers.pool import ProviderPool
from localai.providers.provider import Provider
from localai.types import ChatRequest, ResolvedModel
from tests.support.command import COMMAND, REPOSITORY, RunLocalai

# Two providers, which write down when they are opened and closed.
_TALLY = """
import os, time
from localai.errors import NotFound, Unreachable
from localai.events import *
from localai.providers.facts import ProviderFacts
from localai.providers.provider import Provider
from localai.types import *

FACTS = ProviderFacts(computes="by_model")

def note(text):
    with open(os.environ["TALLY"], "a") as file:
        file.write(text + "\\n")

class Tally(Provider):
    def __init__(self, name):
        self.name = name
        note(f"open {name}")
    def models(self):
        if "TALLY_IS_DOWN" in os.environ:
            raise Unreachable("tally is down")
        return [ResolvedModel(self.name, each, Zone.DEVICE, "here") for each in ("echo", "slow")]
    def resolve(self, name):
        if name not in ("echo", "slow", "down"):
            raise NotFound(f"no {name}")
        return ResolvedModel(self.name, name, Zone.DEVICE, "here")
    def stream(self, request):
        if request.model.id == "down":
            raise Unreachable("it is down")
        yield TextDelta("an answer")
        if request.model.id == "slow":
            note("answering")
            time.sleep(60)
        yield Done("stop", Usage(), Timings(), Locality(Zone.DEVICE, "here"), 100)
    def close(self):
        note(f"close {self.name}")

def first(config, paths):
    return Tally("first")

def second(config, paths):
    return Tally("second")
"""


@pytest.fixture
def tally(tmp_path: Path) -> Path:
    """The file in which the providers `first` and `second` write down that they are opened."""
    site = tmp_path / "site"
    metadata = site / "tally-1.dist-info"
    metadata.mkdir(parents=True)
    (site / "tally.py").write_text(_TALLY)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tally\nVersion: 1\n")
    points = "[localai.providers]\nfirst = tally:first\nsecond = tally:second\n"
    (metadata / "entry_points.txt").write_text(points)
    return tmp_path / "tally.txt"


@pytest.fixture
def environment(tally: Path) -> dict[str, str]:
    return {"PYTHONPATH": f"{tally.parent / 'site'}:{REPOSITORY}", "TALLY": str(tally)}


def counted(tally: Path) -> tuple[Counter[str], Counter[str]]:
    """How often each provider was opened and closed."""
    lines = [line.split() for line in tally.read_text().splitlines() if " " in line]
    opened = Counter(name for what, name in lines if what == "open")
    closed = Counter(name for what, name in lines if what == "close")
    return opened, closed


@pytest.mark.parametrize(
    ("arguments", "exit_code", "opened"),
    [
        (("chat", "-m", "first/echo", "hi"), 0, {"first": 1}),
        (("chat", "-m", "first/nosuch", "hi"), 3, {"first": 1}),
        (("chat", "-m", "first/down", "hi"), 5, {"first": 1}),
        (("batch", "-m", "first/echo", "lines.jsonl"), 0, {"first": 1}),
        (("batch", "-m", "first/down", "lines.jsonl"), 8, {"first": 1}),
        (("show", "first/echo"), 0, {"first": 1}),
        (("list",), 0, {"first": 1, "second": 1}),
        (("privacy",), 0, {"first": 1, "second": 1}),
    ],
)
def test_a_command_closes_what_it_opens(
    run_localai: RunLocalai,
    environment: dict[str, str],
    tally: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    exit_code: int,
    opened: dict[str, int],
) -> None:
    (tmp_path / "lines.jsonl").write_text('{"prompt": "one"}\n{"prompt": "two"}\n')
    ran = run_localai(*arguments, env=environment)
    assert ran.returncode == exit_code, ran.stderr
    assert counted(tally) == (opened, opened)


def test_the_provider_that_was_asked_in_vain_for_a_bare_name_is_closed(
    run_localai: RunLocalai, environment: dict[str, str], tally: Path
) -> None:
    ran = run_localai("chat", "-m", "x", "hi", env=environment | {"LOCALAI_PROVIDER": "first"})
    assert ran.returncode == 3, ran.stderr
    assert counted(tally) == ({"first": 1}, {"first": 1})


def test_the_fallback_is_closed_and_so_is_who_failed(
    run_localai: RunLocalai, environment: dict[str, str], tally: Path
) -> None:
    fallback = {"LOCALAI_CLOUD_FALLBACK": "second/echo"}
    ran = run_localai("chat", "-m", "first/down", "hi", env=environment | fallback)
    assert (ran.returncode, ran.stdout) == (0, b"an answer\n"), ran.stderr
    assert counted(tally) == ({"first": 1, "second": 1}, {"first": 1, "second": 1})


def test_what_does_not_answer_is_closed(
    run_localai: RunLocalai, environment: dict[str, str], tally: Path
) -> None:
    ran = run_localai("list", env=environment | {"TALLY_IS_DOWN": "1"})
    assert b"tally is down" in ran.stderr
    assert counted(tally) == ({"first": 1, "second": 1}, {"first": 1, "second": 1})


def test_ctrl_c_closes_it(
    command_environment: dict[str, str], environment: dict[str, str], tally: Path
) -> None:
    running = subprocess.Popen(
        [*COMMAND, "chat", "-m", "first/slow", "hi"],
        env=command_environment | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (tally.exists() and "answering" in tally.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    assert counted(tally) == ({"first": 1}, {"first": 1})


# The pool itself


class Recorded(Provider):
    """A provider that counts how often it is closed, and may refuse to be."""

    def __init__(self, name: str, *, fails: bool = False) -> None:
        self.name = name
        self.fails = fails
        self.closed = 0

    def models(self) -> list[ResolvedModel]:
        return []

    def resolve(self, name: str) -> ResolvedModel:
        raise NotImplementedError

    def stream(self, request: ChatRequest) -> Events:
        raise NotImplementedError

    def close(self) -> None:
        self.closed += 1
        if self.fails:
            raise RuntimeError("it does not close")


@pytest.fixture
def paths(localai_home: Path) -> Paths:
    return locate()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Recorded]:
    """What the pool opened, in order; a provider called `stuck` fails to close."""
    found: list[Recorded] = []

    def open_recorded(name: str, *_: object) -> Recorded:
        found.append(Recorded(name, fails=name == "stuck"))
        return found[-1]

    monkeypatch.setattr(pool_module, "open_provider", open_recorded)
    return found


def test_a_name_is_opened_once_under_the_same_settings(
    paths: Paths, opened: list[Recorded]
) -> None:
    with ProviderPool(paths) as providers:
        one = providers.provider("ollama", load(paths))
        assert providers.provider("ollama", load(paths)) is one
        allowing = load(paths).with_flags(cloud__allow=("openai",))
        assert providers.provider("ollama", allowing) is not one, "it may do more"
    assert [each.closed for each in opened] == [1, 1]


def test_one_that_does_not_close_keeps_no_other_from_it(
    paths: Paths, opened: list[Recorded]
) -> None:
    with pytest.raises(RuntimeError), ProviderPool(paths) as providers:
        for name in ("ollama", "stuck", "mlx"):
            providers.provider(name, load(paths))
    assert [each.closed for each in opened] == [1, 1, 1]


def test_only_the_pool_opens_providers() -> None:
    package = REPOSITORY / "localai"
    opening = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Name) and node.id == "open_provider"
    }
    assert opening == {"providers/pool.py"}
