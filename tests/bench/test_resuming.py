"""Going on with a benchmark that was broken off: nothing twice, nothing lost, nothing mixed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from localai.bench.arriving import arrivals
from localai.bench.cell import Cell
from localai.bench.plan import QUICK, Plan, Test
from localai.bench.prompts import Prompts
from localai.bench.resuming import broken_off, require_same, unfinished_search
from localai.bench.row import Row
from localai.bench.stored_runs import RunRecorder, StoredRun, note_machine, read_runs
from localai.bench.subject import subjects
from localai.bench.verdict import verdict
from localai.config import load
from localai.database import Database
from localai.errors import InvalidInput, NotFound
from localai.hardware.this_machine import this_machine
from localai.locks import try_lock
from localai.paths import locate, private_dir
from localai.providers.pool import ProviderPool
from tests.bench.test_comparison import BASE, MACHINE, cell, run, samples
from tests.support.command import RunLocalai
from tests.support.paced_server import PacedServer

NOTHING = Plan((), (), (512,), (128,), (0,))
ASKED = Plan(("farm/paced",), (), (64,), (24,), (0,), quick=True)
SEARCH = Plan((), ("llamacpp",), (512,), (48,), (0,), quick=True)
TRIED: tuple[dict[str, Any], ...] = ({"engine.threads": None}, {"engine.kv_type": "q8_0"})


@pytest.fixture
def database(localai_home: object) -> Iterator[Database]:
    with closing(Database(locate().database)) as opened:
        yield opened


def kept(database: Database, plan: Plan, *cells: Cell) -> RunRecorder:
    """A run that was broken off after these rows."""
    keeper = RunRecorder.new(database, MACHINE, plan)
    for number, each in enumerate(cells):
        keeper.keep(number, each)
    return keeper


def test_a_refused_run_is_forgotten_only_where_nothing_was_measured(database: Database) -> None:
    measured = kept(database, ASKED, cell(BASE))
    empty = kept(database, ASKED, replace(cell(BASE), samples=()))
    measured.forget_if_empty()
    empty.forget_if_empty()
    assert [each.id for each in read_runs(database)] == [measured.run_id]


def test_predictions_rest_on_one_user_at_a_time(database: Database) -> None:
    alone = cell(BASE, model="llamacpp/m", provider="llamacpp", zone="device")
    together = [replace(each, throughput_tokens=400, throughput_s=1.0) for each in alone.samples]
    users = replace(alone.test, concurrency=4)
    four = replace(alone, test=users, samples=tuple(together))
    assert verdict(four) == "quiet"
    arriving = replace(alone, test=replace(alone.test, rate=2.0))
    kept(database, ASKED, alone, four, arriving, replace(alone, zone="lan"))
    (found,) = database.bench_rates("llamacpp", "m")
    assert found.decode_tokens_per_s == pytest.approx(100.05, rel=0.01)
    assert found.depth_tokens == 576


def test_requests_that_arrived_are_not_made_again(paced: PacedServer) -> None:
    paced.set(first_s=0.005, gap_s=0.001)
    paths, source = locate(), random.Random()
    test = Test(32, 9, rate=50.0)
    with ProviderPool(paths) as pool:
        (subject,) = subjects(["farm/paced"], [], load(paths), pool)
        prompts = Prompts(subject, test, None, source, None, False)
        prompts.fit()
        before = replace(cell(BASE, provider="farm"), test=test)
        row = Row(subject, prompts, before, QUICK)
        paced.asked.clear()
        states: list[Cell] = []

        def change(changed: Cell) -> None:
            row.cell = changed
            states.append(changed)

        wanted = len(BASE) + 3
        assert list(arrivals(row, wanted, source, change)) == [*range(wanted - 3, wanted + 1)]
    assert len(paced.asked) == 3
    assert row.cell.samples[: len(BASE)] == before.samples
    assert [each.round for each in row.cell.samples] == list(range(wanted))
    assert len(states[0].samples) == len(BASE) + 1, "each is kept as it ends"


def test_a_row_that_was_finished_is_not_asked_again(
    paced: PacedServer, database: Database, command_environment: dict[str, str]
) -> None:
    whole = replace(
        cell(BASE, provider="farm", zone="device", digest=None),
        model="farm/paced",
        engine="farm",
        settings={"temperature": 0},
        samples=tuple(
            replace(each, decode_s=1.0, first_token_s=2.0, round=number)
            for number, each in enumerate(samples([100.0] * 6))
        ),
    )
    tests = (Test(64, 24), Test(80, 24))
    plan = replace(ASKED, prompts=(64, 80))
    first, second = (replace(whole, test=each) for each in tests)
    keeper = _of_this_machine(database, plan, first, replace(second, samples=(), is_warm=False))
    resumed = subprocess.run(
        [sys.executable, "-m", "tests.bench.quiet_localai", "0.01", "bench", "--resume", "--json"],
        env=command_environment,
        capture_output=True,
    )
    assert resumed.returncode == 0, resumed.stderr
    document = json.loads(resumed.stdout)
    assert document["run"] == keeper.run_id
    one, two = document["results"]
    assert one["decode_tokens_per_s"]["samples"] == [127.0] * 6
    assert len(two["decode_tokens_per_s"]["samples"]) == 6
    measured = [body for body in paced.asked if body["max_tokens"] == 24]
    assert len(measured) == 3 + 6, "to be steady, and to be sure"
    words = {len(body["messages"][-1]["content"].split()) for body in measured}
    assert words == {80 - 4}


def _of_this_machine(database: Database, plan: Plan, *cells: Cell) -> RunRecorder:
    keeper = RunRecorder.new(database, note_machine(this_machine(locate(), "once")), plan)
    for number, each in enumerate(cells):
        keeper.keep(number, each)
    return keeper


@pytest.mark.parametrize(
    ("now", "why"),
    [
        ({"digest": "sha256:2"}, "m: the model's file is another one"),
        ({"settings": {"threads": 1}}, "m: other settings: threads"),
        ({"engine": "e 2"}, "m: it was measured in e 1, and this is e 2"),
        ({"model": "n"}, "it is of m, and n would be measured"),
    ],
)
def test_two_halves_that_differ_make_no_row(now: dict[str, Any], why: str) -> None:
    before = cell(BASE)
    require_same(run(before), [replace(before, samples=())], MACHINE)
    with pytest.raises(InvalidInput, match=why) as refused:
        require_same(run(before), [replace(before, **now)], MACHINE)
    assert refused.value.hint == "what it measured is kept: localai bench show abcdef"
    with pytest.raises(InvalidInput, match="another machine"):
        require_same(run(before), [before], replace(MACHINE, cores=1))


def test_what_was_asked_for_goes_on_and_nothing_else(database: Database) -> None:
    with pytest.raises(NotFound):
        broken_off(database, NOTHING)
    keeper = kept(database, ASKED, cell(BASE))
    for plan in (NOTHING, ASKED):
        assert broken_off(database, plan).id == keeper.run_id
    with pytest.raises(InvalidInput, match="measures something else"):
        broken_off(database, replace(ASKED, prompts=(128,)))
    keeper.end(None)
    with pytest.raises(NotFound):
        broken_off(database, NOTHING)


def test_a_search_goes_on_where_it_was(database: Database) -> None:
    def left() -> StoredRun:
        return unfinished_search(database, SEARCH, SEARCH)

    with pytest.raises(NotFound):
        left()
    slower = cell([0.9 * rate for rate in BASE], settings={"kv_type": "q8_0"})
    in_vain = kept(database, replace(SEARCH, trials=TRIED), cell(BASE), slower)
    in_vain.end(None)
    with pytest.raises(NotFound):
        left()
    faster = cell([1.3 * rate for rate in BASE], settings={"kv_type": "q8_0"})
    trying = kept(database, replace(SEARCH, trials=TRIED), cell(BASE), faster)
    assert left().id == trying.run_id
    assert left().plan is not None
    assert left().plan.engine_settings == TRIED  # type: ignore[union-attr]
    with pytest.raises(InvalidInput) as refused:
        broken_off(database, NOTHING)
    assert refused.value.command == "localai bench tune --resume"
    trying.end(None)
    assert left().id == trying.run_id, "what gained is to be measured again"
    again = kept(database, replace(SEARCH, trials=TRIED, confirms=trying.run_id), cell(BASE))
    assert left().id == again.run_id
    again.end(None)
    with pytest.raises(NotFound):
        left()


def test_other_options_beside_resume_are_refused(
    paced: PacedServer, run_localai: RunLocalai, database: Database, localai_home: object
) -> None:
    kept(database, ASKED, cell(BASE))
    other = run_localai("bench", "farm/paced", "-p", "96", "--resume")
    assert other.returncode == 2
    assert b"measures something else" in other.stderr
    assert b"localai bench --resume" in other.stderr
    search = run_localai("bench", "tune", "--resume")
    assert (search.returncode, b"no search" in search.stderr) == (3, True)


def test_a_run_that_still_runs_is_left_to_it(
    paced: PacedServer, run_localai: RunLocalai, database: Database
) -> None:
    keeper = kept(database, ASKED, cell(BASE))
    folder = private_dir(locate().cache_dir / "bench")
    (folder / "abcdef.lock").touch()
    held = try_lock(folder / f"{keeper.run_id}.lock")
    assert held is not None
    resumed = run_localai("bench", "--resume")
    assert resumed.returncode == 2
    assert b"is being measured by another localai" in resumed.stderr
    assert not (folder / "abcdef.lock").exists(), "what a killed run has left"
    os.close(held)
    assert b"cannot go on" in run_localai("bench", "--resume").stderr, "its rows are others"


def test_a_server_that_went_away_leaves_the_run_to_go_on_with(
    paced: PacedServer, run_localai: RunLocalai, database: Database
) -> None:
    keeper = kept(database, ASKED, cell(BASE))
    paced.__exit__()
    away = run_localai("bench", "--resume")
    assert away.returncode == 5
    assert b"is not running" in away.stderr
    assert broken_off(database, NOTHING).id == keeper.run_id
