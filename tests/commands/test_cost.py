"""`localai cost` over a store with calls in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localai.database import Database
from localai.paths import locate
from localai.types import Locality, Timings, Usage, Zone
from tests.support.command import RunLocalai


@pytest.fixture
def calls(localai_home: Path) -> None:
    database = Database(locate({"LOCALAI_HOME": str(localai_home)}).database)
    cloud = Locality(Zone.CLOUD, "api.openai.com answered")
    here = Locality(Zone.DEVICE, "a worker")
    for model, usage, provider, locality in (
        ("gpt-4o-mini", Usage(1_000_000, 1_000_000, 0), "openai", cloud),
        ("smollm2", Usage(10, 5), "llamacpp", here),
    ):
        database.record_usage(
            command="chat",
            provider=provider,
            model=model,
            usage=usage,
            timings=Timings(),
            locality=locality,
        )
    database.close()


@pytest.mark.usefixtures("calls")
def test_the_table_has_a_line_a_model_and_their_sum(run_localai: RunLocalai) -> None:
    ran = run_localai("cost")
    assert ran.returncode == 0, ran.stderr
    lines = [line.split("\t") for line in ran.stdout.decode().splitlines()]
    assert lines == [
        ["model", "calls", "tokens in", "cached", "out", "cost"],
        ["openai/gpt-4o-mini", "1", "1,000,000", "0", "1,000,000", "$0.7500"],
        ["llamacpp/smollm2", "1", "10", "–", "5", "0"],
        ["all", "2", "1,000,010", "0", "1,000,005", "$0.7500"],
    ]
    assert b"genai-prices" in ran.stderr


@pytest.mark.usefixtures("calls")
def test_the_document_names_what_the_sums_rest_on(run_localai: RunLocalai) -> None:
    document = json.loads(run_localai("cost", "--by", "provider", "--json").stdout)
    assert document["schema"] == "localai.cost/1"
    openai, local = document["totals"]
    assert openai["cost"]["amount"] == 0.75
    assert local["cost"] == {
        "amount": 0.0,
        "currency": "USD",
        "basis": "computed on this device",
    }
    assert local["usage"] == {
        "input_tokens": 10,
        "output_tokens": 5,
        "cached_tokens": None,
        "reasoning_tokens": None,
        "cache_write_tokens": None,
    }
    assert document["overall"]["calls"] == 2


def test_no_calls_cost_nothing_and_create_nothing(
    run_localai: RunLocalai, localai_home: Path
) -> None:
    ran = run_localai("cost")
    assert (ran.returncode, ran.stdout) == (0, b"")
    assert b"no calls since 30d" in ran.stderr
    assert not locate({"LOCALAI_HOME": str(localai_home)}).database.exists()


@pytest.mark.parametrize("arguments", [("--by", "moon"), ("--since", "yesterday")])
def test_what_it_does_not_understand_is_a_usage_error(
    run_localai: RunLocalai, arguments: tuple[str, str]
) -> None:
    ran = run_localai("cost", *arguments)
    assert ran.returncode == 2
    assert arguments[1].encode() in ran.stderr
