"""`localai cost` over a store with calls in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localai.database import Database
from localai.events import Locality, Timings, Usage
from localai.paths import locate
from localai.types import Zone
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


def test_a_file_is_called_by_its_name_in_the_table_and_whole_in_what_programs_read(
    run_localai: RunLocalai, localai_home: Path
) -> None:
    database = Database(locate({"LOCALAI_HOME": str(localai_home)}).database)
    database.record_usage(
        command="chat",
        provider="llamacpp",
        model="/home/ada/models/a.gguf",
        usage=Usage(10, 5),
        timings=Timings(),
        locality=Locality(Zone.DEVICE, "a worker"),
    )
    database.close()
    assert b"llamacpp/a.gguf\t1\t" in run_localai("cost").stdout
    assert b"llamacpp//home/ada/models/a.gguf,1," in run_localai("cost", "--csv").stdout


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


BREAK_EVEN = ("--break-even", "--price", "3500", "--watts", "60", "--kwh", "0.30")
ASSUMED = ("--tokens", "10:1", "--speed", "600:50")


def test_the_break_even_says_its_hours_and_all_that_they_rest_on(run_localai: RunLocalai) -> None:
    shown = run_localai("cost", *BREAK_EVEN, "--against", "openai/gpt-5.5", *ASSUMED)
    assert shown.returncode == 0, shown.stderr
    text = shown.stdout.decode()
    assert "breaks even after 447 busy hours" in text
    assert "that is 0.4 hours a day, every day of 3 years" in text
    for basis in ("10 tokens in to 1 out", "list prices of genai-prices", "60 W at $0.3 a kWh"):
        assert basis in text
    document = json.loads(
        run_localai("cost", *BREAK_EVEN, "--against", "openai/gpt-5.5", *ASSUMED, "--json").stdout
    )
    assert round(document["break_even"]["hours"]) == 447


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--break-even",), b"--break-even needs --against MODEL, --price, --watts, --kwh too"),
        ((*BREAK_EVEN, "--against", "openai/gpt-5.5"), b"no call that this machine computed"),
        ((*BREAK_EVEN, "--against", "gpt-5.5", *ASSUMED), b"names no cloud"),
        ((*BREAK_EVEN, "--against", "openai/gpt-5.5", "--tokens", "4:1"), b"go together"),
        (
            (*BREAK_EVEN, "--against", "openai/gpt-5.5", "--tokens", "x", "--speed", "6:5"),
            b"--tokens takes two numbers",
        ),
        (("--tokens", "4:1"), b"are for --break-even"),
        (("--csv", "--json"), b"goes with neither"),
    ],
)
def test_what_is_missing_for_it_is_said(
    run_localai: RunLocalai, arguments: tuple[str, ...], says: bytes
) -> None:
    ran = run_localai("cost", *arguments)
    assert ran.returncode == 2
    assert says in b" ".join(ran.stderr.split()) + ran.stdout


@pytest.fixture
def work(localai_home: Path) -> None:
    """Half an hour of this machine: a million tokens in, a hundred thousand out."""
    database = Database(locate({"LOCALAI_HOME": str(localai_home)}).database)
    database.record_usage(
        command="chat",
        provider="llamacpp",
        model="=smollm2",
        usage=Usage(1_000_000, 100_000, 0),
        timings=Timings(total_s=1800),
        locality=Locality(Zone.DEVICE, "a worker"),
    )
    database.close()


@pytest.mark.usefixtures("work")
def test_what_was_computed_here_has_its_energy_and_what_it_avoided(run_localai: RunLocalai) -> None:
    ran = run_localai(
        *("cost", "--watts", "60", "--kwh", "0.30", "--against", "openai/gpt-5-mini"),
        *("--price", "3285", "--years", "3"),
    )
    text = ran.stdout.decode()
    assert "1 call, 0.50 busy hours" in text
    assert "0.030 kWh, $0.0090 (your 60 W × busy time)" in " ".join(text.split()).replace("  ", " ")
    assert "$90.00 for 30 days" in text
    assert "$0.4500 at openai/gpt-5-mini" in text


@pytest.mark.usefixtures("work", "calls")
def test_the_sums_are_exported_and_drawn(run_localai: RunLocalai) -> None:
    csv = run_localai("cost", "--csv").stdout.decode().split("\r\n")
    assert csv[0] == "group,calls,unpriced,input_tokens,cached_tokens,output_tokens,cost_usd"
    assert csv[1] == "llamacpp/=smollm2,1,0,1000000,0,100000,0"
    assert len(csv) == 5
    drawn = run_localai("cost", "--plot").stdout.decode().splitlines()
    bars = {line.split("\t")[0]: line.split("\t")[-1] for line in drawn}
    assert bars["model"] == "cost as a bar"
    assert bars["openai/gpt-4o-mini"] == "█" * 30
    assert bars["llamacpp/smollm2"] == ""
