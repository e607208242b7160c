"""Runs every case over every row that does not say why it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.contract.rows import Row, Subject, rows
from tests.support.scripted_server import Reply, ScriptedServer, Step

ROWS = rows()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for fixture, attribute in (("real", "real"), ("play", "scripted")):
        if fixture in metafunc.fixturenames:
            kills = "mortal" in metafunc.fixturenames
            names = [
                name
                for name, row in ROWS.items()
                if getattr(row, "kill" if kills else attribute)
                and metafunc.function.__name__ not in row.cannot
            ]
            metafunc.parametrize(fixture, names, indirect=True, scope="module")


@pytest.fixture(scope="module")
def real(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """The row's provider against its real server."""
    row = ROWS[request.param]
    assert row.real is not None
    with row.real(request) as subject:
        yield subject


@pytest.fixture(scope="module")
def mortal(real: Subject) -> Subject:
    """The same, of the rows whose server may be killed."""
    return real


class Play:
    """A row's provider against the scripted server, in the row's own dialect."""

    def __init__(self, row: Row, home: Path) -> None:
        assert row.wire is not None, "a row with `scripted` needs a `wire`"
        self.wire = row.wire
        self.server = ScriptedServer()
        self._row = row
        self._home = home

    def steps(self, steps: Sequence[Step]) -> Subject:
        """The server answers a question with these packets and pauses."""
        return self.reply(self.wire.stream(steps))

    def reply(self, reply: Reply) -> Subject:
        """The server answers a question with `reply`."""
        self.server.routes = self.wire.routes(reply)
        assert self._row.scripted is not None
        return self._row.scripted(self.server, self._home)


@pytest.fixture(scope="module")
def play(request: pytest.FixtureRequest) -> Callable[[Path], Play]:
    """Makes a `Play` of the row; a test calls it with its own folder."""
    return lambda home: Play(ROWS[request.param], home)
